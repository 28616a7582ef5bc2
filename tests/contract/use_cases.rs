//! Use cases of an application with its own user table and with sessions in a database.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use gatepass::{
    AccessToken, Account, Auth, AuthError, BackendError, ClientInfo, Password, PasswordCheck, PasswordHash,
    PasswordHasher, PasswordPolicy, RefreshToken, Subject,
    auth::{AuthBuilder, Authentication, ExternalSignIn, PasswordChange, SignIn},
    cache::TokenCache,
    error::WeakPassword,
    events::{Event, EventKind, EventListener},
    jwt::JwtTokens,
    sql::{Database, SqlSessions},
};

use crate::support::{
    doubles::{AgingHasher, Member, Members},
    folder::Folder,
};

/// A listener that records the kind and the subject of each event.
#[derive(Default)]
struct Events(Mutex<Vec<(EventKind, Option<Subject>)>>);

impl Events {
    fn last(&self) -> (EventKind, Option<Subject>) {
        self.0.lock().unwrap().last().expect("an event").clone()
    }
}

impl EventListener for Events {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push((event.kind, event.subject.cloned()));
    }
}

async fn builder(folder: &Folder) -> AuthBuilder<Members> {
    let database = open(folder).await;
    // The database becomes unavailable after the first password change.
    let members = Members::default().closing_after_password_change(database.clone());
    builder_for(members, database, folder)
}

async fn open(folder: &Folder) -> Database {
    Database::open(&format!("sqlite:{}", folder.file("sessions.db"))).await.unwrap()
}

fn builder_for(members: Members, database: Database, folder: &Folder) -> AuthBuilder<Members> {
    Auth::builder(members)
        .passwords(AgingHasher::default())
        .tokens(JwtTokens::open(folder.path().join("keys"), "https://auth.example.com").unwrap())
        .sessions(SqlSessions::new(database))
        .token_cache(Arc::new(TokenCache::new(NonZeroUsize::new(10).unwrap())))
}

async fn sign_in(auth: &Auth<Member>, scopes: &[String]) -> (AccessToken, Option<RefreshToken>) {
    let (username, password) = ("johndoe@example.com", &"secret".into());
    let client_info = &ClientInfo::default();
    let sign_in = SignIn { username, password, scopes, audiences: &[], client: None, client_info };
    let tokens = auth.sign_in(sign_in).await.unwrap().tokens;
    // This lookup caches the token.
    let _ = member(auth, &tokens.access_token).await.expect("a valid token");
    (tokens.access_token, tokens.refresh_token)
}

async fn member(auth: &Auth<Member>, token: &AccessToken) -> Option<Member> {
    match auth.authenticate(token).await.unwrap() {
        Authentication::Valid(user) => Some(user.user.clone()),
        _ => None,
    }
}

#[actix_web::test]
async fn ended_session_is_removed_from_the_token_cache_without_a_change_feed() {
    let folder = Folder::create();
    let auth = builder(&folder).await.build().unwrap();
    let (subject, client_info) = (Subject::from(1_u64), &ClientInfo::default());

    let (token, _) = sign_in(&auth, &[]).await;
    auth.revoke(token.expose(), None, client_info).await.unwrap();
    assert_eq!(member(&auth, &token).await, None, "a revoked access token should be refused");

    let (token, refresh_token) = sign_in(&auth, &["offline_access".into()]).await;
    auth.revoke(refresh_token.expect("a refresh token").expose(), None, client_info).await.unwrap();
    assert_eq!(
        member(&auth, &token).await,
        None,
        "the access token should be refused after its refresh token was revoked"
    );

    let (token, _) = sign_in(&auth, &[]).await;
    for session in auth.sessions(&subject).await.unwrap() {
        assert!(auth.end_session(&subject, &session.id, client_info).await.unwrap());
    }
    assert_eq!(member(&auth, &token).await, None, "the access token of an ended session should be refused");

    let (token, _) = sign_in(&auth, &[]).await;
    auth.end_all_sessions(&subject, client_info).await.unwrap();
    assert_eq!(
        member(&auth, &token).await,
        None,
        "the access token should be refused after all sessions have ended"
    );
}

#[actix_web::test]
async fn password_change_ends_sessions_and_emits_an_event_even_if_the_database_fails_halfway() {
    let folder = Folder::create();
    let events = Arc::new(Events::default());
    let auth = builder(&folder).await.password_changes().listener(events.clone()).build().unwrap();
    let (token, _) = sign_in(&auth, &[]).await;
    let user = &member(&auth, &token).await.unwrap();
    let (current, new) = (&"secret".into(), &"purple teapots swim north".into());
    let client_info = &ClientInfo::default();
    let change = PasswordChange { user, current, new, client_info };
    assert!(
        auth.change_password(change).await.is_err(),
        "the change should fail when it ends the sessions again"
    );

    assert_eq!(events.last(), (EventKind::PasswordChanged, Some(1.into())));
    let auth = builder(&folder).await.build().unwrap();
    assert_eq!(member(&auth, &token).await, None, "the session should have ended before the change");
}

/// A policy that accepts every password.
struct NoRules;

