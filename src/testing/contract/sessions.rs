//! The rules of [`SessionStore`].

use std::{cell::RefCell, net::Ipv4Addr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::{join, join_all};
use sha2::{Digest, Sha256};

use crate::{
    domain::{
        claims::{Audience, Claims},
        client::{ClientId, ClientInfo},
        scope::GrantedScopes,
        session::{
            CredentialsVersion, Delivery, DeliveryUpdate, NewSession, Rotation, Session, SessionId,
            SessionOwner, SessionStore, TokenFamily, TokenHash,
        },
        time::Timestamp,
    },
    testing::{
        auth::random,
        contract::{Check, Contract, Failure, Violation, ensure, ensure_eq, parse, unknown_names},
    },
};

const HOUR: Duration = Duration::from_secs(3600);

/// Checks the rules of [`SessionStore`] with sessions of two owners. Ends their existing sessions first. Most sessions
/// of the suite belong to `client`; pass `None` if the application has no clients.
///
/// The identifiers and tokens of the suite are random, and its times are close to the current time, as in a real
/// sign-in.
///
/// # Errors
/// [`Violation`] for the first rule that the store violates.
pub async fn session_store<S: SessionStore>(
    store: &S,
    owners: [&SessionOwner; 2],
    client: Option<&ClientId>,
) -> Result<(), Violation> {
    let contract = Contract { name: "SessionStore", source: include_str!("../../domain/session.rs") };
    macro_rules! check {
        ($($rule:literal $check:ident)*) => {$(
            contract.check($rule, async {
                let case = Case::new(store, owners, client).await?;
                case.$check().await
            }).await?;
        )*};
    }
    check! {
        "stable-version" stable_version
        "end-all" end_all
        "active-session" active_session
        "stale-version" stale_version
        "atomic-end-all" atomic_end_all
        "incomplete-token" incomplete_token
        "owner" owner
        "revoke" revoke
        "list-order" list_order
        "list-expiry" list_expiry
        "list-content" list_content
        "end-once" end_once
        "eviction" eviction
        "concurrent-maximum" concurrent_maximum
        "unknown-session" unknown_session
        "family-content" family_content
        "exact-family" exact_family
        "rotate-compares" rotate_compares
        "rotate-once" rotate_once
        "rotate-extends" rotate_extends
        "delivery-compares" delivery_compares
        "delivery-once" delivery_once
        "family-ends" family_ends
    }
    Ok(())
}

/// The data for the check of one rule: two owners without sessions, and new identifiers.
struct Case<'a, S> {
    store: &'a S,
    one: &'a SessionOwner,
    other: &'a SessionOwner,
    client: Option<&'a ClientId>,
    now: Timestamp,
    /// A random string that makes the identifiers of this check unique.
    salt: String,
    /// The identifiers of sessions, with the labels that replace them in messages.
    labels: RefCell<Vec<(SessionId, String)>>,
}

/// The parameters of a session to open.
struct Opening<'a> {
    label: &'a str,
    owner: &'a SessionOwner,
    client_id: Option<&'a ClientId>,
    granted_scopes: GrantedScopes,
    audiences: Vec<Audience>,
    client_info: ClientInfo,
    now: Timestamp,
    expires_at: Option<Timestamp>,
    has_family: bool,
    max_sessions: u32,
}

/// The replacement of the current token in a token family.
#[derive(Clone, Copy)]
struct Turn<'a> {
    family: &'a str,
    from: &'a str,
    to: &'a str,
    sequence: u64,
    now: Timestamp,
}

