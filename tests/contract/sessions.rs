//! The contract of [`SessionStore`].
//!
//! To test a store of your own, copy this file into your tests and call [`assert_contract`].

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use gatepass::{
    Claims, ClientId, ClientInfo, GrantedScopes, Timestamp,
    sessions::{
        CredentialsVersion, NewSession, Rotation, Session, SessionId, SessionOwner, SessionStore,
        TokenFamily, TokenHash,
    },
};

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// Names that no session or family has. Some are likely to break a store.
const UNKNOWN: [&str; 6] = [" ", "unknown", "' OR '1'='1", "%", "_", "\u{202e}\u{1f600}"];

/// Asserts that `store` fulfills the contract of [`SessionStore`] for two owners without sessions.
///
/// # Panics
/// If the store violates the contract.
pub async fn assert_contract<S: SessionStore>(store: &S, [one, other]: [&SessionOwner; 2]) {
    let suite = Suite { store, one, other };
    suite.session_with_stale_credentials_version_is_refused().await;
    suite.token_is_active_with_its_session_and_its_owner().await;
    suite.owners_of_two_kinds_with_one_subject_are_two_owners().await;
    suite.revoked_token_leaves_the_others_active().await;
    suite.sessions_are_listed_by_last_use_until_they_expire().await;
    suite.session_is_ended_once_and_by_its_owner().await;
    suite.all_sessions_of_one_owner_end().await;
    suite.unknown_names_are_not_errors().await;
    suite.token_family_is_found_as_it_was_opened().await;
    suite.rotation_replaces_only_the_current_token().await;
    suite.one_of_two_concurrent_rotations_succeeds().await;
    suite.token_family_ends_with_its_session().await;
}

/// A store, and two owners without sessions.
struct Suite<'a, S> {
    store: &'a S,
    one: &'a SessionOwner,
    other: &'a SessionOwner,
}

/// A session to open.
pub struct Opening<'a> {
    pub id: SessionId,
    pub owner: &'a SessionOwner,
    pub client_id: Option<&'a ClientId>,
    pub granted_scopes: GrantedScopes,
    pub client_info: ClientInfo,
    pub now: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub refresh_token: Option<(TokenHash, TokenHash)>,
}

impl<'a> Opening<'a> {
    pub fn new(id: &str, owner: &'a SessionOwner) -> Self {
        Self {
            id: session_id(id),
            owner,
            client_id: None,
            granted_scopes: GrantedScopes::Only("me".parse().unwrap()),
            client_info: ClientInfo::default(),
            now: NOW,
            expires_at: Some(NOW + HOUR),
            refresh_token: None,
        }
    }

    /// A session with a family of this name whose first token has the hash `first`.
    pub fn with_family(id: &str, owner: &'a SessionOwner, name: &str) -> Self {
        Self { refresh_token: Some((hash(name), hash("first"))), ..Self::new(id, owner) }
    }

    /// Opens the session with this version of the owner's credentials.
    pub async fn open_at<S: SessionStore>(&self, store: &S, version: CredentialsVersion) -> bool {
        let session = NewSession {
            id: &self.id,
            owner: self.owner,
            credentials_version: version,
            client_id: self.client_id,
            granted_scopes: &self.granted_scopes,
            client_info: &self.client_info,
            now: self.now,
            expires_at: self.expires_at,
            refresh_token: self.refresh_token.as_ref().map(|(family, first)| (family, first)),
        };
        store.open(&session).await.expect("no error")
    }

    /// Opens the session with the current version.
    pub async fn open<S: SessionStore>(&self, store: &S) -> bool {
        self.open_at(store, version(store, self.owner).await).await
    }
}

