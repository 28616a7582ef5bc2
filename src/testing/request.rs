//! Test requests that are signed in as a user.

use std::sync::Arc;

use actix_web::HttpMessage;

use crate::{
    auth::AuthenticatedUser,
    domain::{
        claims::Claims,
        scope::{GrantedScopes, Scopes},
        user::AuthUser,
    },
    http::extract::users::TestUser,
};

/// A test request that can be signed in as a user, without a token.
///
/// ```
/// use actix_web::test::TestRequest;
/// use gatepass::testing::SignedIn;
/// # fn example(johndoe: gatepass::tutorial::TutorialUser) {
///
/// let request = TestRequest::get().uri("/todos").to_request().signed_in(&johndoe, "todos:read");
/// # }
/// ```
pub trait SignedIn: HttpMessage + Sized {
    /// Signs the request in as this user, as if it had a token with these scopes (separated by spaces). The extractors
    /// and [`Auth::require`](crate::Auth::require) then call neither the store nor the token verifier. They still
    /// refuse inactive users and missing scopes. As always, scopes that the user is not allowed to have are ignored.
    ///
    /// The application needs an [`Auth`](crate::Auth) for this user type, such as a
    /// [`TestAuth`](crate::testing::TestAuth).
    ///
    /// # Panics
    /// If `scopes` is not a list of scopes.
    #[must_use]
    fn signed_in<U: AuthUser>(self, user: &U, scopes: &str) -> Self {
        let scopes: Scopes = scopes.parse().unwrap_or_else(|error| panic!("{error}"));
        let claims = Claims {
            user_kind: Some(U::user_kind().into()),
            ..Claims::new(user.subject(), GrantedScopes::Only(scopes))
        };
        let user = AuthenticatedUser::new(user.clone(), claims);
        self.extensions_mut().insert(TestUser(Arc::new(user)));
        self
    }
}

impl<M: HttpMessage> SignedIn for M {}