impl<'a, S: SessionStore> Case<'a, S> {
    async fn new(
        store: &'a S,
        [one, other]: [&'a SessionOwner; 2],
        client: Option<&'a ClientId>,
    ) -> Result<Self, Failure> {
        let (salt, now) = (random()?, Timestamp::now());
        for owner in [one, other] {
            store.end_all(owner, now).await?;
        }
        Ok(Self { store, one, other, client, now, salt, labels: RefCell::default() })
    }

    fn after(&self, seconds: u64) -> Timestamp {
        self.now + Duration::from_secs(seconds)
    }

    /// Returns a hash of 43 characters for a label, like the hash of a real token.
    fn hash(&self, label: &str) -> TokenHash {
        TokenHash(URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{} {label}", self.salt))))
    }

    fn family(&self, label: &str) -> TokenHash {
        self.hash(&format!("family {label}"))
    }

    /// Returns a salt of 43 characters for a token.
    fn salt(&self, token: &str) -> String {
        self.hash(&format!("salt of {token}")).0
    }

    /// Returns a session identifier of 22 characters for a label.
    fn id(&self, label: &str) -> SessionId {
        let id: SessionId = parse(&self.hash(&format!("session {label}")).as_str()[..22]);
        self.labels.borrow_mut().push((id.clone(), label.to_owned()));
        id
    }

    fn label(&self, id: &SessionId) -> String {
        let labels = self.labels.borrow();
        labels
            .iter()
            .find(|(known, _)| known == id)
            .map_or_else(|| id.to_string(), |(_, label)| label.clone())
    }

    /// Returns the claims of a token in a session.
    fn claims(&self, owner: &SessionOwner, session: &str, token: &str) -> Claims {
        Claims {
            user_kind: Some(owner.user_kind.as_ref().into()),
            client_id: self.client.cloned(),
            issued_at: Some(self.now),
            expires_at: Some(self.now + HOUR),
            token_id: Some(self.hash(token).as_str().into()),
            session_id: Some(self.id(session)),
            sequence: Some(0),
            ..Claims::new(owner.subject.clone(), GrantedScopes::All)
        }
    }

    async fn version(&self, owner: &SessionOwner) -> Result<CredentialsVersion, Failure> {
        Ok(self.store.credentials_version(owner).await?)
    }

    /// Returns the parameters of a session with refresh tokens. The first refresh token has the label `first`.
    fn opening<'b>(&self, label: &'b str, owner: &'b SessionOwner) -> Opening<'b>
    where
        'a: 'b,
    {
        Opening {
            label,
            owner,
            client_id: self.client,
            granted_scopes: GrantedScopes::All,
            audiences: Vec::new(),
            client_info: ClientInfo::default(),
            now: self.now,
            expires_at: Some(self.now + HOUR),
            has_family: true,
            max_sessions: u32::MAX,
        }
    }

    /// Opens a session. Returns the labels of the evicted sessions, or `None` if the store refused the new session.
    async fn try_open(
        &self,
        opening: &Opening<'_>,
        version: CredentialsVersion,
    ) -> Result<Option<Vec<String>>, Failure> {
        let (family, first) = (self.family(opening.label), self.hash(&format!("{} first", opening.label)));
        let session = NewSession {
            id: &self.id(opening.label),
            owner: opening.owner,
            credentials_version: version,
            client_id: opening.client_id,
            granted_scopes: &opening.granted_scopes,
            audiences: &opening.audiences,
            client_info: &opening.client_info,
            now: opening.now,
            expires_at: opening.expires_at,
            refresh_token: opening.has_family.then_some((&family, &first)),
            max_sessions: opening.max_sessions.try_into().unwrap_or(std::num::NonZeroU32::MAX),
        };
        let evicted = self.store.open(&session).await?;
        Ok(evicted.map(|evicted| {
            let mut labels: Vec<_> = evicted.iter().map(|id| self.label(id)).collect();
            labels.sort();
            labels
        }))
    }

    async fn open_with(&self, opening: &Opening<'_>) -> Result<Vec<String>, Failure> {
        let evicted = self.try_open(opening, self.version(opening.owner).await?).await?;
        evicted.ok_or_else(|| Failure("`open` returned None for the current version".to_owned()))
    }

    async fn open(&self, label: &str, owner: &SessionOwner) -> Check {
        self.open_with(&self.opening(label, owner)).await.map(drop)
    }

    async fn delivery(&self, owner: &SessionOwner, session: &str) -> Result<Option<Delivery>, Failure> {
        Ok(self.store.find_active(owner, &self.claims(owner, session, "token")).await?)
    }

    async fn is_active(&self, owner: &SessionOwner, session: &str, token: &str) -> Result<bool, Failure> {
        Ok(self.store.find_active(owner, &self.claims(owner, session, token)).await?.is_some())
    }

    async fn revoke_token(&self, owner: &SessionOwner, claims: &Claims) -> Result<bool, Failure> {
        Ok(self.store.revoke(owner, claims, self.now).await?)
    }

    async fn end(&self, owner: &SessionOwner, id: &SessionId) -> Result<bool, Failure> {
        Ok(self.store.end(owner, id, self.now).await?)
    }

    async fn sessions(&self, owner: &SessionOwner, now: Timestamp) -> Result<Vec<Session>, Failure> {
        Ok(self.store.list(owner, now).await?)
    }

    async fn list(&self, owner: &SessionOwner, now: Timestamp) -> Result<Vec<String>, Failure> {
        Ok(self.sessions(owner, now).await?.iter().map(|session| self.label(&session.id)).collect())
    }

    async fn find(&self, label: &str) -> Result<Option<TokenFamily>, Failure> {
        Ok(self.store.find_token_family(&self.family(label)).await?)
    }

    async fn found(&self, label: &str) -> Result<TokenFamily, Failure> {
        let family = self.find(label).await?;
        family.ok_or_else(|| Failure("`find_token_family` returned None for an active session".to_owned()))
    }

    fn turn<'b>(&self, family: &'b str, from: &'b str, to: &'b str, sequence: u64) -> Turn<'b> {
        Turn { family, from, to, sequence, now: self.now }
    }

