//! Broken session stores.

use std::{collections::HashMap, num::NonZeroU32, sync::Mutex};

use gatepass::{
    BackendError, Claims, ClientInfo, GrantedScopes, Timestamp,
    sessions::{
        CredentialsVersion, Delivery, DeliveryUpdate, NewSession, Rotation, Session, SessionId, SessionOwner,
        SessionStore, TokenFamily, TokenHash,
    },
    testing::contract,
};
use tokio::task::yield_now;

use crate::contract::{
    broken::assert_caught,
    hash_maps::{InMemorySessions, owner},
};

type Result<T> = std::result::Result<T, BackendError>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    RaisesVersionAtSignIn,
    KeepsVersion,
    KeepsSessions,
    IgnoresVersion,
    ComparesVersionFirst,
    IgnoresSessionId,
    AcceptsTokensWithoutSession,
    IgnoresKind,
    EndsSessionsOfOthers,
    RevokesTwice,
    RevokesSession,
    ListsOldestFirst,
    ListsExpired,
    LosesAddress,
    EndsTwice,
    HasNoMaximum,
    EvictsOldest,
    CountsExpired,
    CountsFirst,
    RefusesText,
    GrantsAll,
    IgnoresCase,
    RotatesAnyToken,
    RotatesAnySequence,
    RotatesInTwoSteps,
    KeepsExpiry,
    UpdatesAnyDelivery,
    UpdatesInTwoSteps,
    KeepsFamilies,
}

/// An in-memory store with one fault, and the data that some faults need.
struct Broken {
    inner: InMemorySessions,
    fault: Fault,
    opened: Mutex<Vec<(SessionOwner, SessionId, Option<TokenHash>)>>,
    ended: Mutex<Vec<SessionId>>,
    families: Mutex<HashMap<TokenHash, TokenFamily>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let inner = InMemorySessions::default();
        let (opened, ended, families) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { inner, fault, opened, ended, families }
    }

    fn sign_ins(&self) -> u64 {
        if self.fault == Fault::RaisesVersionAtSignIn { self.opened.lock().unwrap().len() as u64 } else { 0 }
    }

    fn owner(&self, owner: &SessionOwner) -> SessionOwner {
        let kind = if self.fault == Fault::IgnoresKind { "Member".into() } else { owner.user_kind.clone() };
        SessionOwner { user_kind: kind, subject: owner.subject.clone() }
    }

    /// Ends the sessions above the maximum, which are those with the lowest `rank`, and returns their IDs.
    async fn evict(
        &self,
        new: &NewSession<'_>,
        mut others: Vec<Session>,
        rank: impl Fn(&Session) -> Timestamp,
    ) -> Result<Vec<SessionId>> {
        others.retain(|session| session.id != *new.id);
        others.sort_by_key(|session| std::cmp::Reverse(rank(session)));
        let excess: Vec<_> = others.into_iter().skip(new.max_sessions.get() as usize - 1).collect();
        for session in &excess {
            self.inner.end(new.owner, &session.id, new.now).await?;
        }
        Ok(excess.into_iter().map(|session| session.id).collect())
    }

    async fn any_session(&self, owner: &SessionOwner) -> Result<Option<SessionId>> {
        Ok(self.inner.list(owner, Timestamp::default()).await?.pop().map(|session| session.id))
    }

    /// Returns the stored delivery of a session, whoever its owner is.
    async fn delivery(&self, id: &SessionId) -> Result<Option<Delivery>> {
        let opened = self.opened.lock().unwrap().clone();
        let Some((owner, ..)) = opened.iter().find(|(_, opened, _)| opened == id) else { return Ok(None) };
        let claims = Claims::new(owner.subject.clone(), GrantedScopes::All);
        self.inner.find_active(owner, &Claims { session_id: Some(id.clone()), ..claims }).await
    }
}

impl SessionStore for Broken {
    async fn credentials_version(&self, owner: &SessionOwner) -> Result<CredentialsVersion> {
        let CredentialsVersion(version) = self.inner.credentials_version(&self.owner(owner)).await?;
        Ok(CredentialsVersion(version + self.sign_ins()))
    }

