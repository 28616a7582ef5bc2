//! A session store based on hash maps, implemented only from the documentation of [`SessionStore`].

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use gatepass::{
    Audience, BackendError, Claims, GrantedScopes, Timestamp,
    sessions::{
        CredentialsVersion, Delivery, DeliveryUpdate, NewSession, PreviousToken, Rotation, Session,
        SessionId, SessionOwner, SessionStore, TokenFamily, TokenHash,
    },
};

type Result<T> = std::result::Result<T, BackendError>;

#[derive(Default)]
pub struct InMemorySessions(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    versions: HashMap<SessionOwner, CredentialsVersion>,
    sessions: HashMap<SessionId, Row>,
}

struct Row {
    owner: SessionOwner,
    session: Session,
    granted_scopes: GrantedScopes,
    audiences: Vec<Audience>,
    expires_at: Option<Timestamp>,
    family: Option<TokenHash>,
    current: Option<TokenHash>,
    previous: Option<PreviousToken>,
    delivery: Delivery,
    revoked: HashSet<Arc<str>>,
}

pub fn owner(name: &str) -> SessionOwner {
    SessionOwner { user_kind: "Member".into(), subject: name.parse().unwrap() }
}

impl Row {
    fn is_listed(&self, owner: &SessionOwner, now: Timestamp) -> bool {
        self.owner == *owner && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Tables {
    fn version(&self, owner: &SessionOwner) -> CredentialsVersion {
        self.versions.get(owner).copied().unwrap_or_default()
    }

    /// Returns the owner's sessions that have not expired, most recently used first.
    fn list(&self, owner: &SessionOwner, now: Timestamp) -> Vec<Session> {
        let rows = self.sessions.values().filter(|row| row.is_listed(owner, now));
        let mut sessions: Vec<_> = rows.map(|row| row.session.clone()).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_used));
        sessions
    }

    fn of_token(&mut self, owner: &SessionOwner, claims: &Claims) -> Option<&mut Row> {
        self.sessions.get_mut(claims.session_id.as_ref()?).filter(|row| row.owner == *owner)
    }
}

impl InMemorySessions {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap()
    }
}

impl SessionStore for InMemorySessions {
    async fn credentials_version(&self, owner: &SessionOwner) -> Result<CredentialsVersion> {
        Ok(self.lock().version(owner))
    }

    async fn open(&self, new: &NewSession<'_>) -> Result<Option<Vec<SessionId>>> {
        let mut tables = self.lock();
        if tables.version(new.owner) != new.credentials_version {
            return Ok(None);
        }
        let others = tables.list(new.owner, new.now).into_iter().map(|session| session.id);
        let evicted: Vec<_> = others.skip(new.max_sessions.get() as usize - 1).collect();
        tables.sessions.retain(|id, _| !evicted.contains(id));
        let (family, current) = new.refresh_token.unzip();
        let row = Row {
            owner: new.owner.clone(),
            session: Session {
                id: new.id.clone(),
                client_id: new.client_id.cloned(),
                client_info: new.client_info.clone(),
                created: new.now,
                last_used: new.now,
            },
            granted_scopes: new.granted_scopes.clone(),
            audiences: new.audiences.to_vec(),
            expires_at: new.expires_at,
            family: family.cloned(),
            current: current.cloned(),
            previous: None,
            delivery: Delivery::of_sign_in(new.now),
            revoked: HashSet::new(),
        };
        tables.sessions.insert(new.id.clone(), row);
        Ok(Some(evicted))
    }

    async fn find_active(&self, owner: &SessionOwner, claims: &Claims) -> Result<Option<Delivery>> {
        let mut tables = self.lock();
        let is_revoked = |row: &&mut Row| claims.token_id.as_ref().is_some_and(|id| row.revoked.contains(id));
        let row = tables.of_token(owner, claims).filter(|row| !is_revoked(row));
        Ok(row.map(|row| row.delivery))
    }

    async fn revoke(&self, owner: &SessionOwner, claims: &Claims, _: Timestamp) -> Result<bool> {
        let (mut tables, Some(token_id)) = (self.lock(), &claims.token_id) else { return Ok(false) };
        Ok(tables.of_token(owner, claims).is_some_and(|row| row.revoked.insert(token_id.clone())))
    }

    async fn list(&self, owner: &SessionOwner, now: Timestamp) -> Result<Vec<Session>> {
        Ok(self.lock().list(owner, now))
    }

    async fn end(&self, owner: &SessionOwner, id: &SessionId, _: Timestamp) -> Result<bool> {
        let mut tables = self.lock();
        let is_theirs = tables.sessions.get(id).is_some_and(|row| row.owner == *owner);
        Ok(is_theirs && tables.sessions.remove(id).is_some())
    }

    async fn end_all(&self, owner: &SessionOwner, _: Timestamp) -> Result<()> {
        let mut tables = self.lock();
        tables.sessions.retain(|_, row| row.owner != *owner);
        tables.versions.entry(owner.clone()).or_default().0 += 1;
        Ok(())
    }

    async fn find_token_family(&self, name: &TokenHash) -> Result<Option<TokenFamily>> {
        let tables = self.lock();
        let row = tables.sessions.values().find(|row| row.family.as_ref() == Some(name));
        Ok(row.and_then(|row| {
            Some(TokenFamily {
                session_id: row.session.id.clone(),
                owner: row.owner.clone(),
                client_id: row.session.client_id.clone(),
                granted_scopes: row.granted_scopes.clone(),
                audiences: row.audiences.clone(),
                client_info: row.session.client_info.clone(),
                created: row.session.created,
                current: row.current.clone()?,
                previous: row.previous.clone(),
                delivery: row.delivery,
            })
        }))
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<bool> {
        let mut tables = self.lock();
        let is_current = |row: &&mut Row| {
            row.family.as_ref() == Some(rotation.family)
                && row.current.as_ref() == Some(rotation.from)
                && row.delivery.last + 1 == rotation.sequence
        };
        let Some(row) = tables.sessions.values_mut().find(is_current) else { return Ok(false) };
        row.previous = Some(PreviousToken { hash: rotation.from.clone(), salt: rotation.salt.to_owned() });
        row.current = Some(rotation.to.clone());
        row.delivery = Delivery::of_rotation(rotation.now, rotation.sequence);
        row.expires_at = rotation.expires_at;
        row.session.client_info = rotation.client_info.clone();
        row.session.last_used = rotation.now;
        Ok(true)
    }

    async fn update_delivery(&self, update: &DeliveryUpdate<'_>) -> Result<bool> {
        let mut tables = self.lock();
        let row = tables.sessions.get_mut(update.session_id).filter(|row| row.delivery == *update.from);
        let Some(row) = row else { return Ok(false) };
        row.delivery = *update.to;
        if let Some((client_info, now)) = update.request {
            row.session.client_info = client_info.clone();
            row.session.last_used = now;
        }
        Ok(true)
    }
}
