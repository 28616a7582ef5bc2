//! The contract of [`SessionStore`] and [`RefreshTokenStore`]: what Gatepass relies on, whatever the technology.
//!
//! To hold a store of your own against it, copy this file into your tests, fill the store with the [`People`],
//! and call [`hold`] and [`refresh_tokens_hold`].

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use gatepass::{
    Claims, ClientId, ClientInfo, GrantedScopes, NewSession, PasswordHash, RefreshTokenStore, Rotation,
    Session, SessionId, SessionStore, Subject, Timestamp, TokenHash,
};

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// Texts that nothing is called, some of them made to break a store.
const NOTHING: [&str; 8] = ["", " ", "nothing", "\0", "a\0b", "' OR '1'='1", "%", "\u{202e}\u{1f600}"];

/// Whose sessions they are: the subjects and the hashes of their passwords.
pub struct People {
    pub one: (Subject, PasswordHash),
    pub other: (Subject, PasswordHash),
    pub inactive: (Subject, PasswordHash),
    /// A client that is registered.
    pub client_id: ClientId,
}

/// Asserts that `store`, where nobody has a session yet, keeps the contract of [`SessionStore`].
///
/// # Panics
/// Where it does not.
pub async fn hold<S: SessionStore>(store: &S, people: &People) {
    a_session_begins_with_the_right_hash_of_an_active_user(store, people).await;
    a_token_lives_with_its_session_and_its_subject(store, people).await;
    a_revoked_token_leaves_the_others_alive(store, people).await;
    sessions_are_listed_as_they_were_used_until_they_end(store, people).await;
    a_session_is_ended_by_its_own_user_and_once(store, people).await;
    all_of_a_users_sessions_end_and_nobody_elses(store, people).await;
    what_is_not_there_is_no_fault(store, people).await;
}

/// Asserts that `store`, where nobody has a session yet, keeps the contract of [`RefreshTokenStore`].
///
/// # Panics
/// Where it does not.
pub async fn refresh_tokens_hold<S: RefreshTokenStore>(store: &S, people: &People) {
    a_family_is_found_as_it_began(store, people).await;
    a_rotation_takes_the_place_of_the_newest_alone(store, people).await;
    of_two_rotations_at_once_one_is_done(store, people).await;
    a_family_ends_with_its_session(store, people).await;
}

/// A session to begin, which [`begin`](Self::begin) begins.
pub struct Beginning<'a> {
    pub id: SessionId,
    pub subject: &'a Subject,
    pub password_hash: &'a PasswordHash,
    pub client_id: Option<&'a ClientId>,
    pub granted_scopes: GrantedScopes,
    pub client_info: ClientInfo,
    pub now: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub refresh_token: Option<(TokenHash, TokenHash)>,
}

impl<'a> Beginning<'a> {
    pub fn of(id: &str, (subject, password_hash): &'a (Subject, PasswordHash)) -> Self {
        Self {
            id: id.into(),
            subject,
            password_hash,
            client_id: None,
            granted_scopes: GrantedScopes::Only("me".parse().unwrap()),
            client_info: ClientInfo::default(),
            now: NOW,
            expires_at: Some(NOW + HOUR),
            refresh_token: None,
        }
    }

    /// With a family of this name, whose first token has the hash `first`.
    pub fn with_family(id: &str, whose: &'a (Subject, PasswordHash), name: &str) -> Self {
        Self { refresh_token: Some((name.into(), "first".into())), ..Self::of(id, whose) }
    }

    pub async fn begin<S: SessionStore>(&self, store: &S) -> bool {
        let session = NewSession {
            id: &self.id,
            subject: self.subject,
            password_hash: self.password_hash,
            client_id: self.client_id,
            granted_scopes: &self.granted_scopes,
            client_info: &self.client_info,
            now: self.now,
            expires_at: self.expires_at,
            refresh_token: self.refresh_token.as_ref().map(|(family, first)| (family, first)),
        };
        store.begin(&session).await.expect("no fault")
    }
}

