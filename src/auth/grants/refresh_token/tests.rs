use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    auth::{Authentication, ExternalSignIn, RefreshSettings},
    domain::{
        claims::Claims,
        ports::{IssuedToken, NewToken, TokenIssuer, TokenVerifier, UserStore},
        scope::Scope,
        secret::{AccessToken, PasswordHash},
        session::{
            CredentialsVersion, Delivery, NewSession, PreviousToken, Session, SessionId, SessionOwner,
            SessionStore,
        },
        user::{Account, Subject, Username},
    },
};

const START: Timestamp = Timestamp::from_unix(1_700_000_000);
const SETTINGS: RefreshSettings = RefreshSettings {
    issue: RefreshTokens::Always,
    grace: Duration::from_secs(3),
    idle: Duration::from_secs(10),
    absolute: Duration::from_secs(20),
};

/// The lifetime of access tokens, which is longer than that of sessions.
const TOKEN_LIFETIME: Duration = Duration::from_secs(900);

type Work = Box<dyn FnOnce() + Send>;

/// An in-memory session store that supports only token families. Clones share the families.
#[derive(Clone, Default)]
struct Families {
    by_name: Arc<Mutex<Vec<(TokenHash, TokenFamily)>>>,
    /// A function that runs just before the next rotation, to simulate a concurrent request.
    before_rotation: Arc<Mutex<Option<Work>>>,
}

impl Families {
    fn lock(&self) -> MutexGuard<'_, Vec<(TokenHash, TokenFamily)>> {
        self.by_name.lock().unwrap()
    }

    /// Returns an independent copy.
    fn fork(&self) -> Self {
        Self { by_name: Arc::new(Mutex::new(self.lock().clone())), before_rotation: Arc::default() }
    }
}

impl SessionStore for Families {
    async fn credentials_version(&self, _: &SessionOwner) -> Result<CredentialsVersion, BackendError> {
        Ok(CredentialsVersion::default())
    }

    async fn open(&self, session: &NewSession<'_>) -> Result<Option<Vec<SessionId>>, BackendError> {
        let (name, first) = session.refresh_token.expect("the sign-in issues a refresh token");
        let family = TokenFamily {
            session_id: session.id.clone(),
            owner: session.owner.clone(),
            client_id: session.client_id.cloned(),
            granted_scopes: session.granted_scopes.clone(),
            audiences: session.audiences.to_vec(),
            client_info: session.client_info.clone(),
            created: session.now,
            current: first.clone(),
            previous: None,
            delivery: Delivery::of_sign_in(session.now),
        };
        self.lock().push((name.clone(), family));
        Ok(Some(Vec::new()))
    }

    async fn find_active(&self, _: &SessionOwner, claims: &Claims) -> Result<Option<Delivery>, BackendError> {
        let families = self.lock();
        let family =
            families.iter().find(|(_, family)| Some(&family.session_id) == claims.session_id.as_ref());
        Ok(family.map(|(_, family)| family.delivery))
    }

    async fn revoke(&self, _: &SessionOwner, _: &Claims, _: Timestamp) -> Result<bool, BackendError> {
        unreachable!()
    }

    async fn list(&self, _: &SessionOwner, _: Timestamp) -> Result<Vec<Session>, BackendError> {
        unreachable!()
    }

    async fn end(&self, owner: &SessionOwner, id: &SessionId, _: Timestamp) -> Result<bool, BackendError> {
        let matches = |family: &TokenFamily| family.owner == *owner && family.session_id == *id;
        Ok(self.lock().extract_if(.., |(_, family)| matches(family)).count() > 0)
    }

    async fn end_all(&self, _: &SessionOwner, _: Timestamp) -> Result<(), BackendError> {
        unreachable!()
    }