    async fn rotate(&self, turn: Turn<'_>) -> Result<bool, Failure> {
        let Turn { family, from, to, sequence, now } = turn;
        let salt = self.salt(to);
        let rotation = Rotation {
            family: &self.family(family),
            from: &self.hash(&format!("{family} {from}")),
            to: &self.hash(&format!("{family} {to}")),
            salt: &salt,
            sequence,
            client_info: &sender(to),
            now,
            expires_at: Some(now + HOUR),
        };
        Ok(self.store.rotate(&rotation).await?)
    }

    async fn update(
        &self,
        session: &str,
        [from, to]: [&Delivery; 2],
        request: Option<(&ClientInfo, Timestamp)>,
    ) -> Result<bool, Failure> {
        let session_id = &self.id(session);
        Ok(self.store.update_delivery(&DeliveryUpdate { session_id, from, to, request }).await?)
    }

    async fn stable_version(&self) -> Check {
        let first = self.version(self.one).await?;
        ensure_eq!(self.version(self.one).await?, first, "the version that a second read returned");
        self.open("a", self.one).await?;
        ensure_eq!(self.version(self.one).await?, first, "the version after `open`");
        self.rotate(self.turn("a", "first", "second", 1)).await?;
        self.end(self.one, &self.id("a")).await?;
        ensure_eq!(self.version(self.one).await?, first, "the version after `rotate` and `end`");
        Ok(())
    }

    async fn end_all(&self) -> Check {
        for (label, owner) in [("a", self.one), ("b", self.one), ("c", self.other)] {
            self.open(label, owner).await?;
        }
        let untouched = self.version(self.other).await?;
        for sessions in ["two sessions", "no session"] {
            let before = self.version(self.one).await?;
            self.store.end_all(self.one, self.now).await?;
            ensure_eq!(self.list(self.one, self.now).await?, [""; 0], "sessions of the user after `end_all`");
            ensure!(
                self.version(self.one).await? > before,
                "expected `end_all` to raise the version of a user with {sessions}, but it did not"
            );
        }
        ensure!(!self.is_active(self.one, "a", "token").await?, "a token is still active after `end_all`");
        ensure_eq!(self.list(self.other, self.now).await?, ["c"], "sessions of another user after `end_all`");
        ensure_eq!(self.version(self.other).await?, untouched, "the version of another user after `end_all`");
        self.open("d", self.one).await
    }

    async fn stale_version(&self) -> Check {
        self.open("a", self.one).await?;
        let stale = self.version(self.one).await?;
        self.store.end_all(self.one, self.now).await?;
        self.open("b", self.one).await?;
        let late = Opening { max_sessions: 1, ..self.opening("late", self.one) };
        let opened = self.try_open(&late, stale).await?;
        ensure_eq!(opened, None, "the result of `open` with the version before `end_all`");
        ensure!(!self.is_active(self.one, "late", "token").await?, "the refused session is active");
        ensure!(self.find("late").await?.is_none(), "the refused session has a token family");
        ensure_eq!(self.list(self.one, self.now).await?, ["b"], "sessions after `open` returned None");
        Ok(())
    }

    async fn atomic_end_all(&self) -> Check {
        for round in 0..10 {
            let version = self.version(self.one).await?;
            let labels: Vec<_> = (0..8).map(|number| format!("{round} {number}")).collect();
            let sign_ins = labels
                .iter()
                .map(async |label| self.try_open(&self.opening(label, self.one), version).await.map(drop));
            let (opened, ended) = join(join_all(sign_ins), self.store.end_all(self.one, self.now)).await;
            ended?;
            opened.into_iter().collect::<Check>()?;
            let left = self.list(self.one, self.now).await?;
            ensure_eq!(left, [""; 0], "sessions after `end_all` with concurrent calls to `open`");
        }
        Ok(())
    }

