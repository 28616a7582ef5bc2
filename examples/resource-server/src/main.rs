//! A resource server: an API without users or passwords that verifies the access tokens of a running Gatepass offline.
//! README.md shows how to use it.
use actix_web::{App, HttpServer, get, web};
use gatepass::jwt::{RemoteJwtVerifier, TokenUser, TokenUsers};
use gatepass::{ActiveUser, Auth, AuthUser, GrantedScopes, required_scopes};
use serde_json::{Value, json};
use std::{env, error::Error, time::Duration};

required_scopes! {
    struct ReadItems = ["items:read"];
}

#[get("/items")]
async fn items(caller: ActiveUser<TokenUser, ReadItems>) -> web::Json<Value> {
    let scopes: Vec<_> = match caller.granted_scopes() {
        GrantedScopes::Only(scopes) => scopes.iter().map(|scope| scope.as_str()).collect(),
        GrantedScopes::All => Vec::new(), // the issuer does not use scopes
    };
    web::Json(json!({ "subject": caller.subject().as_str(), "scopes": scopes }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = env::var("ISSUER").unwrap_or("http://127.0.0.1:8000".into());
    let audience = env::var("AUDIENCE").unwrap_or(issuer.clone()); // as in `gatepass serve --audience`
    let address = env::var("BIND").unwrap_or("127.0.0.1:8002".into());
    let tokens = RemoteJwtVerifier::discover(issuer, audience)?.leeway(Duration::from_secs(5));
    let auth = Auth::builder(TokenUsers).token_verifier(tokens).build()?;
    HttpServer::new(move || App::new().configure(auth.routes()).service(items))
        .bind(address)?
        .run()
        .await?;
    Ok(())
}
