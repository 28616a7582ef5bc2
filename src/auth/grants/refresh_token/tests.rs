use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    auth::{Authentication, RefreshSettings, SignIn},
    domain::{
        claims::Claims,
        ports::{
            IssuedToken, NewToken, PasswordCheck, PasswordHasher, TokenIssuer, TokenVerifier, UserStore,
        },
        secret::{AccessToken, Password, PasswordHash},
        session::{
            CredentialsVersion, NewSession, PreviousToken, Session, SessionId, SessionOwner, SessionStore,
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

type Work = Box<dyn FnOnce() + Send>;

/// Token families in memory. Clones share them.
#[derive(Clone, Default)]
struct Families {
    by_name: Arc<Mutex<Vec<(TokenHash, TokenFamily)>>>,
    /// What another request does just before the next rotation.
    concurrent: Arc<Mutex<Option<Work>>>,
}

impl Families {
    fn lock(&self) -> MutexGuard<'_, Vec<(TokenHash, TokenFamily)>> {
        self.by_name.lock().unwrap()
    }

    /// A copy, for what must have no effect here.
    fn fork(&self) -> Self {
        Self { by_name: Arc::new(Mutex::new(self.lock().clone())), concurrent: Arc::default() }
    }

    fn concurrently(&self, work: impl FnOnce() + Send + 'static) {
        *self.concurrent.lock().unwrap() = Some(Box::new(work));
    }
}

impl SessionStore for Families {
    async fn credentials_version(&self, _: &SessionOwner) -> Result<CredentialsVersion, BackendError> {
        Ok(CredentialsVersion::default())
    }

    async fn open(&self, session: &NewSession<'_>) -> Result<bool, BackendError> {
        let (name, first) = session.refresh_token.expect("every session has refresh tokens here");
        let family = TokenFamily {
            session_id: session.id.clone(),
            owner: session.owner.clone(),
            client_id: session.client_id.cloned(),
            granted_scopes: session.granted_scopes.clone(),
            created: session.now,
            current: first.clone(),
            rotated: session.now,
            previous: None,
        };
        self.lock().push((name.clone(), family));
        Ok(true)
    }

    async fn is_active(&self, _: &SessionOwner, claims: &Claims) -> Result<bool, BackendError> {
        Ok(self.lock().iter().any(|(_, family)| Some(&family.session_id) == claims.session_id.as_ref()))
    }

    async fn revoke(&self, _: &SessionOwner, _: &Claims, _: Timestamp) -> Result<bool, BackendError> {
        unreachable!()
    }

    async fn list(&self, _: &SessionOwner, _: Timestamp) -> Result<Vec<Session>, BackendError> {
        unreachable!("no session is listed here")
    }

    async fn end(&self, owner: &SessionOwner, id: &SessionId, _: Timestamp) -> Result<bool, BackendError> {
        let matches = |family: &TokenFamily| family.owner == *owner && family.session_id == *id;
        Ok(self.lock().extract_if(.., |(_, family)| matches(family)).count() > 0)
    }

    async fn end_all(&self, _: &SessionOwner, _: Timestamp) -> Result<(), BackendError> {
        unreachable!("no user ends everything here")
    }

    async fn find_token_family(&self, name: &TokenHash) -> Result<Option<TokenFamily>, BackendError> {
        Ok(self.lock().iter().find(|(own, _)| own == name).map(|(_, family)| family.clone()))
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<bool, BackendError> {
        let concurrent = self.concurrent.lock().unwrap().take();
        concurrent.into_iter().for_each(|work| work());
        let mut families = self.lock();
        let matches = |(name, family): &&mut (TokenHash, TokenFamily)| {
            name == rotation.family && family.current == *rotation.from
        };
        let Some((_, family)) = families.iter_mut().find(matches) else { return Ok(false) };
        let hash = std::mem::replace(&mut family.current, rotation.to.clone());
        family.previous = Some(PreviousToken { hash, salt: rotation.salt.to_owned() });
        family.rotated = rotation.now;
        Ok(true)
    }
}

/// One user with these scopes.
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

impl OneUser {
    fn user(&self) -> User {
        User(self.0.lock().unwrap().clone())
    }
}

impl UserStore for OneUser {
    type User = User;

    async fn find_by_username(&self, _: &Username) -> Result<Option<Account<User>>, BackendError> {
        Ok(Some(Account { user: self.user(), password_hash: "hash".into() }))
    }

    async fn find_by_subject(&self, _: &Subject) -> Result<Option<User>, BackendError> {
        Ok(Some(self.user()))
    }

    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), BackendError> {
        unreachable!("no hash is outdated here")
    }
}

/// Accepts every password.
struct AnyPassword(PasswordHash);

impl PasswordHasher for AnyPassword {
    async fn hash(&self, _: &Password) -> Result<PasswordHash, BackendError> {
        unreachable!("nothing is hashed here")
    }

    async fn verify(&self, _: &Password, _: &PasswordHash) -> Result<PasswordCheck, BackendError> {
        Ok(PasswordCheck::Match)
    }

    fn dummy_hash(&self) -> &PasswordHash {
        &self.0
    }
}

/// Issues the identifier of the session as access token.
struct SessionTokens;

impl TokenIssuer for SessionTokens {
    async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
        let session = new.session_id.as_ref().expect("a session").as_str();
        Ok(IssuedToken { access_token: session.into(), expires_in: Some(Duration::from_secs(900)) })
    }
}