    async fn active_session(&self) -> Check {
        ensure!(!self.is_active(self.one, "a", "token").await?, "a token is active before `open`");
        self.open("a", self.one).await?;
        for token in ["token", "another token"] {
            ensure!(
                self.is_active(self.one, "a", token).await?,
                "`find_active` returned None for the token {token:?} of an active session"
            );
        }
        for id in similar(self.id("a").as_str()) {
            let claims = Claims { session_id: Some(parse(&id)), ..self.claims(self.one, "a", "token") };
            let found = self.store.find_active(self.one, &claims).await?;
            ensure_eq!(
                found,
                None,
                "the result of `find_active` for an identifier similar to that of an active session"
            );
        }
        Ok(())
    }

    async fn incomplete_token(&self) -> Check {
        self.open("a", self.one).await?;
        let without_id = Claims { token_id: None, ..self.claims(self.one, "a", "token") };
        let without_session = Claims { session_id: None, ..self.claims(self.one, "a", "token") };
        for claims in [&without_id, &without_session] {
            ensure!(
                !self.revoke_token(self.one, claims).await?,
                "`revoke` returned true for a token without `token_id` or `session_id`"
            );
        }
        let found = self.store.find_active(self.one, &without_id).await?;
        ensure!(found.is_some(), "`find_active` returned None for a token without `token_id`");
        let found = self.store.find_active(self.one, &without_session).await?;
        ensure!(found.is_none(), "`find_active` found a session for a token without `session_id`");
        ensure!(self.is_active(self.one, "a", "token").await?, "`revoke` also revoked another token");
        Ok(())
    }

    async fn owner(&self) -> Check {
        let another_kind = SessionOwner { user_kind: "AnotherKind".into(), ..self.one.clone() };
        self.open("a", self.one).await?;
        let before = self.version(self.one).await?;
        for owner in [self.other, &another_kind] {
            ensure!(
                !self.is_active(owner, "a", "token").await?,
                "`find_active` found the session for another owner: {owner:?}"
            );
            ensure!(
                !self.end(owner, &self.id("a")).await?,
                "`end` returned true for another owner: {owner:?}"
            );
            let claims = self.claims(owner, "a", "token");
            ensure!(
                !self.revoke_token(owner, &claims).await?,
                "`revoke` returned true for another owner: {owner:?}"
            );
            ensure_eq!(self.list(owner, self.now).await?, [""; 0], "sessions listed for {owner:?}");
            // The store may return an error for an owner that does not exist.
            let _ = self.store.end_all(owner, self.now).await;
        }
        ensure!(self.is_active(self.one, "a", "token").await?, "calls for other owners affected the session");
        ensure_eq!(self.list(self.one, self.now).await?, ["a"], "sessions after calls for other owners");
        ensure_eq!(self.version(self.one).await?, before, "the version after calls for other owners");
        ensure_eq!(&self.found("a").await?.owner, self.one, "the owner of the token family");
        Ok(())
    }

    async fn revoke(&self) -> Check {
        self.open("a", self.one).await?;
        self.open("b", self.other).await?;
        let token = self.claims(self.one, "a", "token");
        for was_active in [true, false] {
            ensure_eq!(self.revoke_token(self.one, &token).await?, was_active, "the result of `revoke`");
            ensure!(!self.is_active(self.one, "a", "token").await?, "a token is still active after `revoke`");
        }
        ensure!(self.is_active(self.one, "a", "another token").await?, "`revoke` also revoked another token");
        ensure!(self.is_active(self.other, "b", "a third token").await?, "another user's token was revoked");
        ensure_eq!(self.list(self.one, self.now).await?, ["a"], "sessions after `revoke`");
        ensure!(
            self.rotate(self.turn("a", "first", "second", 1)).await?,
            "`rotate` returned false after an access token was revoked"
        );
        ensure!(!self.is_active(self.one, "a", "token").await?, "the token is active again after `rotate`");
        Ok(())
    }

    async fn list_order(&self) -> Check {
        for (label, seconds) in [("b", 2), ("a", 1), ("d", 4), ("c", 3)] {
            let now = self.after(seconds);
            self.open_with(&Opening { now, ..self.opening(label, self.one) }).await?;
        }
        self.open("e", self.other).await?;
        ensure_eq!(self.list(self.one, self.after(5)).await?, ["d", "c", "b", "a"], "the order of `list`");
        let turn = Turn { now: self.after(6), ..self.turn("a", "first", "second", 1) };
        ensure!(self.rotate(turn).await?, "`rotate` returned false for the current token");
        ensure_eq!(
            self.list(self.one, self.after(7)).await?,
            ["a", "d", "c", "b"],
            "the order of `list` after `rotate`"
        );
        ensure_eq!(self.list(self.other, self.after(7)).await?, ["e"], "sessions of another user");
        Ok(())
    }

