//! Password sign-in for Actix applications: the OAuth 2.0 password flow with your own user table.
//!
//! Gatepass brings FastAPI's security utilities to [actix-web](actix_web), and adds what FastAPI leaves to its users:
//! Argon2id, signed tokens, scopes, sessions, refresh tokens and login throttling. It works with any user model and any
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
//!     .tokens(JwtTokens::open(keys, "https://api.example.com")?) // `keys` is the path of a directory
//!     .build()?;
//! let app = App::new()
//!     .configure(auth.routes())   // POST /token
//!     .service(greeting);         // authenticates through its argument
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The `examples` directory of the repository contains complete applications to copy. Some use sqlx, Diesel or SeaORM,
//! one has several kinds of users, and one only verifies the tokens of another service.
//!
//! # Overview
//!
//! | to | see |
//! |---|---|
//! | authenticate your own users | [`UserStore`], [`AuthUser`] |
//! | configure authentication | [`Auth::builder`] |
//! | get the user in a handler | [`ActiveUser`], [`CurrentUser`], [`MaybeUser`] |
//! | accept tokens from the client credentials grant | [`CurrentClient`] |
//! | protect a whole `web::scope` | [`Auth::require`] |
#![cfg_attr(
    feature = "argon2",
    doc = "| hash passwords with Argon2id, and verify imported hashes | [`passwords`] |"
)]
#![cfg_attr(feature = "jwt", doc = "| issue signed tokens, or verify those of another service | [`jwt`] |")]
#![cfg_attr(feature = "sql", doc = "| store users, clients and sessions in SQLite or PostgreSQL | [`sql`] |")]
//! | revoke tokens and issue refresh tokens | [`sessions`] |
//! | sign browsers in with a cookie | [`web::CookieTransport`] |
//! | avoid a database query per request | [`cache`] |
//! | slow down password guessing | [`throttle`] |
//! | write an endpoint of your own | [`PasswordRequestForm`], [`Auth::sign_in`], [`TokenResponse`] |
//! | describe your endpoints in OpenAPI | [`Auth::openapi`], [`OAuth2PasswordBearer`](struct@OAuth2PasswordBearer) |
#![cfg_attr(feature = "docs", doc = "| add Swagger UI with sign-in | [`docs::routes`] |")]
//! | return your own error bodies | [`ErrorFormat`], [`error`] |
//! | run behind a proxy, log requests | [`web`] |
//! | keep an audit trail | [`events`] |
#![cfg_attr(
    feature = "testing",
    doc = "| test your application, or a store that you implemented | [`testing`] |"
)]
//!
//! # Features
//!
//! - `service` (default): the `gatepass` program. Applications that use the library do not need it: set
//!   `default-features = false`.
//! - `docs`: embedded Swagger UI at `/docs` and ReDoc at `/redoc`.
//! - `jwt`: signed access tokens.
//! - `remote-jwks`: verification of another service's tokens with the keys that it publishes.
//! - `argon2`: password hashing.
//! - `password-policy`: a policy that refuses weak passwords.
//! - `sql`: storage of users, clients, sessions and the audit trail in SQLite or PostgreSQL.
//! - `testing`: test doubles for applications, and contract suites for stores. Enable it for `dev-dependencies` only.
//!
//! The library needs Rust 1.89 or later. With `sql` or `service` it needs Rust 1.94, as sqlx does.
//!
//! # Security
//!
//! Everything in [`tutorial`] is **insecure**: it reproduces FastAPI's tutorial. RFC 9700 forbids the password grant
//! ([section 2.4](https://www.rfc-editor.org/rfc/rfc9700#section-2.4)), because it exposes passwords to clients and does
//! not work with second factors: use it for your own clients only.

// The documentation shows which feature each item needs. docs.rs and `.ci/run` set `docsrs`.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes))]

mod adapters;
pub mod auth;
mod domain;
mod http;

#[cfg(feature = "service")]
pub mod app;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "sql")]
pub use adapters::sql;
pub use adapters::tutorial;
pub use auth::{Auth, AuthError};
pub use domain::{
    backend_error::BackendError,
    claims::{Audience, Claims},
    client::{Client, ClientId, ClientInfo, ClientKind, ClientSecretHash},
    error_format::ErrorFormat,
    ports::{
        ClientRegistry, IssuedToken, KeySet, NewToken, PasswordCheck, PasswordHasher, PasswordPolicy,
        PasswordStore, TokenIssuer, TokenVerifier, UserStore,
    },
    scope::{GrantedScopes, Scope, Scopes},
    secret::{AccessToken, ClientSecret, DeviceCookie, Password, PasswordHash, RefreshToken},
    time::Timestamp,
    user::{Account, AuthUser, Subject, UserProfile, Username},
};
#[cfg(feature = "docs")]
pub use http::endpoints::docs;
pub use http::{
    endpoints::token::TokenResponse,
    extract::{
        bearer::BearerToken,
        client::CurrentClient,
        password_form::{PasswordRequestForm, StrictPasswordRequestForm},
        users::{ActiveUser, CurrentUser, MaybeUser, NoScope, RequiredScopes},
    },
    openapi::OAuth2PasswordBearer,
};

/// Error types, and the bodies of error responses.
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
            CredentialsVersion, Delivery, DeliveryUpdate, NewSession, PreviousToken, Rotation, Session,
            SessionId, SessionOwner, SessionStore, TokenFamily, TokenHash,
        },
    };
}

/// The token cache and its invalidation.
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

/// Password hashing with Argon2id, verification of imported hashes, and a password policy.
#[cfg(feature = "argon2")]
pub mod passwords {
    pub use crate::adapters::passwords::*;
}

/// Signed access tokens (JWT) and their keys.
#[cfg(feature = "jwt")]
pub mod jwt {
    pub use crate::adapters::jwt::*;
}

/// Access log, error responses for panics and unknown paths, origin checks, trusted proxies, and session cookies.
pub mod web {
    pub use crate::auth::CookieTransport;
    pub use crate::http::{
        fallback::{absolute_fallback, fallback},
        middleware::{access_log::access_log, origin_check::OriginCheck, panic::catch_panics},
        trusted_proxies::{InvalidProxy, ProxyHeader, TrustedProxies},
    };
}

/// The Rust code in the README and the book, which runs as doctests.
#[cfg(all(doctest, feature = "remote-jwks", feature = "service"))]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/cookies.md")]
    struct Cookies;
    #[doc = include_str!("../docs/openapi.md")]
    struct OpenApi;
    #[doc = include_str!("../docs/other-services.md")]
    struct OtherServices;
    #[doc = include_str!("../docs/own-table.md")]
    struct OwnTable;
    #[doc = include_str!("../docs/scopes.md")]
    struct Scopes;
    #[cfg(feature = "testing")]
    #[doc = include_str!("../docs/testing.md")]
    struct Testing;
}
