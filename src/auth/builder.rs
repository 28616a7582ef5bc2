//! The builder of [`Auth`]: it builds only where all three ports are given.

use std::sync::Arc;

use crate::{
    auth::{Auth, Policy, Ports},
    domain::ports::{ClientRegistry, PasswordHasher, TokenService, UserStore},
};

/// What [`Auth::builder`] returns. `build` is there once a hasher and tokens are.
///
/// ```compile_fail
/// # use gatepass::{Auth, tutorial::{FakeHasher, TutorialUsers}};
/// let auth = Auth::builder(TutorialUsers::default()).hasher(FakeHasher::default()).build(); // no tokens
/// ```
pub struct AuthBuilder<S, H, T>(Ports<S, H, T>);

impl Auth<(), (), ()> {
    /// Starts with the place your users are in.
    pub fn builder<S: UserStore>(store: S) -> AuthBuilder<S, (), ()> {
        AuthBuilder(Ports { store, hasher: (), tokens: (), clients: None, policy: Policy::default() })
    }
}

impl<S, H, T> AuthBuilder<S, H, T> {
    /// How passwords are verified.
    pub fn hasher<N: PasswordHasher>(self, hasher: N) -> AuthBuilder<S, N, T> {
        let Ports { store, tokens, clients, policy, .. } = self.0;
        AuthBuilder(Ports { store, hasher, tokens, clients, policy })
    }

    /// What access tokens are.
    pub fn tokens<N: TokenService>(self, tokens: N) -> AuthBuilder<S, H, N> {
        let Ports { store, hasher, clients, policy, .. } = self.0;
        AuthBuilder(Ports { store, hasher, tokens, clients, policy })
    }

    /// The clients that prove themselves. Without this, what a request says of its client does not count.
    pub fn clients(mut self, registry: impl ClientRegistry) -> Self {
        self.0.clients = Some(Box::new(registry));
        self
    }

    /// The rules that are a matter of choice.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.0.policy = policy;
        self
    }
}

impl<S: UserStore, H: PasswordHasher, T: TokenService> AuthBuilder<S, H, T> {
    /// The finished [`Auth`].
    pub fn build(self) -> Auth<S, H, T> {
        Auth { ports: Arc::new(self.0) }
    }
}