    async fn list_expiry(&self) -> Check {
        let ends = [("b", Some(self.after(7200))), ("a", None), ("c", Some(self.after(3600)))];
        for (seconds, (label, expires_at)) in (1..).zip(ends) {
            let now = self.after(seconds);
            self.open_with(&Opening { now, expires_at, ..self.opening(label, self.one) }).await?;
        }
        for (seconds, labels) in [
            (3599, &["c", "a", "b"][..]),
            (3600, &["a", "b"]),
            (7199, &["a", "b"]),
            (7200, &["a"]),
            (1_000_000_000, &["a"]),
        ] {
            ensure_eq!(
                self.list(self.one, self.after(seconds)).await?,
                labels,
                "the sessions that `list` returned after {seconds} s"
            );
        }
        Ok(())
    }

    async fn list_content(&self) -> Check {
        let opening =
            Opening { client_info: sender("list"), now: self.after(1), ..self.opening("a", self.one) };
        self.open_with(&opening).await?;
        let without_client = Opening { client_id: None, has_family: false, ..self.opening("b", self.one) };
        self.open_with(&without_client).await?;
        let sessions = self.sessions(self.one, self.after(2)).await?;
        let expected = [opening, without_client].map(|opening| Session {
            id: self.id(opening.label),
            client_id: opening.client_id.cloned(),
            client_info: opening.client_info,
            created: opening.now,
            last_used: opening.now,
        });
        ensure_eq!(sessions, expected, "the result of `list`");
        Ok(())
    }

    async fn end_once(&self) -> Check {
        for (label, owner) in [("a", self.one), ("b", self.one), ("c", self.other)] {
            self.open(label, owner).await?;
        }
        for was_open in [true, false] {
            ensure_eq!(self.end(self.one, &self.id("a")).await?, was_open, "the result of `end`");
            ensure!(!self.is_active(self.one, "a", "token").await?, "a session is still active after `end`");
        }
        ensure_eq!(self.list(self.one, self.now).await?, ["b"], "sessions after `end`");
        ensure!(self.is_active(self.one, "b", "token").await?, "`end` also ended another session");
        ensure!(self.is_active(self.other, "c", "token").await?, "`end` also ended another user's session");
        Ok(())
    }

    async fn eviction(&self) -> Check {
        let open = async |label, owner, seconds, max_sessions| {
            let now = self.after(seconds);
            self.open_with(&Opening { now, max_sessions, ..self.opening(label, owner) }).await
        };
        let expired = Opening { expires_at: Some(self.after(1)), ..self.opening("expired", self.one) };
        self.open_with(&expired).await?;
        ensure_eq!(
            open("other", self.other, 0, 1).await?,
            [""; 0],
            "sessions evicted when another user signed in"
        );
        for (seconds, label) in (2..).zip(["a", "b", "c"]) {
            ensure_eq!(
                open(label, self.one, seconds, 3).await?,
                [""; 0],
                "sessions evicted before the maximum was exceeded"
            );
        }
        let turn = Turn { now: self.after(10), ..self.turn("a", "first", "second", 1) };
        ensure!(self.rotate(turn).await?, "`rotate` returned false for the current token");
        ensure_eq!(
            open("d", self.one, 11, 3).await?,
            ["b"],
            "sessions evicted after the oldest session was used"
        );
        ensure!(!self.is_active(self.one, "b", "token").await?, "an evicted session is still active");
        ensure!(self.find("b").await?.is_none(), "an evicted session still has a token family");
        ensure_eq!(self.list(self.one, self.after(11)).await?, ["d", "a", "c"], "sessions after an eviction");
        ensure_eq!(open("e", self.one, 12, 2).await?, ["a", "c"], "sessions evicted for a lower maximum");
        ensure_eq!(open("f", self.one, 12, 1).await?, ["d", "e"], "sessions evicted for a maximum of one");
        ensure!(self.is_active(self.other, "other", "token").await?, "another user's session was evicted");
        Ok(())
    }