    async fn find_token_family(&self, name: &TokenHash) -> Result<Option<TokenFamily>, BackendError> {
        Ok(self.lock().iter().find(|(stored, _)| stored == name).map(|(_, family)| family.clone()))
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<bool, BackendError> {
        // The store must keep the session until its new access token expires.
        assert_eq!(rotation.expires_at, Some(rotation.now + TOKEN_LIFETIME));
        let before_rotation = self.before_rotation.lock().unwrap().take();
        before_rotation.into_iter().for_each(|work| work());
        let mut families = self.lock();
        let matches = |(name, family): &&mut (TokenHash, TokenFamily)| {
            let is_next = family.delivery.last + 1 == rotation.sequence;
            name == rotation.family && family.current == *rotation.from && is_next
        };
        let Some((_, family)) = families.iter_mut().find(matches) else { return Ok(false) };
        let hash = std::mem::replace(&mut family.current, rotation.to.clone());
        family.previous = Some(PreviousToken { hash, salt: rotation.salt.to_owned() });
        family.client_info = rotation.client_info.clone();
        family.delivery = Delivery::of_rotation(rotation.now, rotation.sequence);
        Ok(true)
    }

    async fn update_delivery(&self, update: &DeliveryUpdate<'_>) -> Result<bool, BackendError> {
        let mut families = self.lock();
        let matches = |(_, family): &&mut (TokenHash, TokenFamily)| {
            family.session_id == *update.session_id && family.delivery == *update.from
        };
        let Some((_, family)) = families.iter_mut().find(matches) else { return Ok(false) };
        family.delivery = *update.to;
        if let Some((client_info, _)) = update.request {
            family.client_info = client_info.clone();
        }
        Ok(true)
    }
}

/// A store with one user that has these scopes. Clones share the scopes.
#[derive(Clone)]
struct OneUser(Arc<Mutex<GrantedScopes>>);

#[derive(Clone)]
struct User(GrantedScopes);

impl AuthUser for User {
    fn subject(&self) -> Subject {
        Subject::new("johndoe").unwrap()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        self.0.clone()
    }
}

impl UserStore for OneUser {
    type User = User;

    async fn find_by_username(&self, _: &Username) -> Result<Option<Account<User>>, BackendError> {
        unreachable!()
    }

    async fn find_by_subject(&self, _: &Subject) -> Result<Option<User>, BackendError> {
        Ok(Some(User(self.0.lock().unwrap().clone())))
    }

    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), BackendError> {
        unreachable!()
    }
}

/// Access tokens that consist of the session identifier and the sequence number.
struct SessionTokens;

impl TokenIssuer for SessionTokens {
    async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
        let session = new.session_id.as_ref().expect("the token has a session").as_str();
        let access_token =
            format!("{session} {}", new.sequence.expect("the token has a sequence number")).as_str().into();
        Ok(IssuedToken { access_token, expires_in: Some(TOKEN_LIFETIME) })
    }
}

impl TokenVerifier for SessionTokens {
    async fn verify(&self, token: &AccessToken, _: Timestamp) -> Result<Option<Claims>, BackendError> {
        let (session, sequence) = token.expose().split_once(' ').expect("SessionTokens issued the token");
        let (session_id, sequence) = (SessionId::new(session).ok(), sequence.parse().ok());
        let subject = Subject::new("johndoe").unwrap();
        Ok(Some(Claims { session_id, sequence, ..Claims::new(subject, GrantedScopes::All) }))
    }
}

/// An `Auth` whose clock the test controls.
#[derive(Clone)]
struct TestAuth {
    auth: Auth<User>,
    now: Arc<AtomicU64>,
}

fn auth_with(user: &OneUser, families: &Families, settings: RefreshSettings) -> TestAuth {
    let now = Arc::new(AtomicU64::new(START.as_unix()));
    let clock = Arc::clone(&now);
    let auth = Auth::builder(user.clone())
        .tokens(SessionTokens)
        .sessions(families.clone())
        .refresh_tokens(settings)
        .clock(move || Timestamp::from_unix(clock.load(Ordering::SeqCst)))
        .build()
        .unwrap();
    TestAuth { auth, now }
}