impl PasswordPolicy for NoRules {
    async fn check(&self, _: &Password, _: &[&str]) -> Result<Result<(), WeakPassword>, BackendError> {
        Ok(Ok(()))
    }
}

#[actix_web::test]
async fn password_with_an_unsupported_length_is_weak_under_any_policy() {
    let folder = Folder::create();
    let auth = builder(&folder).await.password_policy(NoRules).build().unwrap();
    for (length, expected) in [(0, WeakPassword::TooShort { minimum: 1 }), (1025, WeakPassword::TooLong)] {
        let result = auth.hash_password(&"x".repeat(length).into(), &[]).await;
        assert!(
            matches!(result, Err(AuthError::WeakPassword(reason)) if reason == expected),
            "{length} bytes"
        );
    }
    assert!(auth.hash_password(&"x".into(), &[]).await.is_ok());
}

#[actix_web::test]
async fn external_sign_in_opens_a_session_only_for_an_active_user() {
    let folder = Folder::create();
    let events = Arc::new(Events::default());
    let auth = builder(&folder).await.password_grant(false).listener(events.clone()).build().unwrap();
    let client_info = &ClientInfo::default();
    let sign_in = async |id: u64, scopes: &[String]| {
        let subject = &Subject::from(id);
        let sign_in = ExternalSignIn { subject, scopes, audiences: &[], client: None, client_info };
        auth.sign_in_external(sign_in).await
    };

    let tokens = sign_in(1, &["offline_access".into()]).await.unwrap().tokens;
    assert!(tokens.refresh_token.is_some());
    assert_eq!(member(&auth, &tokens.access_token).await.unwrap().id, 1);
    assert_eq!(events.last(), (EventKind::SignedIn, Some(1.into())));
    auth.end_all_sessions(&Subject::from(1_u64), client_info).await.unwrap();
    assert_eq!(
        member(&auth, &tokens.access_token).await,
        None,
        "the access token of an ended session should be refused"
    );

    assert!(
        matches!(sign_in(2, &[]).await, Err(AuthError::InactiveUser)),
        "a suspended user should not be able to sign in"
    );
    assert!(
        matches!(sign_in(3, &[]).await, Err(AuthError::InvalidCredentials)),
        "an unknown user should not be able to sign in"
    );
}

#[actix_web::test]
async fn event_for_a_revoked_access_token_names_its_user() {
    let folder = Folder::create();
    let events = Arc::new(Events::default());
    let auth = builder(&folder).await.listener(events.clone()).build().unwrap();
    let (access_token, _) = sign_in(&auth, &[]).await;
    auth.revoke(access_token.expose(), None, &ClientInfo::default()).await.unwrap();
    assert_eq!(events.last(), (EventKind::TokenRevoked, Some(1.into())));
    assert_eq!(member(&auth, &access_token).await, None);
}

#[actix_web::test]
async fn introspection_of_a_token_of_an_inactive_user_returns_none() {
    let folder = Folder::create();
    let auth = builder(&folder).await.inactive_users_sign_in(true).build().unwrap();
    for (username, password, is_active) in
        [("johndoe@example.com", "secret", true), ("alice@example.com", "secret2", false)]
    {
        let (password, client_info) = (&password.into(), &ClientInfo::default());
        let sign_in = SignIn { username, password, scopes: &[], audiences: &[], client: None, client_info };
        let tokens = auth.sign_in(sign_in).await.unwrap().tokens;
        let introspection = auth.introspect(tokens.access_token.expose()).await.unwrap();
        assert_eq!(introspection.is_some(), is_active, "{username}");
    }
}

type Change = fn(&mut Account<Member>);

/// A hasher that changes johndoe's account during the first verification.
struct Changing {
    hasher: AgingHasher,
    members: Members,
    change: Mutex<Option<Change>>,
}

impl PasswordHasher for Changing {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
        self.hasher.hash(password).await
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
        if let Some(change) = self.change.lock().unwrap().take() {
            self.members.change(1, change);
        }
        self.hasher.verify(password, hash).await
    }

    fn dummy_hash(&self) -> &PasswordHash {
        self.hasher.dummy_hash()
    }
}

#[actix_web::test]
async fn account_that_changes_while_its_password_is_verified_is_verified_again() {
    let changes: [(Change, Option<u64>); 4] = [
        (|_| {}, Some(1)),
        (|account| account.password_hash = "new:another".into(), None),
        (|account| account.user.suspended = true, None),
        (|account| account.user.id = 3, Some(3)),
    ];
    for (number, (change, expected)) in changes.into_iter().enumerate() {
        let (folder, members) = (Folder::create(), Members::default());
        let change = Mutex::new(Some(change));
        let hasher = Changing { hasher: AgingHasher::default(), members: members.clone(), change };
        let auth = builder_for(members, open(&folder).await, &folder).passwords(hasher).build().unwrap();
        let (username, password) = ("johndoe@example.com", &"secret".into());
        let client_info = &ClientInfo::default();
        let sign_in = SignIn { username, password, scopes: &[], audiences: &[], client: None, client_info };
        let signed_in = auth.sign_in(sign_in).await;
        assert_eq!(signed_in.ok().map(|signed_in| signed_in.user.id), expected, "change {number}");
    }
}