/// What a token of this session says.
pub fn claims(subject: &Subject, session: &str, token: &str) -> Claims {
    Claims {
        session_id: Some(session.into()),
        token_id: Some(token.into()),
        expires_at: Some(NOW + HOUR),
        ..Claims::new(subject.clone(), GrantedScopes::All)
    }
}

async fn is_live<S: SessionStore>(store: &S, subject: &Subject, session: &str, token: &str) -> bool {
    store.is_live(&claims(subject, session, token)).await.expect("no fault")
}

async fn list<S: SessionStore>(store: &S, subject: &Subject, now: Timestamp) -> Vec<Session> {
    store.list(subject, now).await.expect("no fault")
}

async fn ids<S: SessionStore>(store: &S, subject: &Subject, now: Timestamp) -> Vec<String> {
    list(store, subject, now).await.into_iter().map(|session| session.id.to_string()).collect()
}

async fn end_all<S: SessionStore>(store: &S, people: &People) {
    for (subject, _) in [&people.one, &people.other] {
        store.end_all(subject, NOW).await.expect("no fault");
        assert_eq!(list(store, subject, NOW).await, []);
    }
}

async fn a_session_begins_with_the_right_hash_of_an_active_user<S: SessionStore>(store: &S, people: &People) {
    let (one, hash) = &people.one;
    assert!(Beginning::of("right", &people.one).begin(store).await);
    let wrong = [
        (one.clone(), PasswordHash::from("")),
        (one.clone(), PasswordHash::from("of yesterday")),
        (one.clone(), format!("{} ", hash.expose()).into()),
        (people.other.0.clone(), "of yesterday".into()),
        (Subject::from("nobody"), hash.clone()),
        people.inactive.clone(),
    ];
    for (number, whose) in wrong.iter().enumerate() {
        let id = format!("wrong {number}");
        assert!(!Beginning::of(&id, whose).begin(store).await, "{id}");
        assert!(!is_live(store, &whose.0, &id, "token").await, "{id}");
    }
    let stranger = ClientId::from("nobody's client");
    let through = |client_id| Beginning { client_id, ..Beginning::of("by a client", &people.one) };
    assert!(!through(Some(&stranger)).begin(store).await, "the client was removed meanwhile");
    assert!(through(Some(&people.client_id)).begin(store).await);
    assert_eq!(list(store, &people.inactive.0, NOW).await, []);
    assert_eq!(list(store, one, NOW).await.len(), 2);
    end_all(store, people).await;
}

async fn a_token_lives_with_its_session_and_its_subject<S: SessionStore>(store: &S, people: &People) {
    let (one, other) = (&people.one.0, &people.other.0);
    assert!(!is_live(store, one, "s", "token").await, "not yet");
    assert!(Beginning::of("s", &people.one).begin(store).await);
    assert!(is_live(store, one, "s", "token").await);
    assert!(is_live(store, one, "s", "another token").await);
    assert!(!is_live(store, other, "s", "token").await, "it is somebody else's session");
    for id in ["S", "s ", "t", "%", "_"] {
        assert!(!is_live(store, one, id, "token").await, "{id}");
    }
    let without_name = Claims { token_id: None, ..claims(one, "s", "") };
    assert!(store.is_live(&without_name).await.unwrap(), "a token needs no name");
    let without_session = Claims { session_id: None, ..claims(one, "s", "token") };
    assert!(!store.is_live(&without_session).await.unwrap(), "a token without a session is not alive");
    end_all(store, people).await;
}