    async fn open(&self, session: &NewSession<'_>) -> Result<Option<Vec<SessionId>>> {
        let current = self.credentials_version(session.owner).await?;
        let owner = &self.owner(session.owner);
        let mut new = NewSession { owner, ..session.clone() };
        let stale = new.credentials_version != current;
        let maximum = session.max_sessions;
        let others = self.inner.list(owner, new.now).await?;
        match self.fault {
            Fault::RaisesVersionAtSignIn => new.credentials_version.0 -= self.sign_ins(),
            Fault::IgnoresVersion => new.credentials_version = current,
            Fault::ComparesVersionFirst if !stale => {
                yield_now().await;
                new.credentials_version = self.inner.credentials_version(owner).await?;
            }
            Fault::HasNoMaximum | Fault::EvictsOldest | Fault::CountsExpired | Fault::CountsFirst => {
                new.max_sessions = NonZeroU32::MAX;
                yield_now().await;
            }
            _ => (),
        }
        let Some(evicted) = self.inner.open(&new).await? else { return Ok(None) };
        let family = new.refresh_token.map(|(family, _)| family.clone());
        self.opened.lock().unwrap().push((owner.clone(), new.id.clone(), family));
        new.max_sessions = maximum;
        Ok(Some(match self.fault {
            Fault::EvictsOldest => {
                let others = self.inner.list(owner, new.now).await?;
                self.evict(&new, others, |session| session.created).await?
            }
            Fault::CountsExpired => {
                let others = self.inner.list(owner, Timestamp::default()).await?;
                self.evict(&new, others, |session| session.last_used).await?
            }
            Fault::CountsFirst => self.evict(&new, others, |session| session.last_used).await?,
            _ => evicted,
        }))
    }

    async fn find_active(&self, owner: &SessionOwner, claims: &Claims) -> Result<Option<Delivery>> {
        let (owner, mut claims) = (&self.owner(owner), claims.clone());
        match self.fault {
            Fault::IgnoresSessionId => claims.session_id = self.any_session(owner).await?,
            Fault::AcceptsTokensWithoutSession if claims.session_id.is_none() => {
                claims.session_id = self.any_session(owner).await?;
            }
            _ => (),
        }
        self.inner.find_active(owner, &claims).await
    }

    async fn revoke(&self, owner: &SessionOwner, claims: &Claims, now: Timestamp) -> Result<bool> {
        let owner = &self.owner(owner);
        let Some(id) = &claims.session_id else { return Ok(false) };
        match self.fault {
            Fault::RevokesSession if claims.token_id.is_some() => self.inner.end(owner, id, now).await,
            Fault::RevokesTwice => {
                let revoked = self.inner.revoke(owner, claims, now).await?;
                let is_theirs = self.inner.list(owner, now).await?.iter().any(|session| session.id == *id);
                Ok(revoked || is_theirs && claims.token_id.is_some())
            }
            _ => self.inner.revoke(owner, claims, now).await,
        }
    }

    async fn list(&self, owner: &SessionOwner, now: Timestamp) -> Result<Vec<Session>> {
        let second = std::time::Duration::from_secs(u64::from(self.fault == Fault::ListsExpired));
        let mut sessions = self.inner.list(&self.owner(owner), now - second).await?;
        match self.fault {
            Fault::ListsOldestFirst => sessions.reverse(),
            Fault::LosesAddress => {
                let lose = |session: &mut Session| {
                    session.client_info = ClientInfo { address: None, ..session.client_info.clone() };
                };
                sessions.iter_mut().for_each(lose);
            }
            _ => (),
        }
        Ok(sessions)
    }

    async fn end(&self, owner: &SessionOwner, id: &SessionId, now: Timestamp) -> Result<bool> {
        if self.fault == Fault::RefusesText && id.as_str().len() != 22 {
            return Err(BackendError::new("this is not a session ID"));
        }
        let mut owner = self.owner(owner);
        if self.fault == Fault::EndsSessionsOfOthers
            && let Some((theirs, ..)) = self.opened.lock().unwrap().iter().find(|(_, opened, _)| opened == id)
        {
            owner = theirs.clone();
        }
        let ended = self.inner.end(&owner, id, now).await?;
        let mut before = self.ended.lock().unwrap();
        let again = self.fault == Fault::EndsTwice && before.contains(id);
        if ended {
            before.push(id.clone());
        }
        Ok(ended || again)
    }

    async fn end_all(&self, owner: &SessionOwner, now: Timestamp) -> Result<()> {
        let owner = &self.owner(owner);
        match self.fault {
            Fault::KeepsVersion => {
                for session in self.inner.list(owner, Timestamp::default()).await? {
                    self.inner.end(owner, &session.id, now).await?;
                }
                Ok(())
            }
            Fault::KeepsSessions => Ok(()),
            _ => self.inner.end_all(owner, now).await,
        }
    }

