//! Refreshing: a refresh token becomes an access token and the next refresh token
//! ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).

use std::{sync::Arc, time::Duration};

use crate::{
    auth::{
        Auth, GrantError, Login,
        any::AnyRefreshTokenStore,
        refresh_token::{self, TokenParts},
    },
    domain::{
        backend_error::BackendError,
        client::ClientId,
        event::{Event, EventKind},
        ports::{NewToken, TokenService, UserStore},
        refresh::{TokenFamily, TokenHash},
        scope::{GrantedScopes, Scope},
        secret::RefreshToken,
        session::{ClientInfo, Rotation},
        time::Timestamp,
        user::AuthUser,
    },
};

/// Who gets a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "service", derive(clap::ValueEnum))]
pub enum RefreshTokens {
    /// Who asks for the scope offline_access
    OnRequest,
    /// Everybody who signs in
    Always,
    /// Nobody; those that are out can be revoked, and no more
    Never,
}

/// How long refresh tokens last, and who gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshSettings {
    /// Who gets one.
    pub issue: RefreshTokens,
    /// How long the token before the newest is still good, for the client that lost the answer: it gets the newest
    /// one once more. In whole seconds, as all durations here.
    pub grace: Duration,
    /// How long one lasts that is not used.
    pub idle: Duration,
    /// How long after the sign-in the last one ends, however often they are used.
    pub absolute: Duration,
}

impl Default for RefreshSettings {
    /// On request, 10 seconds, 14 days, 90 days.
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            issue: RefreshTokens::OnRequest,
            grace: Duration::from_secs(10),
            idle: Duration::from_secs(14 * DAY),
            absolute: Duration::from_secs(90 * DAY),
        }
    }
}

impl RefreshSettings {
    /// When a refresh token ends that is made at `now` for a session of this age.
    pub(super) fn end(&self, created: Timestamp, now: Timestamp) -> Timestamp {
        (now + self.idle).min(created + self.absolute)
    }
}

/// Who wants to go on, and with what.
#[derive(Debug)]
pub struct Refresh<'a> {
    /// The refresh token.
    pub token: &'a RefreshToken,
    /// The scopes asked for; none means all that the sign-in was granted.
    pub scopes: &'a [String],
    /// The client, once it proved itself.
    pub client_id: Option<ClientId>,
    /// Where the request came from.
    pub client_info: &'a ClientInfo,
    /// The moment of the request.
    pub now: Timestamp,
    /// Random bytes.
    pub random: [u8; 32],
}

pub(super) struct Refreshing {
    pub(super) store: Arc<dyn AnyRefreshTokenStore>,
    pub(super) settings: RefreshSettings,
}

/// What the token is that somebody showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// The newest one.
    Newest,
    /// The one before it, so soon that its answer may have been lost; the salt that the newest was made of.
    Repeated(&'a str),
    /// An older one, or one that was never given: somebody has it who should not.
    Reused,
    /// The family has ended by itself.
    Expired,
}

impl RefreshSettings {
    /// The rules of a family of refresh tokens.
    pub(super) fn judge<'a>(
        &self,
        family: &'a TokenFamily,
        shown: &TokenHash,
        now: Timestamp,
    ) -> Standing<'a> {
        if now >= self.end(family.created, family.rotated) {
            return Standing::Expired;
        }
        if *shown == family.newest {
            return Standing::Newest;
        }
        match &family.previous {
            Some(previous) if *shown == previous.hash && now < family.rotated + self.grace => {
                Standing::Repeated(&previous.salt)
            }
            _ => Standing::Reused,
        }
    }
}

impl<S: UserStore, H, T> Auth<S, H, T> {
    /// What refresh tokens are given and taken by, where they are.
    pub(super) fn refreshing(&self) -> Option<&Refreshing> {
        self.ports
            .options
            .refreshing
            .as_ref()
            .filter(|refreshing| refreshing.settings.issue != RefreshTokens::Never)
    }
}

/// How often a request begins again that others came before: each time one of them got the newest token.
const ATTEMPTS: usize = 4;

