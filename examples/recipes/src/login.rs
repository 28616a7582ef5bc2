//! Sign-in with responses of your own.

use std::{collections::HashMap, sync::Mutex, time::Instant};

use actix_web::{Responder, post, web};
use gatepass::auth::{ExternalSignIn, SignIn};
use gatepass::error::{ErrorResponse, ErrorSummary};
use gatepass::{Auth, AuthError, ClientInfo, Password, Subject, TokenResponse};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::users::User;

#[derive(Deserialize)]
struct Login {
    name: String,
    password: Password,
}

/// Signs in with JSON, and adds the name of the user to the response.
#[post("/login")]
pub async fn login(
    auth: Auth<User>,
    client_info: ClientInfo,
    login: web::Json<Login>,
) -> Result<impl Responder, ErrorResponse> {
    let sign_in = SignIn {
        username: &login.name,
        password: &login.password,
        scopes: &[],
        audiences: &[],
        client: None,
        client_info: &client_info,
    };
    let signed_in = auth
        .sign_in(sign_in)
        .await
        .map_err(|error| auth.error_response(error))?;
    Ok(TokenResponse::from(signed_in.tokens).with("username", signed_in.user.username))
}

/// Returns the body of all errors, including those of `/token` and of Gatepass's extractors.
pub fn error_body(error: &ErrorSummary<'_>) -> String {
    let ErrorSummary {
        status,
        code,
        description,
        ..
    } = error;
    json!({ "error": { "status": status, "code": code, "message": description } }).to_string()
}

/// Returns custom claims for other services; this application loads the user instead. Claims are not secret.
pub fn claims(user: &User) -> Map<String, Value> {
    Map::from_iter([("tenant".to_owned(), user.tenant.clone().into())])
}

/// Links that were sent by email: a random code, the user, and the expiry.
#[derive(Default)]
pub struct Links(Mutex<HashMap<String, (Subject, Instant)>>);

impl Links {
    /// Adds a link. The code must have at least 128 random bits.
    pub fn add(&self, code: String, user: Subject, expires: Instant) {
        let mut links = self.0.lock().unwrap_or_else(|error| error.into_inner());
        links.retain(|_, (_, expires)| *expires > Instant::now());
        links.insert(code, (user, expires));
    }

    /// Removes a link, so that it works only once, and returns its user.
    fn take(&self, code: &str) -> Option<Subject> {
        let mut links = self.0.lock().unwrap_or_else(|error| error.into_inner());
        let (user, expires) = links.remove(code)?;
        (expires > Instant::now()).then_some(user)
    }
}

/// Signs in without a password: the code from the email authenticates the user. The code is in the body and not in the
/// path, because paths are logged.
#[post("/login/link")]
pub async fn sign_in_with_link(
    auth: Auth<User>,
    client_info: ClientInfo,
    links: web::Data<Links>,
    code: String,
) -> Result<impl Responder, ErrorResponse> {
    let signed_in = async {
        let subject = &links.take(&code).ok_or(AuthError::InvalidCredentials)?;
        let sign_in = ExternalSignIn {
            subject,
            scopes: &[],
            audiences: &[],
            client: None,
            client_info: &client_info,
        };
        auth.sign_in_external(sign_in).await
    };
    let signed_in = signed_in
        .await
        .map_err(|error| auth.error_response(error))?;
    Ok(TokenResponse::from(signed_in.tokens))
}
