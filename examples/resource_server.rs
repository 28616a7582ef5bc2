//! A resource server: an API without users or passwords that verifies the access tokens of a running Gatepass offline.
//! Try it: gatepass users add johndoe --scopes items:read && gatepass serve --profile secure
//! cargo run --example resource_server
//! curl -H "Authorization: Bearer $ACCESS_TOKEN" http://127.0.0.1:8002/items
use actix_web::http::header::{CacheControl, CacheDirective};
use actix_web::rt::{self, time};
use actix_web::{App, HttpMessage, HttpServer, get, web};
use gatepass::{
    Account, ActiveUser, Auth, AuthUser, BackendError, GrantedScopes, PasswordHash,
    jwt::RemoteJwtVerifier,
};
use gatepass::{RequiredScopes, Subject, UserStore, Username};
use serde_json::{Value, json};
use std::{env, error::Error, time::Duration};

/// The minimum time between two fetches, even if many tokens have an unknown kid.
const PAUSE: Duration = Duration::from_secs(5);
/// The maximum time for which keys are cached, even if `max-age` is longer.
const MAX_CACHED: Duration = Duration::from_secs(3600);
/// The maximum difference between the clocks of the two services.
const LEEWAY: Duration = Duration::from_secs(5);

/// The user that a token was issued to.
#[derive(Clone)]
struct Caller(Subject);
impl AuthUser for Caller {
    fn subject(&self) -> Subject {
        self.0.clone()
    }
    fn is_active(&self) -> bool {
        true
    }
    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All // the scopes of the token alone decide
    }
    fn user_kind() -> &'static str {
        "User" // the kind in tokens of the gatepass program
    }
}

/// Accepts every subject. An application with a user table looks the user up here.
struct Callers;
impl UserStore for Callers {
    type User = Caller;
    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Caller>, BackendError> {
        Ok(Some(Caller(subject.clone())))
    }
    async fn find_by_username(
        &self,
        _: &Username,
    ) -> Result<Option<Account<Caller>>, BackendError> {
        Ok(None) // this application has no sign-in
    }
    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), BackendError> {
        Ok(())
    }
}

struct ReadItems;
impl RequiredScopes for ReadItems {
    const SCOPES: &'static [&'static str] = &["items:read"];
}

#[get("/items")]
async fn items(caller: ActiveUser<Caller, ReadItems>) -> web::Json<Value> {
    let scopes: Vec<_> = match caller.granted_scopes() {
        GrantedScopes::Only(scopes) => scopes.iter().map(|scope| scope.as_str()).collect(),
        GrantedScopes::All => Vec::new(), // the issuer does not use scopes
    };
    web::Json(json!({ "subject": caller.subject().as_str(), "scopes": scopes }))
}

/// Fetches the keys: now, when they expire, and when a token has an unknown key. While the issuer is unreachable, the
/// known keys stay in use.
async fn refresh_keys(tokens: RemoteJwtVerifier, url: String) {
    // For https, enable awc's feature rustls-0_23-webpki-roots.
    let client = awc::Client::default();
    loop {
        let fresh_for = fetch_keys(&tokens, &client, &url)
            .await
            .unwrap_or_else(|error| {
                eprintln!("{url}: {error}");
                Duration::ZERO
            });
        time::sleep(PAUSE).await;
        let _ = time::timeout(fresh_for.saturating_sub(PAUSE), tokens.unknown_key()).await;
    }
}

/// Fetches the keys and returns how long they may be cached.
async fn fetch_keys(
    tokens: &RemoteJwtVerifier,
    client: &awc::Client,
    url: &str,
) -> Result<Duration, Box<dyn Error>> {
    let mut response = client.get(url).send().await?;
    if !response.status().is_success() {
        return Err(response.status().to_string().into());
    }
    tokens.set_keys(response.body().await?)?;
    let directives = response
        .get_header()
        .map_or(Vec::new(), |CacheControl(directives)| directives);
    let max_age = directives.iter().find_map(|directive| match directive {
        CacheDirective::MaxAge(seconds) => Some(Duration::from_secs(u64::from(*seconds))),
        _ => None,
    });
    Ok(max_age.unwrap_or_default().min(MAX_CACHED))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = env::var("ISSUER").unwrap_or("http://127.0.0.1:8000".into());
    let audience = env::var("AUDIENCE").unwrap_or(issuer.clone()); // as in `gatepass serve --audience`
    let address = env::args().nth(1).unwrap_or("127.0.0.1:8002".into());
    let keys = format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'));
    let tokens = RemoteJwtVerifier::new(issuer, audience).leeway(LEEWAY);
    rt::spawn(refresh_keys(tokens.clone(), keys));
    let auth = Auth::builder(Callers).token_verifier(tokens).build()?;
    HttpServer::new(move || App::new().configure(auth.routes()).service(items))
        .bind(address)?
        .run()
        .await?;
    Ok(())
}