    async fn concurrent_maximum(&self) -> Check {
        let version = self.version(self.one).await?;
        let labels: Vec<_> = (0..24).map(|number| number.to_string()).collect();
        let sign_ins = labels.iter().map(async |label| {
            let opening = Opening { max_sessions: 5, ..self.opening(label, self.one) };
            let evicted = self.try_open(&opening, version).await?;
            let open = self.list(self.one, self.now).await?.len();
            ensure!(open <= 5, "expected at most 5 sessions, but `list` returned {open}");
            Ok(evicted.map_or(0, |evicted| evicted.len()))
        });
        let evicted: Vec<usize> = join_all(sign_ins).await.into_iter().collect::<Result<_, _>>()?;
        ensure_eq!(self.list(self.one, self.now).await?.len(), 5, "the number of sessions after 24 sign-ins");
        ensure_eq!(evicted.iter().sum::<usize>(), 19, "the number of sessions that `open` evicted");
        Ok(())
    }

    async fn unknown_session(&self) -> Check {
        self.open("a", self.one).await?;
        for name in unknown_names(255) {
            let nobody = SessionOwner { subject: parse(&name), ..self.one.clone() };
            let id: SessionId = parse(&name);
            let unknown = Claims { session_id: Some(id.clone()), ..self.claims(self.one, "a", "token") };
            for (owner, claims) in [(&nobody, self.claims(self.one, "a", "token")), (self.one, unknown)] {
                ensure!(
                    self.store.find_active(owner, &claims).await?.is_none(),
                    "`find_active` found a session for the unknown user or session {name:?}"
                );
                ensure!(
                    !self.revoke_token(owner, &claims).await?,
                    "`revoke` returned true for the unknown user or session {name:?}"
                );
            }
            ensure_eq!(self.list(&nobody, self.now).await?, [""; 0], "sessions of the unknown user {name:?}");
            ensure!(
                !self.end(&nobody, &self.id("a")).await?,
                "`end` returned true for the unknown user {name:?}"
            );
            ensure!(!self.end(self.one, &id).await?, "`end` returned true for the unknown session {name:?}");
            let token = Claims { token_id: Some((*name).into()), ..self.claims(self.one, "a", "token") };
            ensure!(
                self.store.find_active(self.one, &token).await?.is_some(),
                "`find_active` returned None for a token with the identifier {name:?}"
            );
        }
        ensure!(self.find("a").await?.is_some(), "calls with unknown names ended the token family");
        ensure!(
            self.find("unknown").await?.is_none(),
            "`find_token_family` found a family by an unknown name"
        );
        ensure_eq!(self.list(self.one, self.now).await?, ["a"], "sessions after calls with unknown names");
        Ok(())
    }

    async fn family_content(&self) -> Check {
        let one = Opening {
            granted_scopes: GrantedScopes::Only(parse("me todos:read")),
            audiences: vec![parse("https://api.example.com"), parse("an audience with spaces")],
            client_info: sender("family"),
            ..self.opening("a", self.one)
        };
        let all = Opening { client_id: None, ..self.opening("b", self.other) };
        let none = Opening {
            granted_scopes: GrantedScopes::Only(Default::default()),
            ..self.opening("c", self.one)
        };
        for opening in [one, all, none] {
            self.open_with(&opening).await?;
            let expected = TokenFamily {
                session_id: self.id(opening.label),
                owner: opening.owner.clone(),
                client_id: opening.client_id.cloned(),
                granted_scopes: opening.granted_scopes,
                audiences: opening.audiences,
                client_info: opening.client_info,
                created: opening.now,
                current: self.hash(&format!("{} first", opening.label)),
                previous: None,
                delivery: Delivery::of_sign_in(opening.now),
            };
            ensure_eq!(self.found(opening.label).await?, expected, "the token family after `open`");
            let delivery = self.delivery(opening.owner, opening.label).await?;
            ensure_eq!(delivery, Some(expected.delivery), "the delivery from `find_active`");
        }
        Ok(())
    }

    async fn exact_family(&self) -> Check {
        self.open("a", self.one).await?;
        for label in ["b", "c"] {
            self.open_with(&Opening { has_family: false, ..self.opening(label, self.one) }).await?;
        }
        let names = similar(self.family("a").as_str()).map(TokenHash);
        for name in names.into_iter().chain([self.hash("a first"), self.family("b")]) {
            let found = self.store.find_token_family(&name).await?;
            ensure!(found.is_none(), "`find_token_family` found a family for a name that no family has");
        }
        Ok(())
    }