impl TokenVerifier for SessionTokens {
    async fn verify(&self, token: &AccessToken, _: Timestamp) -> Result<Option<Claims>, BackendError> {
        let session_id = SessionId::new(token.expose()).ok();
        let subject = Subject::new("johndoe").unwrap();
        Ok(Some(Claims { session_id, ..Claims::new(subject, GrantedScopes::All) }))
    }
}

/// An `Auth` whose clock and randomness the test sets.
#[derive(Clone)]
struct TestAuth {
    auth: Auth<User>,
    now: Arc<AtomicU64>,
    random: Arc<AtomicU8>,
}

fn auth_with(user: &OneUser, families: &Families, settings: RefreshSettings) -> TestAuth {
    let (now, random) = (Arc::new(AtomicU64::new(START.as_unix())), Arc::new(AtomicU8::new(0xff)));
    let (clock, bytes) = (Arc::clone(&now), Arc::clone(&random));
    let auth = Auth::builder(user.clone())
        .passwords(AnyPassword("dummy".into()))
        .tokens(SessionTokens)
        .sessions(families.clone())
        .refresh_tokens(settings)
        .clock(move || Timestamp::from_unix(clock.load(Ordering::SeqCst)))
        .random(move |buffer| buffer.fill(bytes.load(Ordering::SeqCst)))
        .build()
        .expect("parts that fit together");
    TestAuth { auth, now, random }
}

fn granted_scopes(scopes: &BTreeSet<&str>) -> GrantedScopes {
    GrantedScopes::Only(scopes.iter().map(|scope| scope.parse().unwrap()).collect())
}

fn scopes(granted_scopes: &GrantedScopes) -> BTreeSet<String> {
    let GrantedScopes::Only(scopes) = granted_scopes else { panic!("the user has scopes") };
    scopes.iter().map(ToString::to_string).collect()
}

fn sign_in(auth: &TestAuth, scopes: &[String]) -> Result<Tokens, AuthError> {
    let sign_in = SignIn {
        username: "johndoe",
        password: &"secret".into(),
        scopes,
        client_id: None,
        client_info: &ClientInfo::default(),
    };
    Ok(auth.auth.sign_in(sign_in).now_or_never().expect("no waiting")?.tokens)
}

fn use_token(
    auth: &TestAuth,
    token: &str,
    scopes: &[String],
    now: Timestamp,
    random: u8,
) -> Result<Tokens, AuthError> {
    auth.now.store(now.as_unix(), Ordering::SeqCst);
    auth.random.store(random, Ordering::SeqCst);
    let (token, client_info) = (RefreshToken::from(token), ClientInfo::default());
    let refresh = Refresh { token: &token, scopes, client_id: None, client_info: &client_info };
    Ok(auth.auth.refresh(refresh).now_or_never().expect("no waiting")?.tokens)
}

fn refresh_token(tokens: &Tokens) -> String {
    tokens.refresh_token.as_ref().expect("a refresh token").expose().to_owned()
}

/// A family as the rules have it.
struct Model {
    /// Every token that was issued, the newest one last.
    tokens: Vec<String>,
    granted: BTreeSet<String>,
    rotated: Timestamp,
    is_ended: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Current(Vec<String>),
    Previous(Vec<String>),
    /// One before the previous one.
    Older(prop::sample::Index),
    /// A second half that was never given, behind the right first half.
    Forged,
    /// A first half that nobody has.
    Foreign,
    Wait(u64),
    /// What the user has from now on.
    Grant(BTreeSet<&'static str>),
}

fn some_scopes() -> impl Strategy<Value = BTreeSet<&'static str>> {
    prop::sample::subsequence(vec!["a", "b", "c", "offline_access"], 0..=4)
        .prop_map(|scopes| scopes.into_iter().collect())
}

fn wanted() -> impl Strategy<Value = Vec<String>> {
    let some = some_scopes().prop_map(|scopes| scopes.into_iter().map(str::to_owned).collect());
    prop_oneof![1 => Just(Vec::new()), 1 => some]
}