async fn a_revoked_token_leaves_the_others_alive<S: SessionStore>(store: &S, people: &People) {
    let (one, other) = (&people.one.0, &people.other.0);
    assert!(Beginning::of("s", &people.one).begin(store).await);
    assert!(Beginning::of("t", &people.other).begin(store).await);
    let token = claims(one, "s", "token");
    for was_good in [true, false] {
        assert_eq!(store.revoke(&token, NOW).await.expect("no fault"), was_good);
        assert!(!is_live(store, one, "s", "token").await);
    }
    assert!(is_live(store, one, "s", "another token").await);
    assert!(is_live(store, other, "t", "a third token").await);
    assert_eq!(ids(store, one, NOW).await, ["s"], "the session lives on");

    // None of these is a token of that session.
    assert!(!store.revoke(&claims(other, "s", "stranger's"), NOW).await.expect("no fault"));
    assert!(is_live(store, one, "s", "stranger's").await);
    assert!(!store.revoke(&claims(one, "gone", "of a session that is gone"), NOW).await.expect("no fault"));
    for nameless in [
        Claims { token_id: None, ..claims(one, "s", "") },
        Claims { session_id: None, ..claims(one, "s", "x") },
    ] {
        assert!(!store.revoke(&nameless, NOW).await.expect("no fault"));
    }
    assert!(is_live(store, one, "s", "another token").await);
    end_all(store, people).await;
    assert!(!is_live(store, one, "s", "token").await);
}

async fn sessions_are_listed_as_they_were_used_until_they_end<S: SessionStore>(store: &S, people: &People) {
    let second = |number| NOW + Duration::from_secs(number);
    let client_info = ClientInfo {
        address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))),
        user_agent: Some("Mozilla/5.0 'quoted'; \u{1f600}".to_owned()),
    };
    for (id, now, expires_at) in
        [("b", 2, Some(second(10))), ("a", 1, None), ("d", 4, Some(second(20))), ("c", 3, Some(second(30)))]
    {
        let beginning = Beginning {
            now: second(now),
            expires_at,
            client_info: client_info.clone(),
            client_id: (id == "b").then_some(&people.client_id),
            ..Beginning::of(id, &people.one)
        };
        assert!(beginning.begin(store).await);
    }
    assert!(Beginning::of("e", &people.other).begin(store).await);
    let one = &people.one.0;
    assert_eq!(ids(store, one, second(5)).await, ["d", "c", "b", "a"], "the one used last first");
    assert_eq!(ids(store, one, second(9)).await, ["d", "c", "b", "a"]);
    assert_eq!(ids(store, one, second(10)).await, ["d", "c", "a"], "one has ended");
    assert_eq!(ids(store, one, second(20)).await, ["c", "a"]);
    assert_eq!(ids(store, one, second(1_000_000_000)).await, ["a"], "it has no end");
    assert_eq!(ids(store, &people.other.0, second(5)).await, ["e"]);
    let b = Session {
        id: "b".into(),
        client_id: Some(people.client_id.clone()),
        client_info,
        created: second(2),
        last_used: second(2),
    };
    assert_eq!(list(store, one, second(5)).await[2], b);
    end_all(store, people).await;
}

async fn a_session_is_ended_by_its_own_user_and_once<S: SessionStore>(store: &S, people: &People) {
    let (one, other) = (&people.one.0, &people.other.0);
    for (id, whose) in [("s", &people.one), ("s2", &people.one), ("t", &people.other)] {
        assert!(Beginning::of(id, whose).begin(store).await);
    }
    let end = async |subject: &Subject, id: &str| {
        store.end(subject, &SessionId::from(id), NOW).await.expect("no fault")
    };
    assert!(!end(other, "s").await, "it is somebody else's");
    assert!(is_live(store, one, "s", "token").await);
    assert!(end(one, "s").await);
    assert!(!end(one, "s").await, "it has ended");
    assert!(!is_live(store, one, "s", "token").await);
    assert!(is_live(store, one, "s2", "token").await);
    assert!(is_live(store, other, "t", "token").await);
    end_all(store, people).await;
}

