//! The contract of [`SessionStore`].
//!
//! To test a store of your own, copy this file into your tests and call [`assert_contract`].

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use gatepass::{
    Audience, Claims, ClientId, ClientInfo, GrantedScopes, Timestamp,
    sessions::{
        CredentialsVersion, Delivery, DeliveryUpdate, NewSession, Rotation, Session, SessionId, SessionOwner,
        SessionStore, TokenFamily, TokenHash,
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
    suite.least_recently_used_sessions_over_the_maximum_end().await;
    suite.concurrent_sign_ins_do_not_exceed_the_maximum().await;
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
    suite.delivery_is_replaced_only_if_it_is_the_one_that_was_read().await;
    suite.one_of_two_concurrent_changes_of_the_delivery_succeeds().await;
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
    pub audiences: Vec<Audience>,
    pub client_info: ClientInfo,
    pub now: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub refresh_token: Option<(TokenHash, TokenHash)>,
    pub max_sessions: u32,
}

impl<'a> Opening<'a> {
    pub fn new(id: &str, owner: &'a SessionOwner) -> Self {
        Self {
            id: session_id(id),
            owner,
            client_id: None,
            granted_scopes: GrantedScopes::Only("me".parse().unwrap()),
            audiences: Vec::new(),
            client_info: ClientInfo::default(),
            now: NOW,
            expires_at: Some(NOW + HOUR),
            refresh_token: None,
            max_sessions: u32::MAX,
        }
    }

    /// A session with a family of this name whose first token has the hash `first`.
    pub fn with_family(id: &str, owner: &'a SessionOwner, name: &str) -> Self {
        Self { refresh_token: Some((hash(name), hash("first"))), ..Self::new(id, owner) }
    }

    /// Opens the session with this version of the owner's credentials. Returns whether it was opened.
    pub async fn open_at<S: SessionStore>(&self, store: &S, version: CredentialsVersion) -> bool {
        self.evicted(store, version).await.is_some()
    }

    /// Opens the session, and returns the sessions that it evicted.
    async fn evicted<S: SessionStore>(
        &self,
        store: &S,
        version: CredentialsVersion,
    ) -> Option<Vec<SessionId>> {
        let session = NewSession {
            id: &self.id,
            owner: self.owner,
            credentials_version: version,
            client_id: self.client_id,
            granted_scopes: &self.granted_scopes,
            audiences: &self.audiences,
            client_info: &self.client_info,
            now: self.now,
            expires_at: self.expires_at,
            refresh_token: self.refresh_token.as_ref().map(|(family, first)| (family, first)),
            max_sessions: self.max_sessions.try_into().expect("not zero"),
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
    sequence: u64,
    now: Timestamp,
}

impl Turn<'_> {
    async fn rotate<S: SessionStore>(&self, store: &S) -> bool {
        let rotation = Rotation {
            family: &hash(self.family),
            from: &hash(self.from),
            to: &hash(self.to),
            salt: &format!("salt of {}", self.to),
            sequence: self.sequence,
            client_info: &ClientInfo { user_agent: Some(self.to.to_owned()), ..ClientInfo::default() },
            now: self.now,
            expires_at: Some(self.now + HOUR),
        };
        store.rotate(&rotation).await.expect("no error")
    }
}

impl<S: SessionStore> Suite<'_, S> {
    async fn is_active(&self, owner: &SessionOwner, session: &str, token: &str) -> bool {
        self.delivery(owner, session, token).await.is_some()
    }

    async fn delivery(&self, owner: &SessionOwner, session: &str, token: &str) -> Option<Delivery> {
        self.store.find_active(owner, &claims(owner, session, token)).await.expect("no error")
    }

    async fn update(
        &self,
        session: &str,
        from: &Delivery,
        to: &Delivery,
        sender: Option<&ClientInfo>,
    ) -> bool {
        let session_id = &session_id(session);
        let update =
            DeliveryUpdate { session_id, from, to, request: sender.map(|sender| (sender, NOW + HOUR / 2)) };
        self.store.update_delivery(&update).await.expect("no error")
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

    async fn least_recently_used_sessions_over_the_maximum_end(&self) {
        let Self { store, one, other } = *self;
        let namesake = &SessionOwner { user_kind: "AnotherKind".into(), subject: one.subject.clone() };
        let at = |number| NOW + Duration::from_secs(number);
        let open = async |owner: &SessionOwner, id: &str, now, max_sessions| {
            let opening = Opening { now, max_sessions, ..Opening::with_family(id, owner, id) };
            let evicted = opening.evicted(store, version(store, owner).await).await.expect("opened");
            let mut evicted: Vec<_> = evicted.iter().map(ToString::to_string).collect();
            evicted.sort();
            evicted
        };
        let expired = Opening { expires_at: Some(at(1)), ..Opening::new("expired", one) };
        assert!(expired.open(store).await);
        for (number, id) in (1..).zip(["a", "b", "c"]) {
            assert_eq!(open(one, id, at(number), 3).await, [""; 0]);
        }
        for owner in [other, namesake] {
            assert_eq!(open(owner, &owner.user_kind, NOW, 1).await, [""; 0], "another user");
        }
        // The oldest session is used.
        let turn = Turn { family: "a", from: "first", to: "second", sequence: 1, now: at(10) };
        assert!(turn.rotate(store).await);
        assert_eq!(open(one, "d", at(11), 3).await, ["b"]);
        assert!(!self.is_active(one, "b", "token").await);
        assert!(self.find("b").await.is_none());
        assert_eq!(self.ids(one, at(11)).await, ["d", "a", "c"]);
        assert_eq!(open(one, "e", at(11), 2).await, ["a", "c"], "the maximum was lowered");
        assert_eq!(open(one, "f", at(11), 1).await, ["d", "e"]);
        assert!(self.is_active(other, &other.user_kind, "token").await);
        let stale = Opening { max_sessions: 1, ..Opening::new("g", other) };
        let before = version(store, other).await;
        self.end_all(&[other]).await;
        assert!(open(other, "h", NOW, 1).await.is_empty());
        assert!(!stale.open_at(store, before).await);
        assert_eq!(self.ids(other, NOW).await, ["h"], "a refused sign-in evicts nothing");
        self.end_all(&[one, other, namesake]).await;
    }

    async fn concurrent_sign_ins_do_not_exceed_the_maximum(&self) {
        let Self { store, one, .. } = *self;
        let version = version(store, one).await;
        let sign_ins = (0..24).map(async |number| {
            let opening = Opening { max_sessions: 5, ..Opening::new(&format!("s{number}"), one) };
            let evicted = opening.evicted(store, version).await.expect("opened");
            assert!(self.list(one, NOW).await.len() <= 5);
            evicted
        });
        let evicted = futures_util::future::join_all(sign_ins).await.concat();
        assert_eq!((evicted.len(), self.list(one, NOW).await.len()), (19, 5), "{evicted:?}");
        self.end_all(&[one]).await;
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
        assert!(store.find_active(one, &without_id).await.unwrap().is_some(), "a token needs no identifier");
        let without_session = Claims { session_id: None, ..claims(one, "s", "token") };
        assert!(
            store.find_active(one, &without_session).await.unwrap().is_none(),
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
        let audiences = ["https://api", "an audience with spaces"].map(|text| text.parse().unwrap()).to_vec();
        let opening =
            Opening { client_id: Some(&web), audiences, ..Opening::with_family("s", one, "family") };
        assert!(opening.open(store).await);
        let family = self.find("family").await.expect("a family");
        assert_eq!((&family.owner, family.session_id.as_str()), (one, "s"));
        assert_eq!(
            (family.client_id.as_ref(), &family.granted_scopes, &family.audiences),
            (Some(&web), &opening.granted_scopes, &opening.audiences)
        );
        assert_eq!((family.created, family.current.as_str()), (NOW, "first"));
        assert_eq!((family.previous, family.client_info), (None, ClientInfo::default()));
        assert_eq!(family.delivery, Delivery::of_sign_in(NOW));
        assert_eq!(self.delivery(one, "s", "token").await, Some(family.delivery));

        let opening =
            Opening { granted_scopes: GrantedScopes::All, ..Opening::with_family("t", other, "other") };
        assert!(opening.open(store).await);
        let family = self.find("other").await.expect("a family");
        assert_eq!(
            (family.granted_scopes, family.client_id, family.audiences),
            (GrantedScopes::All, None, vec![])
        );

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
        let turn = |from, to, sequence| Turn { family: "family", from, to, sequence, now: later };
        assert!(turn("first", "second", 1).rotate(store).await);
        let family = self.find("family").await.expect("a family");
        assert_eq!((family.current.as_str(), family.created), ("second", NOW));
        assert_eq!(family.client_info.user_agent.as_deref(), Some("second"));
        assert_eq!(family.delivery, Delivery::of_rotation(later, 1));
        assert_eq!(self.delivery(one, "s", "token").await, Some(family.delivery));
        let previous = family.previous.as_ref().expect("the previous token");
        assert_eq!((previous.hash.as_str(), previous.salt.as_str()), ("first", "salt of second"));

        for from in ["first", "third", "Second", ""] {
            assert!(!turn(from, "third", 2).rotate(store).await, "{from:?} is not the current token");
        }
        for sequence in [0, 1, 3] {
            assert!(
                !turn("second", "third", sequence).rotate(store).await,
                "{sequence} is not the next response"
            );
        }
        for unknown in UNKNOWN {
            let stray = Turn { family: unknown, ..turn("first", "third", 1) };
            assert!(!stray.rotate(store).await, "{unknown:?}");
        }
        assert_eq!(self.find("family").await, Some(family));
        let untouched = self.find("other").await.expect("a family");
        assert_eq!((untouched.current.as_str(), untouched.previous), ("first", None));

        // The session was used, and expires later.
        let session = &self.list(one, NOW + HOUR).await[0];
        assert_eq!((session.created, session.last_used), (NOW, later));
        assert_eq!(session.client_info.user_agent.as_deref(), Some("second"));
        assert!(turn("second", "third", 2).rotate(store).await);
        self.end_all(&[one, other]).await;
    }

    async fn one_of_two_concurrent_rotations_succeeds(&self) {
        let Self { store, one, .. } = *self;
        for round in 0..20 {
            let name = format!("family {round}");
            assert!(Opening::with_family(&name, one, &name).open(store).await);
            let turn = |to| Turn { family: &name, from: "first", to, sequence: 1, now: NOW };
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

    async fn delivery_is_replaced_only_if_it_is_the_one_that_was_read(&self) {
        let Self { store, one, other } = *self;
        assert!(Opening::with_family("s", one, "family").open(store).await);
        assert!(Opening::with_family("t", other, "other").open(store).await);
        let turn = Turn { family: "family", from: "first", to: "second", sequence: 1, now: NOW };
        assert!(turn.rotate(store).await);
        let rotated = Delivery::of_rotation(NOW, 1);
        let received = Delivery { is_received: true, ..rotated };
        assert!(self.update("s", &rotated, &received, None).await);
        let family = self.find("family").await.expect("a family");
        assert_eq!((family.delivery, family.current.as_str()), (received, "second"));
        assert_eq!(
            family.client_info.user_agent.as_deref(),
            Some("second"),
            "the sender of the last request did not change"
        );
        assert_eq!(self.list(one, NOW).await[0].last_used, NOW);

        let client_info = ClientInfo {
            address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 8))),
            user_agent: Some("phone".to_owned()),
            ..ClientInfo::default()
        };
        let repeated = Delivery { to_sender: 2, last: 2, is_received: false, ..received };
        for stale in [rotated, Delivery { last: 2, ..received }, Delivery { to_sender: 0, ..received }] {
            assert!(!self.update("s", &stale, &repeated, Some(&client_info)).await, "{stale:?}");
        }
        assert!(!self.update("unknown", &received, &repeated, Some(&client_info)).await);
        assert!(self.update("s", &received, &repeated, Some(&client_info)).await);
        let family = self.find("family").await.expect("a family");
        assert_eq!((family.delivery, family.client_info), (repeated, client_info.clone()));
        assert_eq!(self.delivery(one, "s", "token").await, Some(repeated));
        let session = &self.list(one, NOW).await[0];
        assert_eq!((&session.client_info, session.last_used), (&client_info, NOW + HOUR / 2));
        assert_eq!(self.delivery(other, "t", "token").await, Some(Delivery::of_sign_in(NOW)));

        let next = Turn { from: "second", to: "third", sequence: 3, ..turn };
        assert!(next.rotate(store).await);
        assert_eq!(self.delivery(one, "s", "token").await, Some(Delivery::of_rotation(NOW, 3)));
        self.end_all(&[one, other]).await;
    }

    async fn one_of_two_concurrent_changes_of_the_delivery_succeeds(&self) {
        let Self { store, one, .. } = *self;
        for round in 0..20 {
            let name = format!("family {round}");
            assert!(Opening::with_family(&name, one, &name).open(store).await);
            let turn = Turn { family: &name, from: "first", to: "second", sequence: 1, now: NOW };
            assert!(turn.rotate(store).await);
            let from = Delivery::of_rotation(NOW, 1);
            let received = Delivery { is_received: true, ..from };
            let repeated = Delivery { to_sender: 2, last: 2, ..from };
            let left = self.update(&name, &from, &received, None);
            let right = self.update(&name, &from, &repeated, None);
            let expected = match futures_util::future::join(left, right).await {
                (true, false) => received,
                (false, true) => repeated,
                both => panic!("{both:?}"),
            };
            assert_eq!(self.delivery(one, &name, "token").await, Some(expected));
            let turn = Turn { from: "second", to: "third", sequence: expected.last + 1, ..turn };
            let repeated = Delivery { last: expected.last + 1, ..expected };
            let done = futures_util::future::join(
                turn.rotate(store),
                self.update(&name, &expected, &repeated, None),
            );
            assert!(matches!(done.await, (true, false) | (false, true)));
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
        let turn = Turn { family: "family", from: "first", to: "second", sequence: 1, now: NOW };
        assert!(!turn.rotate(store).await);
        let delivery = Delivery::of_sign_in(NOW);
        assert!(!self.update("s", &delivery, &Delivery { last: 1, ..delivery }, None).await);
        assert!(self.find("family 2").await.is_some());
        store.end_all(one, NOW).await.unwrap();
        assert!(self.find("family 2").await.is_none());
    }
}
