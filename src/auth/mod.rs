//! What signing in and being recognised mean: the ports put to work together.

mod bearer;
mod builder;
mod client;
mod login;
mod policy;

use std::sync::Arc;

use self::client::AnyClientRegistry;
pub use self::{
    bearer::Identity,
    builder::AuthBuilder,
    login::{Login, LoginError, SignIn},
    policy::Policy,
};

/// Your users, your hashing and your tokens, put together. Cheap to clone.
///
/// ```
/// use gatepass::{Auth, tutorial::{FakeHasher, SubjectTokens, TutorialUsers}};
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
    clients: Option<Box<dyn AnyClientRegistry>>,
    policy: Policy,
}

impl<S, H, T> Auth<S, H, T> {
    /// The rules it was built with.
    pub fn policy(&self) -> &Policy {
        &self.ports.policy
    }
}

impl<S, H, T> Clone for Auth<S, H, T> {
    fn clone(&self) -> Self {
        Self { ports: Arc::clone(&self.ports) }
    }
}