async fn all_of_a_users_sessions_end_and_nobody_elses<S: SessionStore>(store: &S, people: &People) {
    let (one, other) = (&people.one.0, &people.other.0);
    for (id, whose) in [("s", &people.one), ("s2", &people.one), ("t", &people.other)] {
        assert!(Beginning::of(id, whose).begin(store).await);
    }
    // Again: there is none to end.
    for _ in 0..2 {
        store.end_all(one, NOW).await.expect("no fault");
        assert_eq!(ids(store, one, NOW).await, [""; 0]);
    }
    for id in ["s", "s2"] {
        assert!(!is_live(store, one, id, "token").await);
    }
    assert!(is_live(store, other, "t", "token").await);
    assert!(Beginning::of("s3", &people.one).begin(store).await, "the user signs in again");
    end_all(store, people).await;
}

async fn what_is_not_there_is_no_fault<S: SessionStore>(store: &S, people: &People) {
    let (one, hash) = &people.one;
    assert!(Beginning::of("s", &people.one).begin(store).await);
    let long = "x".repeat(100_000);
    for nothing in NOTHING.into_iter().chain([long.as_str()]) {
        let nobody = Subject::from(nothing);
        assert!(!is_live(store, &nobody, "s", "token").await, "{nothing:?}");
        assert!(!is_live(store, one, nothing, "token").await, "{nothing:?}");
        // Whether a token lives that cannot be called so is up to the store.
        is_live(store, one, "s", nothing).await;
        assert_eq!(list(store, &nobody, NOW).await, [], "{nothing:?}");
        assert!(!store.end(&nobody, &"s".into(), NOW).await.expect("no fault"), "{nothing:?}");
        assert!(!store.end(one, &nothing.into(), NOW).await.expect("no fault"), "{nothing:?}");
        store.end_all(&nobody, NOW).await.expect("no fault");
        store.revoke(&claims(&nobody, "s", "token"), NOW).await.expect("no fault");
        store.revoke(&claims(one, nothing, "token"), NOW).await.expect("no fault");
        let whose = (nobody, hash.clone());
        assert!(!Beginning::of("nobody's", &whose).begin(store).await, "{nothing:?}");
        let whose = (one.clone(), PasswordHash::from(nothing));
        assert!(!Beginning::of("of a wrong hash", &whose).begin(store).await, "{nothing:?}");
        let client_id = ClientId::from(nothing);
        let through = Beginning { client_id: Some(&client_id), ..Beginning::of("stranger's", &people.one) };
        assert!(!through.begin(store).await, "{nothing:?}");
    }
    assert!(is_live(store, one, "s", "token").await);
    assert_eq!(ids(store, one, NOW).await, ["s"]);
    end_all(store, people).await;
}

/// What takes the place of `from` in the family.
struct Turn<'a> {
    family: &'a str,
    from: &'a str,
    to: &'a str,
    now: Timestamp,
}

impl Turn<'_> {
    async fn rotate<S: RefreshTokenStore>(&self, store: &S) -> bool {
        let rotation = Rotation {
            family: &self.family.into(),
            from: &self.from.into(),
            to: &self.to.into(),
            salt: &format!("salt of {}", self.to),
            client_info: &ClientInfo { address: None, user_agent: Some(self.to.to_owned()) },
            now: self.now,
            expires_at: Some(self.now + HOUR),
        };
        store.rotate(&rotation).await.expect("no fault")
    }
}

async fn a_family_is_found_as_it_began<S: RefreshTokenStore>(store: &S, people: &People) {
    let client_id = Some(&people.client_id);
    let beginning = Beginning { client_id, ..Beginning::with_family("s", &people.one, "family") };
    assert!(beginning.begin(store).await);
    let family = store.find_family(&"family".into()).await.expect("no fault").expect("a family");
    assert_eq!((&family.subject, family.session_id.as_str()), (&people.one.0, "s"));
    assert_eq!((family.client_id.as_ref(), &family.granted_scopes), (client_id, &beginning.granted_scopes));
    assert_eq!((family.created, family.rotated, family.newest.as_str()), (NOW, NOW, "first"));
    assert_eq!(family.previous, None);

    let unrestricted = GrantedScopes::All;
    let beginning = Beginning {
        granted_scopes: unrestricted.clone(),
        ..Beginning::with_family("t", &people.other, "other")
    };
    assert!(beginning.begin(store).await);
    let family = store.find_family(&"other".into()).await.unwrap().expect("a family");
    assert_eq!((family.granted_scopes, family.client_id), (unrestricted, None));

    assert!(Beginning::of("without", &people.one).begin(store).await, "a session without a family");
    assert!(Beginning::of("without either", &people.one).begin(store).await);
    for nothing in NOTHING.into_iter().chain(["first", "TokenFamily", "s"]) {
        assert_eq!(store.find_family(&nothing.into()).await.expect("no fault"), None, "{nothing:?}");
    }
    end_all(store, people).await;
}

