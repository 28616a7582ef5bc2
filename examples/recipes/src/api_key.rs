//! API keys in addition to tokens, for programs that have no user.

use std::{collections::HashMap, future::Future, pin::Pin};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, get, web};
use gatepass::error::{ApiError, ErrorResponse};
use gatepass::{ActiveUser, Auth, ClientSecret, ClientSecretHash};

use crate::users::User;

/// Maps the hash of each key to the name of its program. A fast hash protects only random keys, such as the output of
/// `openssl rand -hex 32`. The lookup compares hashes, so its timing reveals nothing about a key.
#[derive(Default)]
pub struct ApiKeys(HashMap<String, String>);

impl ApiKeys {
    pub fn add(&mut self, name: &str, hash: &ClientSecretHash) {
        self.0.insert(hash.as_str().to_owned(), name.to_owned());
    }

    fn find(&self, key: &str) -> Option<&String> {
        self.0
            .get(ClientSecretHash::of(&ClientSecret::from(key)).as_str())
    }
}

/// The sender of a request: a program with an API key in the header `X-Api-Key`, or a user with a token.
pub enum Caller {
    Program(String),
    User(ActiveUser<User>),
}

impl FromRequest for Caller {
    type Error = ErrorResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ErrorResponse>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let keys = request.app_data::<web::Data<ApiKeys>>();
        let key = request
            .headers()
            .get("X-Api-Key")
            .map(|key| key.to_str().unwrap_or_default());
        let name = key.map(|key| keys.and_then(|keys| keys.find(key)).cloned());
        let auth = Auth::<User>::from_request(request, payload);
        let user = ActiveUser::from_request(request, payload);
        Box::pin(async move {
            match name {
                Some(Some(name)) => Ok(Self::Program(name)),
                Some(None) => {
                    let auth = auth
                        .await
                        .map_err(|error| error.in_format(&Default::default()))?;
                    Err(auth.error_response(ApiError::InvalidToken))
                }
                None => Ok(Self::User(user.await?)),
            }
        })
    }
}

#[get("/report")]
pub async fn report(caller: Caller) -> String {
    match caller {
        Caller::Program(name) => format!("report for the program {name}"),
        Caller::User(user) => format!("report for {}", user.username),
    }
}