    async fn rotate_compares(&self) -> Check {
        self.open("a", self.one).await?;
        self.open("b", self.other).await?;
        ensure!(
            self.rotate(self.turn("a", "first", "second", 1)).await?,
            "`rotate` returned false for the current token"
        );
        let family = self.found("a").await?;
        ensure_eq!(family.current, self.hash("a second"), "the current token after `rotate`");
        ensure_eq!(family.delivery, Delivery::of_rotation(self.now, 1), "the delivery after `rotate`");
        let previous = family.previous.as_ref().map(|previous| (&previous.hash, previous.salt.as_str()));
        let (first, salt) = (self.hash("a first"), self.salt("second"));
        ensure_eq!(previous, Some((&first, &*salt)), "the previous token after `rotate`");
        for from in ["first", "third"] {
            let replaced = self.rotate(self.turn("a", from, "third", 2)).await?;
            ensure!(!replaced, "`rotate` returned true although `from` is not the current token");
        }
        for sequence in [0, 1, 3] {
            let replaced = self.rotate(self.turn("a", "second", "third", sequence)).await?;
            ensure!(!replaced, "`rotate` returned true for the sequence number {sequence} after response 1");
        }
        let replaced = self.rotate(self.turn("unknown", "first", "second", 1)).await?;
        ensure!(!replaced, "`rotate` returned true for an unknown family");
        ensure_eq!(self.found("a").await?, family, "`rotate` returned false but changed the token family");
        let untouched = self.found("b").await?;
        ensure_eq!(untouched.current, self.hash("b first"), "the current token of another family");
        ensure!(
            self.rotate(self.turn("a", "second", "third", 2)).await?,
            "`rotate` returned false for the new current token"
        );
        Ok(())
    }

    async fn rotate_once(&self) -> Check {
        for round in 0..20 {
            let label = round.to_string();
            self.open(&label, self.one).await?;
            let turn = |to| self.rotate(self.turn(&label, "first", to, 1));
            let (left, right) = join(turn("left"), turn("right")).await;
            let done = (left?, right?);
            ensure!(done.0 != done.1, "expected one of two concurrent rotations to succeed, got {done:?}");
            let winner = if done.0 { "left" } else { "right" };
            let expected = self.hash(&format!("{label} {winner}"));
            ensure_eq!(self.found(&label).await?.current, expected, "the current token after both rotations");
        }
        Ok(())
    }

    async fn rotate_extends(&self) -> Check {
        self.open("a", self.one).await?;
        let later = self.now + HOUR / 2;
        let turn = Turn { now: later, ..self.turn("a", "first", "second", 1) };
        ensure!(self.rotate(turn).await?, "`rotate` returned false for the current token");
        let family = self.found("a").await?;
        ensure_eq!(
            (family.created, family.client_info),
            (self.now, sender("second")),
            "creation time and sender of the token family after `rotate`"
        );
        let used = (self.now, later, sender("second"));
        let sessions = self.sessions(self.one, self.now + HOUR).await?;
        let found: Vec<_> =
            sessions.into_iter().map(|one| (one.created, one.last_used, one.client_info)).collect();
        ensure_eq!(found, [used], "times and sender that `list` returned after `rotate`");
        let end = later + HOUR;
        ensure_eq!(
            self.list(self.one, end).await?,
            [""; 0],
            "the sessions that `list` returned at the new expiry time"
        );
        Ok(())
    }

