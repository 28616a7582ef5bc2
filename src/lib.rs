//! Password sign-in for Actix applications: the OAuth 2.0 password flow with your own user table.
//!
//! Gatepass brings FastAPI's security utilities to [actix-web](actix_web), and then what those leave to the reader:
//! Argon2id, signed tokens, scopes, sessions, refresh tokens, login throttling. It knows neither your user model nor your
//! database: you implement two small traits, [`AuthUser`] and [`UserStore`].
//!
#![cfg_attr(all(feature = "argon2", feature = "jwt"), doc = "```")]
#![cfg_attr(not(all(feature = "argon2", feature = "jwt")), doc = "```ignore")]
//! use actix_web::{App, get};
//! use gatepass::{Account, ActiveUser, Auth, AuthUser, BackendError, GrantedScopes, PasswordHash, Subject};
//! use gatepass::{UserStore, Username, jwt::JwtTokens, passwords::Argon2Hasher};
//!
//! #[derive(Clone)]
//! struct Member { id: i64, email: String, is_active: bool }
//!
//! impl AuthUser for Member {
//!     fn subject(&self) -> Subject { self.id.into() }
//!     fn is_active(&self) -> bool { self.is_active }
//!     fn allowed_scopes(&self) -> GrantedScopes { GrantedScopes::All }
//! }
//!
//! struct Members; // your connection pool
//!
//! impl UserStore for Members {
//!     type User = Member;
//!     async fn find_by_username(&self, name: &Username) -> Result<Option<Account<Member>>, BackendError> {
//! #       Ok(None) /*
//!         // SELECT … FROM members WHERE email = $1
//! #       */
//!     }
//!     async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, BackendError> {
//! #       Ok(None) /*
//!         // SELECT … FROM members WHERE id = $1
//! #       */
//!     }
//!     async fn replace_hash(&self, subject: &Subject, old: &PasswordHash, new: &PasswordHash)
//!         -> Result<(), BackendError> {
//! #       Ok(()) /*
//!         // UPDATE members SET password_hash = $1 WHERE id = $2 AND password_hash = $3
//! #       */
//!     }
//! }
//!
//! #[get("/greeting")]
//! async fn greeting(me: ActiveUser<Member>) -> String {
//!     format!("Hello, {}", me.email)
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let keys = directory.path();
//! let auth = Auth::builder(Members)
//!     .passwords(Argon2Hasher::default())
//!     .tokens(JwtTokens::open(keys, "https://api.example.com")?)
//!     .build()?;
//! let app = App::new()
//!     .configure(auth.routes())   // POST /token
//!     .service(greeting);         // the argument authenticates
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/sqlx_sqlite.rs` is this application complete, with a table; `examples/resource_server.rs` only verifies the
//! tokens of another service.
//!
//! # Where to find what
//!
//! | to | see |
//! |---|---|
//! | sign in against your own users | [`UserStore`], [`AuthUser`] |
//! | put the parts together | [`Auth::builder`] |
//! | know the user in a handler | [`ActiveUser`], [`CurrentUser`], [`MaybeUser`] |
//! | protect a whole scope | [`Auth::require`] |
#![cfg_attr(
    feature = "argon2",
    doc = "| hash passwords with Argon2id, and take over older hashes | [`passwords`] |"
)]
#![cfg_attr(feature = "jwt", doc = "| issue signed tokens, or verify those of another service | [`jwt`] |")]
#![cfg_attr(feature = "sql", doc = "| store users, clients and sessions in SQLite or PostgreSQL | [`sql`] |")]
//! | revoke tokens and issue refresh tokens | [`sessions`] |
//! | avoid a query with every request | [`cache`] |
//! | slow down password guessing | [`throttle`] |
//! | write an endpoint of your own | [`PasswordRequestForm`], [`Auth::sign_in`], [`TokenResponse`] |
//! | describe it in OpenAPI | [`Auth::openapi`], [`OAuth2PasswordBearer`](struct@OAuth2PasswordBearer) |
#![cfg_attr(feature = "docs", doc = "| have Swagger UI sign in | [`docs::routes`] |")]
//! | return your own error bodies | [`ErrorFormat`], [`error`] |
//! | run behind a proxy, log requests | [`web`] |
//! | keep an audit trail | [`events`] |
//!
//! # Features
//!
//! - `service` (default): the `gatepass` program. Turn it off in a library with `default-features = false`.
//! - `docs`: Swagger UI at `/docs`, embedded.
//! - `jwt`: signed access tokens.
//! - `argon2`: password hashing.
//! - `password-policy`: refuses weak passwords.
//! - `sql`: users, clients and sessions in SQLite or PostgreSQL.
//!
//! # Security
//!
//! Everything in [`tutorial`] is **insecure**: it shows FastAPI's chapter. The password grant itself is for first-party
//! clients ([RFC 9700 section 2.4](https://www.rfc-editor.org/rfc/rfc9700#section-2.4)).

#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes))]

mod adapters;
pub mod auth;
mod domain;
mod http;

#[cfg(feature = "service")]
pub mod app;

#[cfg(feature = "sql")]
pub use adapters::sql;
pub use adapters::tutorial;
pub use auth::{Auth, AuthError};
pub use domain::{
    backend_error::BackendError,
    claims::Claims,
    client::{ClientId, ClientInfo},
    error_format::ErrorFormat,
    ports::{
        ClientRegistry, IssuedToken, KeySet, NewToken, PasswordCheck, PasswordHasher, PasswordPolicy,
        PasswordStore, TokenIssuer, TokenVerifier, UserStore,
    },
    scope::{GrantedScopes, Scope, Scopes},
    secret::{AccessToken, ClientSecret, Password, PasswordHash, RefreshToken},
    time::Timestamp,
    user::{Account, AuthUser, Subject, Username},
};
#[cfg(feature = "docs")]
pub use http::endpoints::docs;
pub use http::{
    endpoints::token::TokenResponse,
    extract::{
        bearer::BearerToken,
        password_form::{PasswordRequestForm, StrictPasswordRequestForm},
        users::{ActiveUser, CurrentUser, MaybeUser, NoScope, RequiredScopes},
    },
    openapi::OAuth2PasswordBearer,
};

/// Errors, and the bodies of error responses.
pub mod error {
    pub use crate::{
        auth::BuildError,
        domain::{
            backend_error::StoreError,
            error_format::{CustomErrorBody, ErrorSummary},
            name::InvalidName,
            ports::WeakPassword,
            scope::InvalidScope,
        },
        http::{
            error::{ApiError, Detail, ErrorBody, ErrorResponse, OAuth2ErrorBody, ValidationErrorBody},
            validation::FieldError,
        },
    };
}

/// Sessions and refresh tokens.
pub mod sessions {
    pub use crate::{
        auth::{RefreshSettings, RefreshTokens},
        domain::session::{
            CredentialsVersion, NewSession, PreviousToken, Rotation, Session, SessionId, SessionOwner,
            SessionStore, TokenFamily, TokenHash,
        },
    };
}

/// The cache of authenticated tokens, and its invalidation.
pub mod cache {
    pub use crate::{
        auth::{TokenCache, TokenCacheStats},
        domain::invalidation::{CacheInvalidator, Invalidation},
    };
}

/// Login throttling.
pub mod throttle {
    pub use crate::{
        auth::{LoginThrottle, LoginThrottleLimits},
        domain::throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
    };
}

/// Events, for an audit trail and metrics.
pub mod events {
    pub use crate::domain::event::{Event, EventKind, EventListener};
}

/// Argon2id password hashing, hashes of other programs, and a password policy.
#[cfg(feature = "argon2")]
pub mod passwords {
    pub use crate::adapters::passwords::*;
}

/// Signed access tokens and their keys.
#[cfg(feature = "jwt")]
pub mod jwt {
    pub use crate::adapters::jwt::*;
}

/// What a service does with every request: access log, panics, unknown paths, proxies.
pub mod web {
    pub use crate::http::{
        fallback::fallback,
        middleware::{access_log::access_log, panic::catch_panics},
        trusted_proxies::{InvalidProxy, ProxyHeader, TrustedProxies},
    };
}

/// The README's Rust runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