    async fn find_token_family(&self, name: &TokenHash) -> Result<Option<TokenFamily>> {
        let opened = self.opened.lock().unwrap().clone();
        let same = |(_, _, family): &(_, _, Option<TokenHash>)| {
            family.clone().filter(|family| family.as_str().eq_ignore_ascii_case(name.as_str()))
        };
        let name = match opened.iter().find_map(same) {
            Some(family) if self.fault == Fault::IgnoresCase => family,
            _ => name.clone(),
        };
        let mut found = self.inner.find_token_family(&name).await?;
        if let Some(family) = &mut found {
            self.families.lock().unwrap().insert(name.clone(), family.clone());
            if self.fault == Fault::GrantsAll && family.granted_scopes.scope().as_deref() == Some("") {
                family.granted_scopes = GrantedScopes::All;
            }
        }
        if self.fault == Fault::KeepsFamilies {
            return Ok(self.families.lock().unwrap().get(&name).cloned());
        }
        Ok(found)
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<bool> {
        let mut rotation = rotation.clone();
        let Some(family) = self.inner.find_token_family(rotation.family).await? else { return Ok(false) };
        let is_next = rotation.sequence == family.delivery.last + 1;
        let later;
        match self.fault {
            Fault::RotatesAnyToken => rotation.from = &family.current,
            Fault::RotatesAnySequence => rotation.sequence = family.delivery.last + 1,
            Fault::RotatesInTwoSteps if is_next && *rotation.from == family.current => {
                yield_now().await;
                later = self.inner.find_token_family(rotation.family).await?.unwrap();
                (rotation.from, rotation.sequence) = (&later.current, later.delivery.last + 1);
            }
            Fault::KeepsExpiry => rotation.expires_at = None,
            _ => (),
        }
        self.inner.rotate(&rotation).await
    }

    async fn update_delivery(&self, update: &DeliveryUpdate<'_>) -> Result<bool> {
        let Some(stored) = self.delivery(update.session_id).await? else { return Ok(false) };
        let from = match self.fault {
            Fault::UpdatesAnyDelivery => stored,
            Fault::UpdatesInTwoSteps if stored == *update.from => {
                yield_now().await;
                self.delivery(update.session_id).await?.unwrap()
            }
            _ => *update.from,
        };
        self.inner.update_delivery(&DeliveryUpdate { from: &from, ..update.clone() }).await
    }
}

#[actix_web::test]
async fn contract_catches_each_fault_of_a_session_store() {
    let table = [
        (Fault::RaisesVersionAtSignIn, "stable-version"),
        (Fault::KeepsVersion, "end-all"),
        (Fault::KeepsSessions, "end-all"),
        (Fault::IgnoresVersion, "stale-version"),
        (Fault::ComparesVersionFirst, "atomic-end-all"),
        (Fault::IgnoresSessionId, "active-session"),
        (Fault::AcceptsTokensWithoutSession, "incomplete-token"),
        (Fault::IgnoresKind, "owner"),
        (Fault::EndsSessionsOfOthers, "owner"),
        (Fault::RevokesTwice, "revoke"),
        (Fault::RevokesSession, "revoke"),
        (Fault::ListsOldestFirst, "list-order"),
        (Fault::ListsExpired, "list-expiry"),
        (Fault::LosesAddress, "list-content"),
        (Fault::EndsTwice, "end-once"),
        (Fault::HasNoMaximum, "eviction"),
        (Fault::EvictsOldest, "eviction"),
        (Fault::CountsExpired, "eviction"),
        (Fault::CountsFirst, "concurrent-maximum"),
        (Fault::RefusesText, "unknown-session"),
        (Fault::GrantsAll, "family-content"),
        (Fault::IgnoresCase, "exact-family"),
        (Fault::RotatesAnyToken, "rotate-compares"),
        (Fault::RotatesAnySequence, "rotate-compares"),
        (Fault::RotatesInTwoSteps, "rotate-once"),
        (Fault::KeepsExpiry, "rotate-extends"),
        (Fault::UpdatesAnyDelivery, "delivery-compares"),
        (Fault::UpdatesInTwoSteps, "delivery-once"),
        (Fault::KeepsFamilies, "family-ends"),
    ];
    let (one, other, source) =
        (owner("johndoe"), owner("alice"), include_str!("../../../src/domain/session.rs"));
    assert_caught(("SessionStore", source), &table, async |fault| {
        contract::session_store(&Broken::new(fault), [&one, &other], None).await
    })
    .await;
}