impl<S: UserStore, H, T: TokenService> Auth<S, H, T> {
    /// Goes on with a session: the refresh token grant. Its token is used up; the answer has the next one.
    ///
    /// Used a second time within [`RefreshSettings::grace`], it is answered with the same next one, so that a client
    /// that lost the answer goes on; later, its session is ended with all its tokens
    /// ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    ///
    /// # Errors
    /// [`GrantError::InvalidRefreshToken`] for a token that is unknown, has expired, was used before, or is another
    /// client's; [`GrantError::InactiveUser`]; [`GrantError::ScopeWidened`] and [`GrantError::ScopeNotGranted`] for
    /// scopes that the sign-in was not granted, or that the user has no more.
    pub async fn refresh(&self, refresh: Refresh<'_>) -> Result<Login, GrantError> {
        let done = self.go_on(&refresh).await;
        if let Err(GrantError::InvalidRefreshToken) = &done {
            self.tell(&Event {
                client_id: refresh.client_id.as_ref(),
                ..Event::new(EventKind::RefreshFailed, refresh.client_info, refresh.now)
            });
        }
        done
    }

    async fn go_on(&self, refresh: &Refresh<'_>) -> Result<Login, GrantError> {
        let Some(Refreshing { store, settings }) = self.refreshing() else {
            return Err(GrantError::InvalidRefreshToken);
        };
        let parts = TokenParts::of(refresh.token).ok_or(GrantError::InvalidRefreshToken)?;
        let (name, hash) = (parts.family_hash(), parts.hash());
        for _ in 0..ATTEMPTS {
            let family = store.find_family(&name).await?.ok_or(GrantError::InvalidRefreshToken)?;
            if family.client_id != refresh.client_id {
                return Err(GrantError::InvalidRefreshToken);
            }
            let (salt, is_due) = match settings.judge(&family, &hash, refresh.now) {
                Standing::Newest => (refresh_token::salt(&refresh.random), true),
                Standing::Repeated(salt) => (salt.to_owned(), false),
                Standing::Reused => {
                    self.end_reused(&family, refresh).await?;
                    return Err(GrantError::InvalidRefreshToken);
                }
                Standing::Expired => return Err(GrantError::InvalidRefreshToken),
            };
            let order = NewToken {
                granted_scopes: self.permission_to_refresh(&family, refresh.scopes).await?,
                subject: family.subject,
                client_id: family.client_id,
                session_id: Some(family.session_id),
                now: refresh.now,
            };
            let token = self.ports.tokens.issue(&order).await?;
            let next = parts.successor(&salt);
            let end = settings.end(family.created, refresh.now);
            let rotation = Rotation {
                family: &name,
                from: &hash,
                to: &next.hash,
                salt: &salt,
                client_info: refresh.client_info,
                now: refresh.now,
                expires_at: token.expires_in.map(|lifetime| end.max(refresh.now + lifetime)),
            };
            if is_due && !store.rotate(&rotation).await? {
                continue;
            }
            self.tell(&Event {
                subject: Some(&order.subject),
                client_id: order.client_id.as_ref(),
                session_id: order.session_id.as_ref(),
                ..Event::new(EventKind::Refreshed, refresh.client_info, refresh.now)
            });
            return Ok(Login {
                token,
                granted_scopes: order.granted_scopes,
                refresh_token: Some(next.token),
            });
        }
        Err(BackendError::unavailable("a refresh token is used by too many at once").into())
    }

    /// The user has the token and somebody else has one of the same family, and nobody knows which is which.
    async fn end_reused(&self, family: &TokenFamily, refresh: &Refresh<'_>) -> Result<(), BackendError> {
        log::warn!("a refresh token of {} was used again: its session is ended", family.subject);
        if let Some(sessions) = &self.ports.options.sessions {
            sessions.end(&family.subject, &family.session_id, refresh.now).await?;
        }
        self.tell(&Event {
            subject: Some(&family.subject),
            client_id: family.client_id.as_ref(),
            session_id: Some(&family.session_id),
            ..Event::new(EventKind::RefreshTokenReused, refresh.client_info, refresh.now)
        });
        Ok(())
    }