pub fn session_id(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

fn hash(text: &str) -> TokenHash {
    TokenHash::from_stored(text.to_owned())
}

pub async fn version<S: SessionStore>(store: &S, owner: &SessionOwner) -> CredentialsVersion {
    store.credentials_version(owner).await.expect("no error")
}

/// The claims of a token of this session.
pub fn claims(owner: &SessionOwner, session: &str, token: &str) -> Claims {
    Claims {
        session_id: Some(session_id(session)),
        token_id: Some(token.into()),
        expires_at: Some(NOW + HOUR),
        ..Claims::new(owner.subject.clone(), GrantedScopes::All)
    }
}

/// Replaces the token `from` by `to` in a family.
struct Turn<'a> {
    family: &'a str,
    from: &'a str,
    to: &'a str,
    now: Timestamp,
}

impl Turn<'_> {
    async fn rotate<S: SessionStore>(&self, store: &S) -> bool {
        let rotation = Rotation {
            family: &hash(self.family),
            from: &hash(self.from),
            to: &hash(self.to),
            salt: &format!("salt of {}", self.to),
            client_info: &ClientInfo { user_agent: Some(self.to.to_owned()), ..ClientInfo::default() },
            now: self.now,
            expires_at: Some(self.now + HOUR),
        };
        store.rotate(&rotation).await.expect("no error")
    }
}