async fn a_rotation_takes_the_place_of_the_newest_alone<S: RefreshTokenStore>(store: &S, people: &People) {
    assert!(Beginning::with_family("s", &people.one, "family").begin(store).await);
    assert!(Beginning::with_family("t", &people.other, "other").begin(store).await);
    let later = NOW + HOUR / 2;
    let turn = |from, to| Turn { family: "family", from, to, now: later };
    assert!(turn("first", "second").rotate(store).await);
    let family = store.find_family(&"family".into()).await.unwrap().expect("a family");
    assert_eq!((family.newest.as_str(), family.rotated, family.created), ("second", later, NOW));
    let previous = family.previous.as_ref().expect("the one before");
    assert_eq!((previous.hash.as_str(), previous.salt.as_str()), ("first", "salt of second"));

    for from in ["first", "third", "Second", ""] {
        assert!(!turn(from, "third").rotate(store).await, "{from:?} is not the newest");
    }
    for nothing in NOTHING {
        let stray = Turn { family: nothing, from: "first", to: "third", now: later };
        assert!(!stray.rotate(store).await, "{nothing:?}");
    }
    assert_eq!(store.find_family(&"family".into()).await.unwrap(), Some(family));
    let other = store.find_family(&"other".into()).await.unwrap().expect("a family");
    assert_eq!((other.newest.as_str(), other.previous), ("first", None));

    // The session is used with it, and lasts longer.
    let session = &list(store, &people.one.0, NOW + HOUR).await[0];
    assert_eq!((session.created, session.last_used), (NOW, later));
    assert_eq!(session.client_info.user_agent.as_deref(), Some("second"));
    assert!(turn("second", "third").rotate(store).await);
    end_all(store, people).await;
}

async fn of_two_rotations_at_once_one_is_done<S: RefreshTokenStore>(store: &S, people: &People) {
    for round in 0..20 {
        let name = format!("family {round}");
        assert!(Beginning::with_family(&name, &people.one, &name).begin(store).await);
        let turn = |to| Turn { family: &name, from: "first", to, now: NOW };
        let (one, other) = (turn("one"), turn("other"));
        let done = futures_util::future::join(one.rotate(store), other.rotate(store)).await;
        let newest = store.find_family(&name.as_str().into()).await.unwrap().expect("a family").newest;
        match done {
            (true, false) => assert_eq!(newest.as_str(), "one"),
            (false, true) => assert_eq!(newest.as_str(), "other"),
            both => panic!("{both:?}"),
        }
    }
    end_all(store, people).await;
}

async fn a_family_ends_with_its_session<S: RefreshTokenStore>(store: &S, people: &People) {
    let one = &people.one.0;
    for (id, family) in [("s", "family"), ("s2", "family 2")] {
        assert!(Beginning::with_family(id, &people.one, family).begin(store).await);
    }
    let is_there = async |name: &str| store.find_family(&name.into()).await.expect("no fault").is_some();
    store.revoke(&claims(one, "s", "token"), NOW).await.unwrap();
    assert!(is_there("family").await, "an access token alone was revoked");
    assert!(store.end(one, &"s".into(), NOW).await.unwrap());
    assert!(!is_there("family").await);
    assert!(!Turn { family: "family", from: "first", to: "second", now: NOW }.rotate(store).await);
    assert!(is_there("family 2").await);
    store.end_all(one, NOW).await.unwrap();
    assert!(!is_there("family 2").await);
}