    async fn permission_to_refresh(
        &self,
        family: &TokenFamily,
        wanted: &[String],
    ) -> Result<GrantedScopes, GrantError> {
        let user = self.ports.store.find_by_subject(&family.subject).await?;
        let user = user.ok_or(GrantError::InvalidRefreshToken)?;
        if !user.is_active() {
            return Err(GrantError::InactiveUser);
        }
        if !family.granted_scopes.covers(&wanted.iter().map(String::as_str).collect::<Vec<_>>()) {
            return Err(GrantError::ScopeWidened);
        }
        still_granted(family, &user).grant(wanted).ok_or(GrantError::ScopeNotGranted)
    }
}

/// What the sign-in was granted, as far as the user has it now. Everybody has [`Scope::OFFLINE_ACCESS`].
pub(super) fn still_granted(family: &TokenFamily, user: &impl AuthUser) -> GrantedScopes {
    family.granted_scopes.limited_to(&user.allowed_scopes().with(Scope::offline_access()))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Mutex, MutexGuard},
    };

    use futures_util::FutureExt;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        auth::{Recognised, SignIn},
        domain::{
            claims::Claims,
            ports::{IssuedToken, PasswordCheck, PasswordHasher},
            refresh::Previous,
            secret::{AccessToken, Password, PasswordHash},
            session::{NewSession, RefreshTokenStore, Session, SessionId, SessionStore},
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

    /// The families by their names, in memory. Clones share them.
    #[derive(Clone, Default)]
    struct Families {
        by_name: Arc<Mutex<Vec<(TokenHash, TokenFamily)>>>,
        /// What somebody else does just before the next rotation.
        meanwhile: Arc<Mutex<Option<Work>>>,
    }

    impl Families {
        fn lock(&self) -> MutexGuard<'_, Vec<(TokenHash, TokenFamily)>> {
            self.by_name.lock().unwrap()
        }

        /// The same ones, for what is to have no effect here.
        fn fork(&self) -> Self {
            Self { by_name: Arc::new(Mutex::new(self.lock().clone())), meanwhile: Arc::default() }
        }

        fn meanwhile(&self, work: impl FnOnce() + Send + 'static) {
            *self.meanwhile.lock().unwrap() = Some(Box::new(work));
        }
    }

    impl SessionStore for Families {
        async fn begin(&self, session: &NewSession<'_>) -> Result<bool, BackendError> {
            let (name, first) = session.refresh_token.expect("every session has refresh tokens here");
            let family = TokenFamily {
                session_id: session.id.clone(),
                subject: session.subject.clone(),
                client_id: session.client_id.cloned(),
                granted_scopes: session.granted_scopes.clone(),
                created: session.now,
                newest: first.clone(),
                rotated: session.now,
                previous: None,
            };
            self.lock().push((name.clone(), family));
            Ok(true)
        }

        async fn is_live(&self, claims: &Claims) -> Result<bool, BackendError> {
            Ok(self.lock().iter().any(|(_, family)| Some(&family.session_id) == claims.session_id.as_ref()))
        }

        async fn revoke(&self, _: &Claims, _: Timestamp) -> Result<bool, BackendError> {
            unreachable!()
        }

        async fn list(&self, _: &Subject, _: Timestamp) -> Result<Vec<Session>, BackendError> {
            unreachable!("no session is listed here")
        }

        async fn end(&self, subject: &Subject, id: &SessionId, _: Timestamp) -> Result<bool, BackendError> {
            let is_it = |family: &TokenFamily| family.subject == *subject && family.session_id == *id;
            Ok(self.lock().extract_if(.., |(_, family)| is_it(family)).count() > 0)
        }

        async fn end_all(&self, _: &Subject, _: Timestamp) -> Result<(), BackendError> {
            unreachable!("no user ends everything here")
        }
    }

    impl RefreshTokenStore for Families {
        async fn find_family(&self, name: &TokenHash) -> Result<Option<TokenFamily>, BackendError> {
            Ok(self.lock().iter().find(|(own, _)| own == name).map(|(_, family)| family.clone()))
        }

        async fn rotate(&self, rotation: &Rotation<'_>) -> Result<bool, BackendError> {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            meanwhile.into_iter().for_each(|work| work());
            let mut families = self.lock();
            let is_it = |(name, family): &&mut (TokenHash, TokenFamily)| {
                name == rotation.family && family.newest == *rotation.from
            };
            let Some((_, family)) = families.iter_mut().find(is_it) else { return Ok(false) };
            let hash = std::mem::replace(&mut family.newest, rotation.to.clone());
            family.previous = Some(Previous { hash, salt: rotation.salt.to_owned() });
            family.rotated = rotation.now;
            Ok(true)
        }
    }

    /// One user, who has these scopes now.
    #[derive(Clone)]
    struct OneUser(Arc<Mutex<GrantedScopes>>);

    #[derive(Clone)]
    struct User(GrantedScopes);

    impl AuthUser for User {
        fn subject(&self) -> Subject {
            "johndoe".into()
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

    /// Every password is right.
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

    /// An access token is the name of its session.
    struct SessionTokens;

    impl TokenService for SessionTokens {
        async fn issue(&self, order: &NewToken) -> Result<IssuedToken, BackendError> {
            let session = order.session_id.as_ref().expect("a session").as_str();
            Ok(IssuedToken { access_token: session.into(), expires_in: Some(Duration::from_secs(900)) })
        }

        async fn verify(&self, token: &AccessToken, _: Timestamp) -> Result<Option<Claims>, BackendError> {
            let session_id = Some(token.expose().into());
            Ok(Some(Claims { session_id, ..Claims::new("johndoe".into(), GrantedScopes::All) }))
        }
    }

    type TestAuth = Auth<OneUser, AnyPassword, SessionTokens>;

    fn auth_with(user: &OneUser, families: &Families, settings: RefreshSettings) -> TestAuth {
        Auth::builder(user.clone())
            .hasher(AnyPassword("dummy_hash".into()))
            .tokens(SessionTokens)
            .refresh_tokens(families.clone(), settings)
            .build()
    }

    fn granted_scopes(scopes: &BTreeSet<&str>) -> GrantedScopes {
        GrantedScopes::Only(scopes.iter().map(|scope| scope.parse().unwrap()).collect())
    }

    fn scopes(granted_scopes: &GrantedScopes) -> BTreeSet<String> {
        let GrantedScopes::Only(scopes) = granted_scopes else { panic!("the user has scopes") };
        scopes.iter().map(ToString::to_string).collect()
    }

    fn sign_in(auth: &TestAuth, scopes: &[String]) -> Result<Login, GrantError> {
        let sign_in = SignIn {
            username: &"johndoe".into(),
            password: &"secret".into(),
            scopes,
            client_id: None,
            client_info: &ClientInfo::default(),
            now: START,
            random: [0xff; 32],
        };
        auth.login(sign_in).now_or_never().expect("no waiting")
    }

    fn use_token(
        auth: &TestAuth,
        token: &str,
        scopes: &[String],
        now: Timestamp,
        random: u8,
    ) -> Result<Login, GrantError> {
        let (token, client_info) = (RefreshToken::from(token), ClientInfo::default());
        let random = [random; 32];
        let refresh =
            Refresh { token: &token, scopes, client_id: None, client_info: &client_info, now, random };
        auth.refresh(refresh).now_or_never().expect("no waiting")
    }

    fn refresh_token(login: &Login) -> String {
        login.refresh_token.as_ref().expect("a refresh token").expose().to_owned()
    }

    /// A family as the rules have it.
    struct Model {
        /// Every token that was answered, the newest one last.
        tokens: Vec<String>,
        granted: BTreeSet<String>,
        rotated: Timestamp,
        is_ended: bool,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Newest(Vec<String>),
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
            16 => wanted().prop_map(Step::Newest),
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
        fn newest(&self) -> &str {
            self.tokens.last().unwrap()
        }

        fn is_expired(&self, now: Timestamp) -> bool {
            now >= self.rotated + SETTINGS.idle || now >= START + SETTINGS.absolute
        }

        /// Asserts that a good token was answered as one, with these scopes, or refused for them.
        fn check_scopes(
            &self,
            answer: Result<Login, GrantError>,
            wanted: &[String],
            has: &BTreeSet<String>,
        ) -> Result<Option<Login>, TestCaseError> {
            let asked: BTreeSet<_> = wanted.iter().cloned().collect();
            let now: BTreeSet<_> = self.granted.intersection(has).cloned().collect();
            let granted = if wanted.is_empty() { now } else { now.intersection(&asked).cloned().collect() };
            match answer {
                Ok(login) => {
                    prop_assert!(asked.is_subset(&self.granted), "widened to {:?}", login.granted_scopes);
                    prop_assert_eq!(scopes(&login.granted_scopes), granted);
                    Ok(Some(login))
                }
                Err(GrantError::ScopeWidened) => {
                    prop_assert!(!asked.is_subset(&self.granted));
                    Ok(None)
                }
                Err(GrantError::ScopeNotGranted) => {
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
        fn a_family_lives_by_the_rules(asked in wanted(), steps in vec(step(), 1..60)) {
            let user = OneUser(Arc::new(Mutex::new(granted_scopes(&["a", "b"].into()))));
            let families = Families::default();
            let auth = auth_with(&user, &families, SETTINGS);
            let Ok(login) = sign_in(&auth, &asked) else {
                // It asked for nothing that the user has.
                return Ok(());
            };
            let access_token = login.token.access_token.clone();
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
                    Step::Newest(wanted) => {
                        let answer = use_one(model.newest(), &wanted);
                        if is_good {
                            if let Some(login) = model.check_scopes(answer, &wanted, &has)? {
                                let next = refresh_token(&login);
                                prop_assert!(!model.tokens.contains(&next), "a token comes again");
                                model.tokens.push(next);
                                model.rotated = now;
                            }
                        } else {
                            prop_assert!(matches!(answer, Err(GrantError::InvalidRefreshToken)));
                        }
                    }
                    Step::Previous(wanted) => {
                        let Some(position) = model.tokens.len().checked_sub(2) else { continue };
                        let answer = use_one(&model.tokens[position], &wanted);
                        if is_good && now < model.rotated + SETTINGS.grace {
                            if let Some(login) = model.check_scopes(answer, &wanted, &has)? {
                                prop_assert_eq!(refresh_token(&login), model.newest());
                            }
                        } else {
                            prop_assert!(matches!(answer, Err(GrantError::InvalidRefreshToken)));
                            model.is_ended |= is_good;
                        }
                    }
                    Step::Older(index) => {
                        let Some(count @ 1..) = model.tokens.len().checked_sub(2) else { continue };
                        let answer = use_one(&model.tokens[index.index(count)], &[]);
                        prop_assert!(matches!(answer, Err(GrantError::InvalidRefreshToken)));
                        model.is_ended |= is_good;
                    }
                    Step::Forged => {
                        let forged = format!("{}{}", &model.newest()[..43], "x".repeat(43));
                        prop_assert!(matches!(use_one(&forged, &[]), Err(GrantError::InvalidRefreshToken)));
                        model.is_ended |= is_good;
                    }
                    Step::Foreign => {
                        let foreign = format!("{}{}", "x".repeat(43), &model.newest()[43..]);
                        prop_assert!(matches!(use_one(&foreign, &[]), Err(GrantError::InvalidRefreshToken)));
                    }
                    Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                    Step::Grant(scopes) => *user.0.lock().unwrap() = granted_scopes(&scopes),
                }

                prop_assert_eq!(families.lock().is_empty(), model.is_ended);
                let bearer = auth.recognise(&access_token, now).now_or_never().expect("no waiting").unwrap();
                prop_assert_eq!(matches!(bearer, Recognised::Nobody), model.is_ended, "the access token");
                // Whatever is good once the grace is over: the newest token at the most, each tried by itself.
                let later = now.max(model.rotated + SETTINGS.grace);
                let is_good = !model.is_ended && !model.is_expired(later);
                for token in &model.tokens {
                    let alone = auth_with(&user, &families.fork(), SETTINGS);
                    let answer = use_token(&alone, token, &[], later, 0xfe);
                    prop_assert_eq!(answer.is_ok(), is_good && token == model.newest());
                }
            }
        }
    }

    /// Signs in, and uses the first token while `meanwhile` uses it too, or does something else.
    fn raced(
        grace: u64,
        meanwhile: impl FnOnce(&TestAuth, &Families, &str) + Send + 'static,
    ) -> (TestAuth, Families, Result<Login, GrantError>) {
        let user = OneUser(Arc::new(Mutex::new(granted_scopes(&["a", "b"].into()))));
        let (families, grace) = (Families::default(), Duration::from_secs(grace));
        let auth = auth_with(&user, &families, RefreshSettings { grace, ..SETTINGS });
        let first = refresh_token(&sign_in(&auth, &[]).expect("tokens"));
        let (other, all, token) = (auth.clone(), families.clone(), first.clone());
        families.meanwhile(move || meanwhile(&other, &all, &token));
        let answer = use_token(&auth, &first, &[], START, 1);
        (auth, families, answer)
    }

    #[test]
    fn who_comes_second_gets_the_same_token() {
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
    fn without_a_grace_who_comes_second_ends_the_family() {
        let (_, families, answer) = raced(0, |auth, _, token| {
            assert!(use_token(auth, token, &[], START, 2).is_ok());
        });
        assert!(matches!(answer, Err(GrantError::InvalidRefreshToken)));
        assert!(families.lock().is_empty());
    }

    #[test]
    fn a_session_that_ends_meanwhile_gets_no_token() {
        let (_, _, answer) = raced(3, |_, families, _| families.lock().clear());
        assert!(matches!(answer, Err(GrantError::InvalidRefreshToken)));
    }

    #[test]
    fn who_comes_second_after_two_others_ends_the_family() {
        let (_, families, answer) = raced(3, |auth, _, token| {
            let login = use_token(auth, token, &[], START, 2).expect("tokens");
            assert!(use_token(auth, &refresh_token(&login), &[], START, 3).is_ok());
        });
        assert!(matches!(answer, Err(GrantError::InvalidRefreshToken)));
        assert!(families.lock().is_empty());
    }

    fn family(rotated: Timestamp) -> TokenFamily {
        TokenFamily {
            session_id: "session".into(),
            subject: "johndoe".into(),
            client_id: None,
            granted_scopes: GrantedScopes::All,
            created: START,
            newest: "newest".into(),
            rotated,
            previous: Some(Previous { hash: "previous".into(), salt: "salt".to_owned() }),
        }
    }

    #[test]
    fn grace_and_lifetimes_end_on_the_second() {
        let after = |seconds| START + Duration::from_secs(seconds);
        let judge = |rotated, shown: &str, now| {
            let (family, shown) = (family(after(rotated)), TokenHash::from(shown));
            format!("{:?}", SETTINGS.judge(&family, &shown, after(now)))
        };
        assert_eq!(judge(5, "newest", 14), "Newest");
        assert_eq!(judge(5, "newest", 15), "Expired", "idle for ten seconds");
        assert_eq!(judge(15, "newest", 19), "Newest");
        assert_eq!(judge(15, "newest", 20), "Expired", "twenty seconds after the sign-in");
        assert_eq!(judge(5, "previous", 7), r#"Repeated("salt")"#);
        assert_eq!(judge(5, "previous", 8), "Reused", "after three seconds of grace");
        assert_eq!(judge(5, "older", 5), "Reused");
        assert_eq!(judge(5, "older", 15), "Expired");
        // The clocks of two replicas differ: what another one made in our future is good.
        assert_eq!(
            (judge(5, "newest", 4), judge(5, "previous", 4)),
            ("Newest".into(), r#"Repeated("salt")"#.into())
        );
    }
}