impl<S: SessionStore> Suite<'_, S> {
    async fn is_active(&self, owner: &SessionOwner, session: &str, token: &str) -> bool {
        self.store.is_active(owner, &claims(owner, session, token)).await.expect("no error")
    }

    async fn revoke(&self, owner: &SessionOwner, claims: &Claims) -> bool {
        self.store.revoke(owner, claims, NOW).await.expect("no error")
    }

    async fn list(&self, owner: &SessionOwner, now: Timestamp) -> Vec<Session> {
        self.store.list(owner, now).await.expect("no error")
    }

    async fn ids(&self, owner: &SessionOwner, now: Timestamp) -> Vec<String> {
        self.list(owner, now).await.into_iter().map(|session| session.id.to_string()).collect()
    }

    async fn end_all(&self, owners: &[&SessionOwner]) {
        for owner in owners {
            self.store.end_all(owner, NOW).await.expect("no error");
            assert_eq!(self.list(owner, NOW).await, []);
        }
    }

    async fn session_with_stale_credentials_version_is_refused(&self) {
        let Self { store, one, other } = *self;
        let (first, unrelated) = (version(store, one).await, version(store, other).await);
        assert_eq!(version(store, one).await, first, "reading the version does not change it");
        assert!(Opening::new("a", one).open_at(store, first).await);
        assert!(
            Opening::new("b", one).open_at(store, first).await,
            "opening a session does not change the version"
        );
        store.end_all(one, NOW).await.expect("no error");
        assert!(!Opening::new("c", one).open_at(store, first).await);
        assert!(!self.is_active(one, "c", "token").await);
        let second = version(store, one).await;
        assert!(second > first);
        assert!(Opening::new("d", one).open_at(store, second).await);
        assert!(
            Opening::new("e", other).open_at(store, unrelated).await,
            "another owner has another version"
        );
        self.end_all(&[one, other]).await;
    }

    async fn token_is_active_with_its_session_and_its_owner(&self) {
        let Self { store, one, other } = *self;
        assert!(!self.is_active(one, "s", "token").await, "the session is not open yet");
        assert!(Opening::new("s", one).open(store).await);
        assert!(self.is_active(one, "s", "token").await);
        assert!(self.is_active(one, "s", "another token").await);
        assert!(!self.is_active(other, "s", "token").await, "the session belongs to another user");
        for id in ["S", "s ", "t", "%", "_"] {
            assert!(!self.is_active(one, id, "token").await, "{id}");
        }
        let without_id = Claims { token_id: None, ..claims(one, "s", "") };
        assert!(store.is_active(one, &without_id).await.unwrap(), "a token needs no identifier");
        let without_session = Claims { session_id: None, ..claims(one, "s", "token") };
        assert!(
            !store.is_active(one, &without_session).await.unwrap(),
            "a token without a session is not active"
        );
        self.end_all(&[one, other]).await;
    }

    async fn owners_of_two_kinds_with_one_subject_are_two_owners(&self) {
        let Self { store, one, .. } = *self;
        let namesake = SessionOwner { user_kind: "AnotherKind".into(), subject: one.subject.clone() };
        assert!(Opening::with_family("s", one, "family").open(store).await);
        assert!(Opening::with_family("t", &namesake, "other").open(store).await);
        assert!(!self.is_active(&namesake, "s", "token").await);
        assert!(!store.end(&namesake, &session_id("s"), NOW).await.expect("no error"));
        assert!(!self.revoke(&namesake, &claims(one, "s", "token")).await);
        assert_eq!(self.ids(&namesake, NOW).await, ["t"]);
        let family = store.find_token_family(&hash("other")).await.unwrap().expect("a family");
        assert_eq!(family.owner, namesake);
        let before = version(store, one).await;
        self.end_all(&[&namesake]).await;
        assert_eq!(self.ids(one, NOW).await, ["s"]);
        assert_eq!(version(store, one).await, before);
        self.end_all(&[one]).await;
    }

    async fn revoked_token_leaves_the_others_active(&self) {
        let Self { store, one, other } = *self;
        assert!(Opening::new("s", one).open(store).await);
        assert!(Opening::new("t", other).open(store).await);
        let token = claims(one, "s", "token");
        for was_active in [true, false] {
            assert_eq!(self.revoke(one, &token).await, was_active);
            assert!(!self.is_active(one, "s", "token").await);
        }
        assert!(self.is_active(one, "s", "another token").await);
        assert!(self.is_active(other, "t", "a third token").await);
        assert_eq!(self.ids(one, NOW).await, ["s"], "the session stays");

        // None of these is a token of that session.
        assert!(!self.revoke(other, &claims(other, "s", "of another user")).await);
        assert!(self.is_active(one, "s", "of another user").await);
        assert!(!self.revoke(one, &claims(one, "gone", "of a session that ended")).await);
        for incomplete in [
            Claims { token_id: None, ..claims(one, "s", "") },
            Claims { session_id: None, ..claims(one, "s", "x") },
        ] {
            assert!(!self.revoke(one, &incomplete).await);
        }
        assert!(self.is_active(one, "s", "another token").await);
        self.end_all(&[one, other]).await;
        assert!(!self.is_active(one, "s", "token").await);
    }

    async fn sessions_are_listed_by_last_use_until_they_expire(&self) {
        let Self { store, one, other } = *self;
        let second = |number| NOW + Duration::from_secs(number);
        let client_id = ClientId::new("web").unwrap();
        let client_info = ClientInfo {
            address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))),
            user_agent: Some("Mozilla/5.0 'quoted'; \u{1f600}".to_owned()),
            device_cookie: None,
        };
        for (id, now, expires_at) in [
            ("b", 2, Some(second(10))),
            ("a", 1, None),
            ("d", 4, Some(second(20))),
            ("c", 3, Some(second(30))),
        ] {
            let opening = Opening {
                now: second(now),
                expires_at,
                client_info: client_info.clone(),
                client_id: (id == "b").then_some(&client_id),
                ..Opening::new(id, one)
            };
            assert!(opening.open(store).await);
        }
        assert!(Opening::new("e", other).open(store).await);
        assert_eq!(self.ids(one, second(5)).await, ["d", "c", "b", "a"], "the last used one first");
        assert_eq!(self.ids(one, second(9)).await, ["d", "c", "b", "a"]);
        assert_eq!(self.ids(one, second(10)).await, ["d", "c", "a"], "one has expired");
        assert_eq!(self.ids(one, second(20)).await, ["c", "a"]);
        assert_eq!(self.ids(one, second(1_000_000_000)).await, ["a"], "a session without expiry");
        assert_eq!(self.ids(other, second(5)).await, ["e"]);
        let b = Session {
            id: session_id("b"),
            client_id: Some(client_id),
            client_info,
            created: second(2),
            last_used: second(2),
        };
        assert_eq!(self.list(one, second(5)).await[2], b);
        self.end_all(&[one, other]).await;
    }

    async fn session_is_ended_once_and_by_its_owner(&self) {
        let Self { store, one, other } = *self;
        for (id, owner) in [("s", one), ("s2", one), ("t", other)] {
            assert!(Opening::new(id, owner).open(store).await);
        }
        let end = async |owner: &SessionOwner, id: &str| {
            store.end(owner, &session_id(id), NOW).await.expect("no error")
        };
        assert!(!end(other, "s").await, "the session belongs to another user");
        assert!(self.is_active(one, "s", "token").await);
        let before = version(store, one).await;
        assert!(end(one, "s").await);
        assert!(!end(one, "s").await, "the session has ended");
        assert!(!self.is_active(one, "s", "token").await);
        assert!(self.is_active(one, "s2", "token").await);
        assert!(self.is_active(other, "t", "token").await);
        assert_eq!(version(store, one).await, before, "sign-ins in progress succeed");
        self.end_all(&[one, other]).await;
    }

    async fn all_sessions_of_one_owner_end(&self) {
        let Self { store, one, other } = *self;
        for (id, owner) in [("s", one), ("s2", one), ("t", other)] {
            assert!(Opening::new(id, owner).open(store).await);
        }
        // The second call finds no sessions.
        for _ in 0..2 {
            self.end_all(&[one]).await;
        }
        for id in ["s", "s2"] {
            assert!(!self.is_active(one, id, "token").await);
        }
        assert!(self.is_active(other, "t", "token").await);
        assert!(Opening::new("s3", one).open(store).await, "the user signs in again");
        self.end_all(&[one, other]).await;
    }

    async fn unknown_names_are_not_errors(&self) {
        let Self { store, one, .. } = *self;
        assert!(Opening::new("s", one).open(store).await);
        let long = "x".repeat(255);
        for unknown in UNKNOWN.into_iter().chain([long.as_str()]) {
            let nobody = SessionOwner { subject: unknown.parse().unwrap(), ..one.clone() };
            assert!(!self.is_active(&nobody, "s", "token").await, "{unknown:?}");
            assert!(!self.is_active(one, unknown, "token").await, "{unknown:?}");
            assert!(self.is_active(one, "s", unknown).await, "{unknown:?}");
            assert_eq!(self.list(&nobody, NOW).await, [], "{unknown:?}");
            assert!(!store.end(&nobody, &session_id("s"), NOW).await.expect("no error"), "{unknown:?}");
            assert!(!store.end(one, &session_id(unknown), NOW).await.expect("no error"), "{unknown:?}");
            assert!(!self.revoke(&nobody, &claims(&nobody, "s", "token")).await, "{unknown:?}");
            assert!(!self.revoke(one, &claims(one, unknown, "token")).await, "{unknown:?}");
            assert_eq!(self.find(unknown).await, None, "{unknown:?}");
            store.end_all(&nobody, NOW).await.expect("no error");
        }
        assert!(self.is_active(one, "s", "token").await);
        assert_eq!(self.ids(one, NOW).await, ["s"]);
        self.end_all(&[one]).await;
    }

    async fn find(&self, family: &str) -> Option<TokenFamily> {
        self.store.find_token_family(&hash(family)).await.expect("no error")
    }

    async fn token_family_is_found_as_it_was_opened(&self) {
        let Self { store, one, other } = *self;
        let web = ClientId::new("web").unwrap();
        let opening = Opening { client_id: Some(&web), ..Opening::with_family("s", one, "family") };
        assert!(opening.open(store).await);
        let family = self.find("family").await.expect("a family");
        assert_eq!((&family.owner, family.session_id.as_str()), (one, "s"));
        assert_eq!(
            (family.client_id.as_ref(), &family.granted_scopes),
            (Some(&web), &opening.granted_scopes)
        );
        assert_eq!((family.created, family.rotated, family.current.as_str()), (NOW, NOW, "first"));
        assert_eq!(family.previous, None);

        let opening =
            Opening { granted_scopes: GrantedScopes::All, ..Opening::with_family("t", other, "other") };
        assert!(opening.open(store).await);
        let family = self.find("other").await.expect("a family");
        assert_eq!((family.granted_scopes, family.client_id), (GrantedScopes::All, None));

        for id in ["without a family", "another without a family"] {
            assert!(Opening::new(id, one).open(store).await);
        }
        for unknown in UNKNOWN.into_iter().chain(["first", "Family", "s"]) {
            assert_eq!(self.find(unknown).await, None, "{unknown:?}");
        }
        self.end_all(&[one, other]).await;
    }

    async fn rotation_replaces_only_the_current_token(&self) {
        let Self { store, one, other } = *self;
        assert!(Opening::with_family("s", one, "family").open(store).await);
        assert!(Opening::with_family("t", other, "other").open(store).await);
        let later = NOW + HOUR / 2;
        let turn = |from, to| Turn { family: "family", from, to, now: later };
        assert!(turn("first", "second").rotate(store).await);
        let family = self.find("family").await.expect("a family");
        assert_eq!((family.current.as_str(), family.rotated, family.created), ("second", later, NOW));
        let previous = family.previous.as_ref().expect("the previous token");
        assert_eq!((previous.hash.as_str(), previous.salt.as_str()), ("first", "salt of second"));

        for from in ["first", "third", "Second", ""] {
            assert!(!turn(from, "third").rotate(store).await, "{from:?} is not the current token");
        }
        for unknown in UNKNOWN {
            let stray = Turn { family: unknown, from: "first", to: "third", now: later };
            assert!(!stray.rotate(store).await, "{unknown:?}");
        }
        assert_eq!(self.find("family").await, Some(family));
        let untouched = self.find("other").await.expect("a family");
        assert_eq!((untouched.current.as_str(), untouched.previous), ("first", None));

        // The session was used, and expires later.
        let session = &self.list(one, NOW + HOUR).await[0];
        assert_eq!((session.created, session.last_used), (NOW, later));
        assert_eq!(session.client_info.user_agent.as_deref(), Some("second"));
        assert!(turn("second", "third").rotate(store).await);
        self.end_all(&[one, other]).await;
    }

    async fn one_of_two_concurrent_rotations_succeeds(&self) {
        let Self { store, one, .. } = *self;
        for round in 0..20 {
            let name = format!("family {round}");
            assert!(Opening::with_family(&name, one, &name).open(store).await);
            let turn = |to| Turn { family: &name, from: "first", to, now: NOW };
            let (left, right) = (turn("left"), turn("right"));
            let done = futures_util::future::join(left.rotate(store), right.rotate(store)).await;
            let current = self.find(&name).await.expect("a family").current;
            match done {
                (true, false) => assert_eq!(current.as_str(), "left"),
                (false, true) => assert_eq!(current.as_str(), "right"),
                both => panic!("{both:?}"),
            }
        }
        self.end_all(&[one]).await;
    }

    async fn token_family_ends_with_its_session(&self) {
        let Self { store, one, .. } = *self;
        for (id, family) in [("s", "family"), ("s2", "family 2")] {
            assert!(Opening::with_family(id, one, family).open(store).await);
        }
        self.revoke(one, &claims(one, "s", "token")).await;
        assert!(self.find("family").await.is_some(), "only an access token was revoked");
        assert!(store.end(one, &session_id("s"), NOW).await.unwrap());
        assert!(self.find("family").await.is_none());
        assert!(!Turn { family: "family", from: "first", to: "second", now: NOW }.rotate(store).await);
        assert!(self.find("family 2").await.is_some());
        store.end_all(one, NOW).await.unwrap();
        assert!(self.find("family 2").await.is_none());
    }
}