fn granted(scopes: &BTreeSet<&str>) -> GrantedScopes {
    GrantedScopes::Only(scopes.iter().map(|scope| scope.parse().unwrap()).collect())
}

fn scopes(granted_scopes: &GrantedScopes) -> BTreeSet<String> {
    let GrantedScopes::Only(scopes) = granted_scopes else {
        panic!("expected a set of scopes, but all scopes were granted")
    };
    scopes.iter().map(ToString::to_string).collect()
}

fn sign_in(auth: &TestAuth, scopes: &[String]) -> Result<Tokens, AuthError> {
    let sign_in = ExternalSignIn {
        subject: &Subject::new("johndoe").unwrap(),
        scopes,
        audiences: &[],
        client: None,
        client_info: &ClientInfo::default(),
    };
    Ok(auth.auth.sign_in_external(sign_in).now_or_never().unwrap()?.tokens)
}

fn use_token(auth: &TestAuth, token: &str, scopes: &[String], now: Timestamp) -> Result<Tokens, AuthError> {
    use_token_from(auth, &ClientInfo::default(), token, scopes, now)
}

fn use_token_from(
    auth: &TestAuth,
    client_info: &ClientInfo,
    token: &str,
    scopes: &[String],
    now: Timestamp,
) -> Result<Tokens, AuthError> {
    auth.now.store(now.as_unix(), Ordering::SeqCst);
    let token = RefreshToken::from(token);
    let refresh = Refresh { token: &token, scopes, audiences: &[], client: None, client_info };
    Ok(auth.auth.refresh(refresh).now_or_never().unwrap()?.tokens)
}

fn refresh_token(tokens: &Tokens) -> String {
    tokens.refresh_token.as_ref().expect("the response contains a refresh token").expose().to_owned()
}

/// The expected state of a token family.
struct Model {
    /// Every token that was issued, oldest first.
    tokens: Vec<String>,
    granted: BTreeSet<String>,
    rotated: Timestamp,
    /// The number of repetitions since the last rotation.
    repetitions: u64,
    is_ended: bool,
}

/// A use of a token with the requested scopes, or another event.
#[derive(Clone, Debug)]
enum Step {
    Current(Vec<String>),
    Previous(Vec<String>),
    /// A token older than the previous one.
    Older(prop::sample::Index),
    /// A token of this family that was never issued.
    Forged,
    /// A token of an unknown family.
    UnknownFamily,
    Wait(u64),
    /// A replacement of the user's scopes.
    SetScopes(BTreeSet<&'static str>),
}

fn some_scopes() -> impl Strategy<Value = BTreeSet<&'static str>> {
    prop::sample::subsequence(vec!["a", "b", "c", "offline_access"], 0..=4)
        .prop_map(|scopes| scopes.into_iter().collect())
}

fn requested() -> impl Strategy<Value = Vec<String>> {
    let some = some_scopes().prop_map(|scopes| scopes.into_iter().map(str::to_owned).collect());
    prop_oneof![1 => Just(Vec::new()), 1 => some]
}

/// Generates steps. Uses of the current token are frequent, so that families have many tokens before they end.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => requested().prop_map(Step::Current),
        6 => requested().prop_map(Step::Previous),
        1 => any::<prop::sample::Index>().prop_map(Step::Older),
        1 => Just(Step::Forged),
        2 => Just(Step::UnknownFamily),
        8 => (1..5_u64).prop_map(Step::Wait),
        1 => (5..15_u64).prop_map(Step::Wait),
        1 => some_scopes().prop_map(Step::SetScopes),
    ]
}

impl Model {
    fn current(&self) -> &str {
        self.tokens.last().unwrap()
    }

    fn is_active(&self, now: Timestamp) -> bool {
        !self.is_ended && now < self.rotated + SETTINGS.idle && now < START + SETTINGS.absolute
    }

