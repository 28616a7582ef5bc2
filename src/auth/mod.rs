//! What signing in and being recognised mean: three ports put to work together.

mod bearer;
mod builder;
mod login;

use std::sync::Arc;

pub use self::{bearer::Identity, builder::AuthBuilder, login::LoginError};

/// Your users, your hashing and your tokens, put together. Cheap to clone.
///
/// ```
/// use gatepass::{Auth, tutorial::{FakeHasher, TutorialUsers, SubjectTokens}};
///
/// let auth = Auth::builder(TutorialUsers::default())
///     .hasher(FakeHasher::default())
///     .tokens(SubjectTokens)
///     .build();
/// ```
pub struct Auth<S, H, T> {
    ports: Arc<Ports<S, H, T>>,
}

struct Ports<S, H, T> {
    store: S,
    hasher: H,
    tokens: T,
    inactive_users_sign_in: bool,
}

impl<S, H, T> Clone for Auth<S, H, T> {
    fn clone(&self) -> Self {
        Self { ports: Arc::clone(&self.ports) }
    }
}
