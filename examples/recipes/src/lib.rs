//! Recipes: see README.md. This module builds an application with all of them.

pub mod api_key;
pub mod limit;
pub mod login;
pub mod protect;
pub mod users;

use std::{num::NonZeroU32, sync::Arc};

use actix_web::{ResponseError, middleware::from_fn, web};
use gatepass::error::{ApiError, BuildError};
use gatepass::{Auth, ErrorFormat, jwt::JwtTokens, passwords::Argon2Hasher};

use crate::{api_key::ApiKeys, limit::PerUserLimit, login::Links, users::User, users::Users};

/// Builds the `Auth` of the application.
pub fn auth(users: Users, tokens: JwtTokens) -> Result<Auth<User>, BuildError> {
    Auth::builder(users)
        .passwords(Argon2Hasher::default())
        .tokens(tokens)
        .extra_claims(login::claims)
        .error_format(ErrorFormat::custom(login::error_body))
        .build()
}

/// Returns the routes, for `App::configure`. Call this function once, not in each worker, so that all workers share the
/// rate limit.
pub fn routes(
    auth: Auth<User>,
    keys: ApiKeys,
    links: Links,
) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send {
    let limit = Arc::new(PerUserLimit::per_minute(NonZeroU32::MIN.saturating_add(1)));
    let (keys, links) = (web::Data::new(keys), web::Data::new(links));
    move |config: &mut web::ServiceConfig| {
        let errors = auth.clone();
        let json = web::JsonConfig::default().error_handler(move |error, _| {
            let error = ApiError::new(error.status_code(), error.to_string());
            errors.error_response(error).into()
        });
        config
            .app_data(json)
            .app_data(keys)
            .app_data(links)
            .configure(auth.routes())
            .service((login::login, login::sign_in_with_link))
            .service((protect::optional_sign_in, protect::edit, protect::any_scope))
            .service(api_key::report)
            .service(protect::admin(&auth))
            .service(protect::members())
            .service(
                web::resource("/expensive")
                    .app_data(web::Data::from(limit))
                    .wrap(from_fn(limit::limit_per_user))
                    .get(async || "done"),
            );
    }
}
