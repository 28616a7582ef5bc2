//! A service that issues signed tokens, and helpers to issue and verify them.

use std::{net::SocketAddr, path::PathBuf, time::SystemTime};

use futures_util::FutureExt;
use gatepass::{
    AccessToken, Auth, AuthUser, Claims, GrantedScopes, NewToken, Timestamp, TokenIssuer, TokenVerifier,
    jwt::{JwtSettings, JwtTokens, KeyDirectory, SigningAlgorithm, SigningKeys},
};
use serde_json::Map;
use tempfile::TempDir;

use crate::support::{
    doubles::{AgingHasher, Member, Members},
    http::{Reply, get, post_form},
    service::spawn,
};

pub const ISSUER: &str = "https://auth.example.com";

/// Returns the current time in whole seconds.
pub fn now() -> Timestamp {
    Timestamp::from_unix(SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs())
}

pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// Tokens and their key directory, which is in a temporary folder.
pub struct Tokens {
    pub tokens: JwtTokens,
    pub settings: JwtSettings,
    pub keys_dir: PathBuf,
    pub folder: TempDir,
}

impl Tokens {
    pub fn open(algorithm: SigningAlgorithm, now: Timestamp) -> Self {
        Self::open_with(now, |settings| settings.algorithm = Some(algorithm))
    }

    pub fn open_with(now: Timestamp, change: impl FnOnce(&mut JwtSettings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys_dir = folder.path().join("keys");
        let mut settings = JwtSettings::new(SigningKeys::directory(&keys_dir), ISSUER);
        change(&mut settings);
        let tokens = JwtTokens::open_at(settings.clone(), now).expect("usable keys");
        Self { tokens, settings, keys_dir, folder }
    }

    /// Opens another issuer with the same key directory.
    pub fn reopen(&self) -> JwtTokens {
        JwtTokens::open_at(self.settings.clone(), at(1000)).expect("usable keys")
    }

    pub fn keys(&self) -> KeyDirectory {
        KeyDirectory::new(&self.keys_dir, &self.settings)
    }
}

/// Returns the parameters of a new token for member 1.
pub fn new_token(now: Timestamp) -> NewToken {
    NewToken {
        subject: 1_u64.into(),
        user_kind: Member::user_kind(),
        granted_scopes: GrantedScopes::All,
        client_id: None,
        audiences: Vec::new(),
        session_id: None,
        sequence: None,
        extra_claims: Map::new(),
        now,
    }
}

pub fn issue(tokens: &JwtTokens, now: Timestamp) -> String {
    let issued = tokens.issue(&new_token(now)).now_or_never().expect("no waiting").expect("a token");
    issued.access_token.expose().to_owned()
}

/// Returns the published key set.
pub fn key_set(tokens: &JwtTokens, now: Timestamp) -> String {
    tokens.key_set(now).expect("no failure").expect("public keys").json
}

pub fn verify(tokens: &impl TokenVerifier, token: &str, now: Timestamp) -> Option<Claims> {
    let verified = tokens.verify(&AccessToken::from(token), now).now_or_never().expect("no waiting");
    verified.expect("no failure")
}

/// Serves POST /token, GET /users/me and the key set, with the default users of [`Members`].
pub fn serve(tokens: &JwtTokens) -> SocketAddr {
    let auth = Auth::builder(Members::default()).passwords(AgingHasher::default()).tokens(tokens.clone());
    let auth = auth.build().expect("compatible options");
    let document = auth.openapi();
    spawn(auth, document)
}

pub fn sign_in(address: SocketAddr) -> String {
    let reply = post_form("/token", "username=johndoe@example.com&password=secret").send(address);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

pub fn users_me(address: SocketAddr, token: &str) -> Reply {
    get("/users/me").bearer(token).send(address)
}
