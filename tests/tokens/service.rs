//! A service whose tokens are signed.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use futures_util::FutureExt;
use gatepass::{
    AccessToken, Auth, Claims, GrantedScopes, JwtSettings, JwtTokens, NewToken, RfcTokenApi,
    SigningAlgorithm, Timestamp, TokenService,
    app::{
        ops::Operations,
        server::{Routes, Service},
    },
    jwks,
};
use tempfile::TempDir;
use utoipa::OpenApi;

use crate::{
    ports::{AgeingHasher, Members},
    support::{
        http::{Reply, get, post_form},
        service::{PATIENCE, spawn_service},
    },
};

pub const ISSUER: &str = "https://auth.example.com";

/// The clock that the service looks at.
pub fn now() -> Timestamp {
    Timestamp::from_unix(SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs())
}

pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// Tokens, and the folder of their keys.
pub struct Tokens {
    pub tokens: JwtTokens,
    pub settings: JwtSettings,
    pub folder: TempDir,
}

impl Tokens {
    pub fn open(algorithm: SigningAlgorithm, now: Timestamp) -> Self {
        Self::open_with(now, |settings| settings.algorithm = algorithm)
    }

    pub fn open_with(now: Timestamp, change: impl FnOnce(&mut JwtSettings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = JwtSettings::new(folder.path().join("keys"), ISSUER);
        change(&mut settings);
        let tokens = JwtTokens::open(settings.clone(), now).expect("the keys are right");
        Self { tokens, settings, folder }
    }

    pub fn keys_dir(&self) -> &PathBuf {
        &self.settings.keys_dir
    }
}

/// A token for member 1.
pub fn issue(tokens: &JwtTokens, now: Timestamp) -> String {
    let order = NewToken {
        subject: 1_u64.into(),
        granted_scopes: GrantedScopes::All,
        client_id: None,
        session_id: None,
        now,
    };
    let issued = tokens.issue(&order).now_or_never().expect("no waiting").expect("a token");
    issued.access_token.expose().to_owned()
}

pub fn verify(tokens: &impl TokenService, token: &str, now: Timestamp) -> Option<Claims> {
    let verified = tokens.verify(&AccessToken::from(token), now).now_or_never().expect("no waiting");
    verified.expect("no fault")
}

/// Serves POST /token, GET /users/me and the keys, with the members of the tests.
pub fn serve(tokens: &JwtTokens) -> SocketAddr {
    let keys = jwks::routes(Arc::new(tokens.clone()));
    let routes: Routes = Arc::new(move |config| {
        config.configure(keys.clone());
    });
    let auth =
        Auth::builder(Members::default()).hasher(AgeingHasher::default()).tokens(tokens.clone()).build();
    let (document, operations) = (RfcTokenApi::openapi(), Operations::default());
    spawn_service(Service { auth, document, profile: "secure", routes, operations })
}

pub fn sign_in(address: SocketAddr) -> String {
    let reply = post_form("/token", "username=johndoe@example.com&password=secret").send(address);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

pub fn users_me(address: SocketAddr, token: &str) -> Reply {
    get("/users/me").bearer(token).send(address)
}

/// Asks until there is an answer, for as long as a test may take.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(answer) = ask() {
            return answer;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("in vain: {what}");
}
