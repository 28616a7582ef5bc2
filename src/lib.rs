//! The OAuth2 password flow for Actix: password in, bearer token out, documentation that signs in by itself.
//!
//! Gatepass brings FastAPI's security utilities to [actix-web](actix_web): a form to sign in with, an endpoint
//! that hands out tokens, and extractors that give a handler the current user. It knows neither your user model
//! nor your database: it asks them through three small traits, the *ports*.
//!
//! ```
//! use actix_web::{App, get, web};
//! use gatepass::{ActiveUser, Auth};
//! use gatepass::tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUser, TutorialUsers}; // insecure!
//!
//! #[get("/users/me")]
//! async fn read_users_me(me: ActiveUser<TutorialUser>) -> web::Json<TutorialUser> {
//!     web::Json(me.into_inner())
//! }
//!
//! let auth = Auth::builder(TutorialUsers::default())
//!     .hasher(InsecureFakeHasher::default())
//!     .tokens(InsecureSubjectTokens)
//!     .build();
//!
//! let app = App::new()
//!     .wrap(auth.bearer())        // finds out whose token came with a request
//!     .configure(auth.routes())   // POST /token
//!     .service(read_users_me);
//! ```
//!
//! # Where to find what
//!
//! | you want to | look at |
//! |---|---|
//! | sign in against your own users | [`UserStore`] and [`AuthUser`] |
//! | hash passwords your way | [`PasswordHasher`] |
//! | issue tokens of your own kind | [`TokenService`] |
#![cfg_attr(
    feature = "jwt",
    doc = "| issue tokens that others verify offline | [`JwtTokens`] and [`jwks::routes`] |"
)]
#![cfg_attr(feature = "jwt", doc = "| verify the tokens of another service | [`RemoteJwtVerifier`] |")]
//! | put the three together | [`Auth::builder`] |
#![cfg_attr(feature = "sql", doc = "| keep users in SQLite or PostgreSQL | [`sql`] |")]
//! | end tokens before their time | [`SessionStore`], and [`RefreshTokenStore`] for refresh tokens; [`BearerStore`] spares a question |
//! | spare the stores a question with every request | [`TokenCache`] |
//! | tell clients what there is | [`metadata::routes`] |
//! | know the user in a handler | [`ActiveUser`], [`CurrentUser`], [`MaybeUser`], [`BearerToken`] |
//! | read the form in an endpoint of your own | [`PasswordRequestForm`], [`StrictPasswordRequestForm`] |
//! | answer, log and fail as the service does | [`ApiError`], [`fallback`], [`access_log`], [`answer_panics`] |
//! | know the client's address behind a proxy | [`TrustedProxies`] |
//! | describe it in OpenAPI | [`OAuth2PasswordBearer`](struct@OAuth2PasswordBearer), [`TokenApi`] |
#![cfg_attr(
    feature = "argon2",
    doc = "| hash passwords with Argon2id, and take over older hashes | [`Argon2Hasher`] |"
)]
#![cfg_attr(feature = "password-policy", doc = "| refuse weak new passwords | [`check_new_password`] |")]
#![cfg_attr(feature = "docs", doc = "| have Swagger UI sign in | [`docs::routes`] |")]
//!
//! `examples/own_user.rs` is an application with a model and a store of its own, in under sixty lines;
//! `examples/resource_server.rs` is one that only checks the tokens of another service.
//!
//! # Features
//!
//! - `service` (default): the `gatepass` program. A library user turns it off with `default-features = false`.
//! - `docs` (part of `service`): Swagger UI at `/docs`, embedded.
//! - `jwt` (part of `service`): signed access tokens and their keys, `JwtTokens`, and those of other services,
//!   `RemoteJwtVerifier`.
//! - `sql` (part of `service`): users, clients and sessions in SQLite or PostgreSQL.
//! - `argon2` (part of `service`): `Argon2Hasher`, and the verification of other programs' hashes.
//! - `password-policy` (part of `service`): `check_new_password`.
//!
//! # Security
//!
//! What ships in [`tutorial`] is **insecure**: no hashing, and tokens that anybody can guess. For real users take a
//! [`PasswordHasher`] and a [`TokenService`] that are none of these, such as `Argon2Hasher` and `JwtTokens`. The
//! password grant itself is for first-party clients
//! ([RFC 9700 section 2.4](https://www.rfc-editor.org/rfc/rfc9700#section-2.4)).

#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes))]

mod adapters;
mod auth;
mod domain;
mod http;

#[cfg(feature = "service")]
pub mod app;

#[cfg(feature = "argon2")]
pub use adapters::argon2::{Argon2Hasher, Argon2Settings, HashLoad, InvalidArgon2Settings};
#[cfg(feature = "jwt")]
pub use adapters::jwt::{
    InvalidKeySet, JwtSettings, JwtTokens, KeyDirectory, KeyError, KeyState, ListedKey, RemoteJwtVerifier,
    SigningAlgorithm,
};
#[cfg(feature = "password-policy")]
pub use adapters::password_policy::{WeakPassword, check_new_password};
#[cfg(feature = "sql")]
pub use adapters::sql;
pub use adapters::tutorial;
pub use auth::{
    Auth, AuthBuilder, GrantError, Identity, Introspection, Login, LoginThrottleLimits, PasswordChange,
    PasswordChangeError, Policy, Recognised, Refresh, RefreshSettings, RefreshTokens, SignIn, TokenCache,
    TokenCacheStats,
};
pub use domain::{
    backend_error::BackendError,
    claims::Claims,
    client::ClientId,
    error_format::ErrorFormat,
    event::{Event, EventKind, EventListener},
    invalidation::{CacheInvalidator, Invalidation},
    ports::{
        ClientRegistry, IssuedToken, KeySet, NewToken, PasswordCheck, PasswordHasher, PasswordStore,
        PublishedKeys, TokenService, UserStore,
    },
    refresh::{Previous, TokenFamily, TokenHash},
    scope::{GrantedScopes, InvalidScope, Scope, Scopes},
    secret::{AccessToken, ClientSecret, Password, PasswordHash, RefreshToken},
    session::{
        BearerStore, ClientInfo, NewSession, RefreshTokenStore, Rotation, Session, SessionId, SessionStore,
    },
    throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
    time::Timestamp,
    user::{Account, AuthUser, Subject, Username},
};
#[cfg(feature = "docs")]
pub use http::docs;
pub use http::{
    access_log::access_log,
    bearer::BearerToken,
    current_user::{ActiveUser, CurrentUser, MaybeUser, NoScope, RequiredScopes},
    error::{ApiError, Detail, ErrorBody, OAuth2ErrorBody, Refusal, ValidationErrorBody},
    fallback::fallback,
    form::{PasswordRequestForm, StrictPasswordRequestForm},
    openapi::{OAuth2PasswordBearer, RfcTokenApi, TokenApi},
    panic::answer_panics,
    password::{PasswordApi, PasswordRule},
    sessions::SessionsApi,
    trusted_proxies::{InvalidProxy, ProxyHeader, TrustedProxies},
    validation::FieldError,
};
pub use http::{jwks, metadata};

/// The README's Rust runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