/// In most of the runs much happens before the first token is used again.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => wanted().prop_map(Step::Current),
        6 => wanted().prop_map(Step::Previous),
        1 => any::<prop::sample::Index>().prop_map(Step::Older),
        1 => Just(Step::Forged),
        2 => Just(Step::Foreign),
        8 => (1..5_u64).prop_map(Step::Wait),
        1 => (5..15_u64).prop_map(Step::Wait),
        1 => some_scopes().prop_map(Step::Grant),
    ]
}

impl Model {
    fn current(&self) -> &str {
        self.tokens.last().unwrap()
    }

    fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.rotated + SETTINGS.idle || now >= START + SETTINGS.absolute
    }

    /// Asserts that a valid token was accepted with these scopes, or refused because of them.
    fn check_scopes(
        &self,
        answer: Result<Tokens, AuthError>,
        wanted: &[String],
        has: &BTreeSet<String>,
    ) -> Result<Option<Tokens>, TestCaseError> {
        let asked: BTreeSet<_> = wanted.iter().cloned().collect();
        let now: BTreeSet<_> = self.granted.intersection(has).cloned().collect();
        let granted = if wanted.is_empty() { now } else { now.intersection(&asked).cloned().collect() };
        match answer {
            Ok(login) => {
                prop_assert!(asked.is_subset(&self.granted), "widened to {:?}", login.granted_scopes);
                prop_assert_eq!(scopes(&login.granted_scopes), granted);
                Ok(Some(login))
            }
            Err(AuthError::ScopeExceeded) => {
                prop_assert!(!asked.is_subset(&self.granted));
                Ok(None)
            }
            Err(AuthError::ScopeNotGranted) => {
                prop_assert!(!asked.is_empty() && granted.is_empty());
                Ok(None)
            }
            Err(error) => Err(TestCaseError::fail(format!("a good token is refused: {error}"))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn token_family_follows_the_model(asked in wanted(), steps in vec(step(), 1..60)) {
        let user = OneUser(Arc::new(Mutex::new(granted_scopes(&["a", "b"].into()))));
        let families = Families::default();
        let auth = auth_with(&user, &families, SETTINGS);
        let Ok(login) = sign_in(&auth, &asked) else {
            // It asked for nothing that the user has.
            return Ok(());
        };
        let access_token = login.access_token.clone();
        let mut model = Model {
            tokens: vec![refresh_token(&login)],
            granted: scopes(&login.granted_scopes),
            rotated: START,
            is_ended: false,
        };
        let mut now = START;
        for (number, step) in (0..).zip(steps) {
            let has = scopes(&user.0.lock().unwrap().with(Scope::offline_access()));
            let is_good = !model.is_ended && !model.is_expired(now);
            let use_one = |token: &str, wanted: &[String]| use_token(&auth, token, wanted, now, number);
            match step {
                Step::Current(wanted) => {
                    let answer = use_one(model.current(), &wanted);
                    if is_good {
                        if let Some(login) = model.check_scopes(answer, &wanted, &has)? {
                            let next = refresh_token(&login);
                            prop_assert!(!model.tokens.contains(&next), "a token comes again");
                            model.tokens.push(next);
                            model.rotated = now;
                        }
                    } else {
                        prop_assert!(matches!(answer, Err(AuthError::InvalidRefreshToken)));
                    }
                }
                Step::Previous(wanted) => {
                    let Some(position) = model.tokens.len().checked_sub(2) else { continue };
                    let answer = use_one(&model.tokens[position], &wanted);
                    if is_good && now < model.rotated + SETTINGS.grace {
                        if let Some(login) = model.check_scopes(answer, &wanted, &has)? {
                            prop_assert_eq!(refresh_token(&login), model.current());
                        }
                    } else {
                        prop_assert!(matches!(answer, Err(AuthError::InvalidRefreshToken)));
                        model.is_ended |= is_good;
                    }
                }
                Step::Older(index) => {
                    let Some(count @ 1..) = model.tokens.len().checked_sub(2) else { continue };
                    let answer = use_one(&model.tokens[index.index(count)], &[]);
                    prop_assert!(matches!(answer, Err(AuthError::InvalidRefreshToken)));
                    model.is_ended |= is_good;
                }
                Step::Forged => {
                    let forged = format!("{}{}", &model.current()[..43], "x".repeat(43));
                    prop_assert!(matches!(use_one(&forged, &[]), Err(AuthError::InvalidRefreshToken)));
                    model.is_ended |= is_good;
                }
                Step::Foreign => {
                    let foreign = format!("{}{}", "x".repeat(43), &model.current()[43..]);
                    prop_assert!(matches!(use_one(&foreign, &[]), Err(AuthError::InvalidRefreshToken)));
                }
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Grant(scopes) => *user.0.lock().unwrap() = granted_scopes(&scopes),
            }

            prop_assert_eq!(families.lock().is_empty(), model.is_ended);
            let bearer = auth.auth.authenticate(&access_token).now_or_never().expect("no waiting").unwrap();
            prop_assert_eq!(matches!(bearer, Authentication::Invalid), model.is_ended, "the access token");
            // After the grace period only the newest token may be valid; each is tried by itself.
            let later = now.max(model.rotated + SETTINGS.grace);
            let is_good = !model.is_ended && !model.is_expired(later);
            for token in &model.tokens {
                let alone = auth_with(&user, &families.fork(), SETTINGS);
                let answer = use_token(&alone, token, &[], later, 0xfe);
                prop_assert_eq!(answer.is_ok(), is_good && token == model.current());
            }
        }
    }
}

/// Signs in, and uses the first token while `concurrently` uses it too, or does something else.
fn raced(
    grace: u64,
    concurrently: impl FnOnce(&TestAuth, &Families, &str) + Send + 'static,
) -> (TestAuth, Families, Result<Tokens, AuthError>) {
    let user = OneUser(Arc::new(Mutex::new(granted_scopes(&["a", "b"].into()))));
    let (families, grace) = (Families::default(), Duration::from_secs(grace));
    let auth = auth_with(&user, &families, RefreshSettings { grace, ..SETTINGS });
    let first = refresh_token(&sign_in(&auth, &[]).expect("tokens"));
    let (other, all, token) = (auth.clone(), families.clone(), first.clone());
    families.concurrently(move || concurrently(&other, &all, &token));
    let answer = use_token(&auth, &first, &[], START, 1);
    (auth, families, answer)
}

#[test]
fn second_concurrent_use_returns_the_same_token() {
    let won = Arc::new(Mutex::new(String::new()));
    let winner = Arc::clone(&won);
    let (auth, families, answer) = raced(3, move |auth, _, token| {
        let login = use_token(auth, token, &[], START, 2).expect("tokens");
        *winner.lock().unwrap() = refresh_token(&login);
    });
    let newest = won.lock().unwrap();
    assert_eq!(refresh_token(&answer.expect("tokens")), *newest);
    assert_eq!(families.lock().len(), 1);
    assert!(use_token(&auth, &newest, &[], START, 3).is_ok());
}

#[test]
fn second_concurrent_use_without_grace_ends_the_session() {
    let (_, families, answer) = raced(0, |auth, _, token| {
        assert!(use_token(auth, token, &[], START, 2).is_ok());
    });
    assert!(matches!(answer, Err(AuthError::InvalidRefreshToken)));
    assert!(families.lock().is_empty());
}

#[test]
fn refresh_of_a_session_that_ends_concurrently_is_refused() {
    let (_, _, answer) = raced(3, |_, families, _| families.lock().clear());
    assert!(matches!(answer, Err(AuthError::InvalidRefreshToken)));
}

#[test]
fn use_after_two_concurrent_rotations_ends_the_session() {
    let (_, families, answer) = raced(3, |auth, _, token| {
        let login = use_token(auth, token, &[], START, 2).expect("tokens");
        assert!(use_token(auth, &refresh_token(&login), &[], START, 3).is_ok());
    });
    assert!(matches!(answer, Err(AuthError::InvalidRefreshToken)));
    assert!(families.lock().is_empty());
}

fn family(rotated: Timestamp) -> TokenFamily {
    TokenFamily {
        session_id: SessionId::new("session").unwrap(),
        owner: SessionOwner { user_kind: "User".into(), subject: Subject::new("johndoe").unwrap() },
        client_id: None,
        granted_scopes: GrantedScopes::All,
        created: START,
        current: TokenHash("current".to_owned()),
        rotated,
        previous: Some(PreviousToken { hash: TokenHash("previous".to_owned()), salt: "salt".to_owned() }),
    }
}

#[test]
fn grace_and_lifetimes_end_exactly() {
    let after = |seconds| START + Duration::from_secs(seconds);
    let status = |rotated, shown: &str, now| {
        let (family, shown) = (family(after(rotated)), TokenHash(shown.to_owned()));
        format!("{:?}", SETTINGS.status(&family, &shown, after(now)))
    };
    assert_eq!(status(5, "current", 14), "Current");
    assert_eq!(status(5, "current", 15), "Expired", "idle for ten seconds");
    assert_eq!(status(15, "current", 19), "Current");
    assert_eq!(status(15, "current", 20), "Expired", "twenty seconds after the sign-in");
    assert_eq!(status(5, "previous", 7), r#"Repeated("salt")"#);
    assert_eq!(status(5, "previous", 8), "Reused", "after three seconds of grace");
    assert_eq!(status(5, "older", 5), "Reused");
    assert_eq!(status(5, "older", 15), "Expired");
    // The clocks of two replicas differ: what another one made in our future is good.
    assert_eq!(
        (status(5, "current", 4), status(5, "previous", 4)),
        ("Current".into(), r#"Repeated("salt")"#.into())
    );
}