    async fn delivery_compares(&self) -> Check {
        self.open("a", self.one).await?;
        self.open("b", self.other).await?;
        ensure!(
            self.rotate(self.turn("a", "first", "second", 1)).await?,
            "`rotate` returned false for the current token"
        );
        let rotated = Delivery::of_rotation(self.now, 1);
        let received = Delivery { is_received: true, ..rotated };
        ensure!(
            self.update("a", [&rotated, &received], None).await?,
            "`update_delivery` returned false for the current delivery"
        );
        let family = self.found("a").await?;
        ensure_eq!(family.delivery, received, "the delivery after `update_delivery`");
        ensure_eq!(family.client_info, sender("second"), "the sender after an update without a request");

        let (phone, later) = (sender("phone"), self.after(60));
        let repeated = Delivery { to_sender: 2, last: 2, is_received: false, ..received };
        for stale in [rotated, Delivery { last: 2, ..received }, Delivery { to_sender: 0, ..received }] {
            let replaced = self.update("a", [&stale, &repeated], Some((&phone, later))).await?;
            ensure!(
                !replaced,
                "`update_delivery` returned true although `from` is not the stored delivery: {stale:?}"
            );
        }
        let replaced = self.update("unknown", [&received, &repeated], None).await?;
        ensure!(!replaced, "`update_delivery` returned true for an unknown session");
        let replaced = self.update("a", [&received, &repeated], Some((&phone, later))).await?;
        ensure!(replaced, "`update_delivery` returned false for a second update");
        let family = self.found("a").await?;
        ensure_eq!(
            (family.delivery, family.client_info),
            (repeated, phone.clone()),
            "delivery and sender after the second update"
        );
        ensure_eq!(self.delivery(self.one, "a").await?, Some(repeated), "the delivery from `find_active`");
        let used = self.sessions(self.one, self.now).await?.pop().map(|one| (one.client_info, one.last_used));
        ensure_eq!(used, Some((phone, later)), "sender and time of the last request in `list`");
        let untouched = self.delivery(self.other, "b").await?;
        ensure_eq!(untouched, Some(Delivery::of_sign_in(self.now)), "the delivery of another session");
        ensure!(
            self.rotate(self.turn("a", "second", "third", 3)).await?,
            "`rotate` returned false for the new current token"
        );
        let rotated = Some(Delivery::of_rotation(self.now, 3));
        ensure_eq!(self.delivery(self.one, "a").await?, rotated, "the delivery after `rotate`");
        Ok(())
    }

    async fn delivery_once(&self) -> Check {
        for round in 0..20 {
            let label = round.to_string();
            self.open(&label, self.one).await?;
            self.rotate(self.turn(&label, "first", "second", 1)).await?;
            let from = Delivery::of_rotation(self.now, 1);
            let received = Delivery { is_received: true, ..from };
            let repeated = Delivery { to_sender: 2, last: 2, ..from };
            let update = |to| self.update(&label, [&from, to], None);
            let (left, right) = join(update(&received), update(&repeated)).await;
            let done = (left?, right?);
            ensure!(done.0 != done.1, "expected one of two concurrent updates to succeed, got {done:?}");
            let stored = if done.0 { received } else { repeated };
            ensure_eq!(
                self.delivery(self.one, &label).await?,
                Some(stored),
                "the delivery after both updates"
            );
            let next = Delivery { last: stored.last + 1, ..stored };
            let turn = self.turn(&label, "second", "third", stored.last + 1);
            let (rotated, updated) =
                join(self.rotate(turn), self.update(&label, [&stored, &next], None)).await;
            let done = (rotated?, updated?);
            ensure!(
                done.0 != done.1,
                "expected either `rotate` or `update_delivery` to succeed, got {done:?}"
            );
        }
        Ok(())
    }

    async fn family_ends(&self) -> Check {
        for label in ["a", "b"] {
            self.open(label, self.one).await?;
        }
        self.revoke_token(self.one, &self.claims(self.one, "a", "token")).await?;
        ensure!(self.find("a").await?.is_some(), "the token family ended when an access token was revoked");
        ensure!(self.end(self.one, &self.id("a")).await?, "`end` returned false for an active session");
        ensure!(self.find("a").await?.is_none(), "`find_token_family` found the family after `end`");
        let replaced = self.rotate(self.turn("a", "first", "second", 1)).await?;
        ensure!(!replaced, "`rotate` returned true after `end`");
        let delivery = Delivery::of_sign_in(self.now);
        let updated = self.update("a", [&delivery, &Delivery { last: 1, ..delivery }], None).await?;
        ensure!(!updated, "`update_delivery` returned true after `end`");
        ensure!(self.find("b").await?.is_some(), "`end` also ended another session's token family");
        self.store.end_all(self.one, self.now).await?;
        ensure!(self.find("b").await?.is_none(), "`find_token_family` found the family after `end_all`");
        Ok(())
    }
}

/// Returns the sender of a request, identified by the user agent.
fn sender(user_agent: &str) -> ClientInfo {
    ClientInfo {
        address: Some(Ipv4Addr::new(203, 0, 113, 7).into()),
        user_agent: Some(format!("'{user_agent}'; \u{1f600}")),
        device_cookie: None,
    }
}

/// Returns names that a store must not confuse with `name`: in the opposite case, without the last character, and as
/// SQL `LIKE` patterns.
fn similar(name: &str) -> [String; 4] {
    let other_case = |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let (shorter, pattern) = (&name[..name.len() - 1], format!("{}%", &name[..name.len() - 1]));
    [name.chars().map(other_case).collect(), shorter.to_owned(), pattern, "_".repeat(name.len())]
}