    /// Asserts that a valid token was accepted with the expected scopes, or rejected because of the requested scopes.
    fn check_scopes(
        &self,
        result: Result<Tokens, AuthError>,
        requested: &[String],
        allowed: &BTreeSet<String>,
    ) -> Result<Option<Tokens>, TestCaseError> {
        let requested: BTreeSet<_> = requested.iter().cloned().collect();
        let available: BTreeSet<_> = self.granted.intersection(allowed).cloned().collect();
        let expected = match requested.is_empty() {
            true => available,
            false => available.intersection(&requested).cloned().collect(),
        };
        match result {
            Ok(tokens) => {
                prop_assert!(
                    requested.is_subset(&self.granted),
                    "the refresh granted scopes that were not granted at sign-in: {:?}",
                    tokens.granted_scopes
                );
                prop_assert_eq!(scopes(&tokens.granted_scopes), expected);
                Ok(Some(tokens))
            }
            Err(AuthError::ScopeExceeded) => {
                prop_assert!(!requested.is_subset(&self.granted));
                Ok(None)
            }
            Err(AuthError::ScopeNotGranted) => {
                prop_assert!(!requested.is_empty() && expected.is_empty());
                Ok(None)
            }
            Err(error) => Err(TestCaseError::fail(format!("a valid token was rejected: {error}"))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn token_family_matches_the_model_after_each_step(initial in requested(), steps in vec(step(), 1..60)) {
        let user = OneUser(Arc::new(Mutex::new(granted(&["a", "b"].into()))));
        let families = Families::default();
        let auth = auth_with(&user, &families, SETTINGS);
        // The sign-in fails if the user has none of the requested scopes.
        let Ok(tokens) = sign_in(&auth, &initial) else { return Ok(()) };
        let access_token = tokens.access_token.clone();
        let mut model = Model {
            tokens: vec![refresh_token(&tokens)],
            granted: scopes(&tokens.granted_scopes),
            rotated: START,
            repetitions: 0,
            is_ended: false,
        };
        let mut now = START;
        for step in steps {
            let allowed = scopes(&user.0.lock().unwrap().with(Scope::offline_access()));
            let is_active = model.is_active(now);
            let refresh = |token: &str, requested: &[String]| use_token(&auth, token, requested, now);
            let is_invalid = |result| matches!(result, Err(AuthError::InvalidRefreshToken));
            match step {
                Step::Current(requested) => {
                    let result = refresh(model.current(), &requested);
                    if !is_active {
                        prop_assert!(is_invalid(result));
                    } else if let Some(tokens) = model.check_scopes(result, &requested, &allowed)? {
                        let next = refresh_token(&tokens);
                        prop_assert!(!model.tokens.contains(&next), "a token was issued twice");
                        model.tokens.push(next);
                        model.rotated = now;
                        model.repetitions = 0;
                    }
                }
                Step::Previous(requested) => {
                    let Some(position) = model.tokens.len().checked_sub(2) else { continue };
                    let result = refresh(&model.tokens[position], &requested);
                    if !is_active || now >= model.rotated + SETTINGS.grace {
                        prop_assert!(is_invalid(result));
                        model.is_ended |= is_active;
                    } else if model.repetitions == 10 {
                        prop_assert!(is_invalid(result));
                    } else if let Some(tokens) = model.check_scopes(result, &requested, &allowed)? {
                        prop_assert_eq!(refresh_token(&tokens), model.current());
                        model.repetitions += 1;
                    }
                }
                Step::Older(index) => {
                    let Some(count @ 1..) = model.tokens.len().checked_sub(2) else { continue };
                    prop_assert!(is_invalid(refresh(&model.tokens[index.index(count)], &[])));
                    model.is_ended |= is_active;
                }
                Step::Forged => {
                    let forged = format!("{}{}", &model.current()[..43], "x".repeat(43));
                    prop_assert!(is_invalid(refresh(&forged, &[])));
                    model.is_ended |= is_active;
                }
                Step::UnknownFamily => {
                    let unknown = format!("{}{}", "x".repeat(43), &model.current()[43..]);
                    prop_assert!(is_invalid(refresh(&unknown, &[])));
                }
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::SetScopes(scopes) => *user.0.lock().unwrap() = granted(&scopes),
            }

            prop_assert_eq!(families.lock().is_empty(), model.is_ended);
            let authentication = auth.auth.authenticate(&access_token).now_or_never().unwrap().unwrap();
            let is_invalid = matches!(authentication, Authentication::Invalid);
            prop_assert_eq!(
                is_invalid,
                model.is_ended,
                "the access token must become invalid exactly when the session ends"
            );
            // After the grace period, only the current token may be valid.
            let later = now.max(model.rotated + SETTINGS.grace);
            for token in &model.tokens {
                let fork = auth_with(&user, &families.fork(), SETTINGS);
                let is_valid = use_token(&fork, token, &[], later).is_ok();
                prop_assert_eq!(is_valid, model.is_active(later) && token == model.current());
            }
        }
    }
}

#[test]
fn next_token_cannot_be_derived_from_the_previous_one_alone() {
    let user = OneUser(Arc::new(Mutex::new(granted(&["a", "b"].into()))));
    let families = Families::default();
    let auth = auth_with(&user, &families, SETTINGS);
    let first = refresh_token(&sign_in(&auth, &[]).unwrap());
    let fork = auth_with(&user, &families.fork(), SETTINGS);
    let [one, other] = [auth, fork].map(|auth| refresh_token(&use_token(&auth, &first, &[], START).unwrap()));
    assert_ne!(one, other);
}

/// Signs in and uses the first token; `concurrent` runs just before the rotation.
fn race(
    grace: u64,
    concurrent: impl FnOnce(&TestAuth, &Families, &str) + Send + 'static,
) -> (TestAuth, Families, Result<Tokens, AuthError>) {
    let user = OneUser(Arc::new(Mutex::new(granted(&["a", "b"].into()))));
    let (families, grace) = (Families::default(), Duration::from_secs(grace));
    let auth = auth_with(&user, &families, RefreshSettings { grace, ..SETTINGS });
    let first = refresh_token(&sign_in(&auth, &[]).unwrap());
    let (other, shared, token) = (auth.clone(), families.clone(), first.clone());
    let concurrent = Box::new(move || concurrent(&other, &shared, &token));
    *families.before_rotation.lock().unwrap() = Some(concurrent);
    let result = use_token(&auth, &first, &[], START);
    (auth, families, result)
}

#[test]
fn concurrent_uses_within_the_grace_period_return_the_same_token() {
    let winner = Arc::new(Mutex::new(String::new()));
    let current = Arc::clone(&winner);
    let (auth, families, result) = race(3, move |auth, _, token| {
        *winner.lock().unwrap() = refresh_token(&use_token(auth, token, &[], START).unwrap());
    });
    let current = current.lock().unwrap();
    assert_eq!(refresh_token(&result.unwrap()), *current);
    assert_eq!(families.lock().len(), 1);
    assert!(use_token(&auth, &current, &[], START).is_ok());
}

#[test]
fn concurrent_uses_without_a_grace_period_end_the_session() {
    let (_, families, result) = race(0, |auth, _, token| {
        assert!(use_token(auth, token, &[], START).is_ok());
    });
    assert!(matches!(result, Err(AuthError::InvalidRefreshToken)));
    assert!(families.lock().is_empty());
}

#[test]
fn refresh_of_a_session_that_ends_concurrently_is_rejected() {
    let (_, _, result) = race(3, |_, families, _| families.lock().clear());
    assert!(matches!(result, Err(AuthError::InvalidRefreshToken)));
}

#[test]
fn use_of_a_token_after_two_concurrent_rotations_ends_the_session() {
    let (_, families, result) = race(3, |auth, _, token| {
        let next = refresh_token(&use_token(auth, token, &[], START).unwrap());
        assert!(use_token(auth, &next, &[], START).is_ok());
    });
    assert!(matches!(result, Err(AuthError::InvalidRefreshToken)));
    assert!(families.lock().is_empty());
}

fn sender(address: u8) -> ClientInfo {
    let address = Some(std::net::Ipv4Addr::new(203, 0, 113, address).into());
    ClientInfo { address, ..ClientInfo::default() }
}

#[test]
fn refresh_by_two_senders_ends_the_session_whichever_response_is_used_first() {
    let is_valid = |auth: &TestAuth, tokens: &Tokens| {
        let authentication = auth.auth.authenticate(&tokens.access_token).now_or_never().unwrap().unwrap();
        matches!(authentication, Authentication::Valid(_))
    };
    for victim_is_first in [true, false] {
        for uses_at in [START, START + SETTINGS.grace, START + Duration::from_secs(9)] {
            let user = OneUser(Arc::new(Mutex::new(granted(&["a"].into()))));
            let families = Families::default();
            let auth = auth_with(&user, &families, SETTINGS);
            let signed_in = sign_in(&auth, &[]).unwrap();
            let refresh =
                |address| use_token_from(&auth, &sender(address), &refresh_token(&signed_in), &[], START);
            let (victim, thief) = (refresh(1).unwrap(), refresh(2).unwrap());
            // A token from before the rotation does not show which response was received.
            assert!(is_valid(&auth, &signed_in));
            auth.now.store(uses_at.as_unix(), Ordering::SeqCst);
            if victim_is_first {
                assert!(
                    !is_valid(&auth, &victim),
                    "the session must end: the response to the victim was not lost"
                );
            } else {
                assert!(
                    is_valid(&auth, &thief),
                    "the session must stay active: the victim might have changed networks"
                );
                assert!(!is_valid(&auth, &victim));
            }
            assert!(!is_valid(&auth, &thief) && !is_valid(&auth, &signed_in));
            assert!(families.lock().is_empty());
        }
    }
}

fn family(rotated: Timestamp) -> TokenFamily {
    TokenFamily {
        session_id: SessionId::new("session").unwrap(),
        owner: SessionOwner { user_kind: "User".into(), subject: Subject::new("johndoe").unwrap() },
        client_id: None,
        granted_scopes: GrantedScopes::All,
        audiences: Vec::new(),
        client_info: ClientInfo::default(),
        created: START,
        current: TokenHash("current".to_owned()),
        previous: Some(PreviousToken { hash: TokenHash("previous".to_owned()), salt: "salt".to_owned() }),
        delivery: Delivery::of_rotation(rotated, 1),
    }
}

#[test]
fn token_status_changes_exactly_when_the_grace_period_or_lifetime_ends() {
    let after = |seconds| START + Duration::from_secs(seconds);
    for (rotated, token, now, expected) in [
        (5, "current", 14, TokenStatus::Current),
        (5, "current", 15, TokenStatus::Expired), // unused for ten seconds
        (15, "current", 19, TokenStatus::Current),
        (15, "current", 20, TokenStatus::Expired), // twenty seconds after sign-in
        (5, "previous", 7, TokenStatus::Repeated("salt")),
        (5, "previous", 8, TokenStatus::Reused),
        (5, "older", 5, TokenStatus::Reused),
        (5, "older", 15, TokenStatus::Expired),
        // A replica whose clock is ahead rotated the token.
        (5, "current", 4, TokenStatus::Current),
        (5, "previous", 4, TokenStatus::Repeated("salt")),
    ] {
        let (family, hash) = (family(after(rotated)), TokenHash(token.to_owned()));
        assert_eq!(SETTINGS.status(&family, &hash, after(now)), expected, "{rotated} {token} {now}");
    }
}
