//! Gatepass

#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes))]

pub mod adapters;
mod auth;
pub mod domain;
pub mod http;

#[cfg(feature = "service")]
pub mod app;

pub use adapters::tutorial;
pub use auth::{Auth, AuthBuilder, Identity, LoginError};
pub use domain::{
    claims::Claims,
    fault::Fault,
    ports::{IssuedToken, PasswordHasher, TokenService, UserStore, Verdict},
    secret::{AccessToken, ClientSecret, Password, PasswordHash},
    user::{Account, AuthUser, Subject, Username},
};
#[cfg(feature = "docs")]
pub use http::docs;
pub use http::{
    bearer::BearerToken,
    current_user::{ActiveUser, CurrentUser, MaybeUser},
    error::ApiError,
    form::{PasswordRequestForm, StrictPasswordRequestForm},
    openapi::{OAuth2PasswordBearer, TokenApi},
};
