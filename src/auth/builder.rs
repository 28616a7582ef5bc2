//! The builder of [`Auth`]: it builds only where all three ports are given.

use std::sync::Arc;

use crate::{
    auth::{Auth, Ports},
    domain::ports::{PasswordHasher, TokenService, UserStore},
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
        AuthBuilder(Ports { store, hasher: (), tokens: (), inactive_users_sign_in: false })
    }
}

impl<S, H, T> AuthBuilder<S, H, T> {
    /// How passwords are verified.
    pub fn hasher<N: PasswordHasher>(self, hasher: N) -> AuthBuilder<S, N, T> {
        let Ports { store, tokens, inactive_users_sign_in, .. } = self.0;
        AuthBuilder(Ports { store, hasher, tokens, inactive_users_sign_in })
    }

    /// What access tokens are.
    pub fn tokens<N: TokenService>(self, tokens: N) -> AuthBuilder<S, H, N> {
        let Ports { store, hasher, inactive_users_sign_in, .. } = self.0;
        AuthBuilder(Ports { store, hasher, tokens, inactive_users_sign_in })
    }

    /// Gives inactive users a token too, as FastAPI's tutorial does; whatever asks for an
    /// [`ActiveUser`](crate::ActiveUser) still refuses them. Without this their sign-in is refused.
    pub fn let_inactive_users_sign_in(mut self) -> Self {
        self.0.inactive_users_sign_in = true;
        self
    }
}

impl<S: UserStore, H: PasswordHasher, T: TokenService> AuthBuilder<S, H, T> {
    /// The finished [`Auth`].
    pub fn build(self) -> Auth<S, H, T> {
        Auth { ports: Arc::new(self.0) }
    }
}
