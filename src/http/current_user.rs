//! What a handler asks for: the current user, an active one, or maybe none.

use std::{
    any::type_name,
    future::{Ready, ready},
    ops::Deref,
    rc::Rc,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};

use crate::{
    auth::Identity,
    domain::{claims::Claims, user::AuthUser},
    http::{bearer::Recognition, error::ApiError},
};

/// The user whose token came with the request, active or not. Without a valid token the request is
/// answered 401.
///
/// Needs [`Auth::bearer`](crate::Auth::bearer) around the application.
///
/// ```
/// # use gatepass::{AuthUser, Subject};
/// # #[derive(Clone)] struct Member { email: String }
/// # impl AuthUser for Member {
/// #     fn subject(&self) -> Subject { self.email.as_str().into() }
/// #     fn is_active(&self) -> bool { true }
/// # }
/// use gatepass::CurrentUser;
///
/// async fn whoami(me: CurrentUser<Member>) -> String {
///     me.email.clone()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentUser<U>(Rc<Identity<U>>);

/// A [`CurrentUser`] who is active. Another one is answered 400 `Inactive user`.
///
/// List it first among a handler's arguments, and a request is refused before its body is read.
#[derive(Clone, Debug)]
pub struct ActiveUser<U>(CurrentUser<U>);

/// The current user where a token was sent, for routes that are open to everybody. A token that is not valid
/// is answered 401, so that a client learns that it is not signed in any more.
#[derive(Clone, Debug)]
pub struct MaybeUser<U>(pub Option<CurrentUser<U>>);

impl<U: AuthUser> CurrentUser<U> {
    /// What the user's token says.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The user, to keep.
    pub fn into_inner(self) -> U {
        Rc::unwrap_or_clone(self.0).user
    }
}

impl<U: AuthUser> ActiveUser<U> {
    /// What the user's token says.
    pub fn claims(&self) -> &Claims {
        self.0.claims()
    }

    /// The user, to keep.
    pub fn into_inner(self) -> U {
        self.0.into_inner()
    }
}

impl<U> Deref for CurrentUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0.user
    }
}

impl<U> Deref for ActiveUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0
    }
}

impl<U: AuthUser> FromRequest for MaybeUser<U> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Recognition<U>>() {
            Some(Recognition::Recognised(identity)) => Ok(Self(Some(CurrentUser(Rc::clone(identity))))),
            Some(Recognition::Anonymous) => Ok(Self(None)),
            Some(Recognition::Refused) => Err(ApiError::NotAuthenticated),
            Some(Recognition::Failed { temporary: true }) => Err(ApiError::Unavailable),
            Some(Recognition::Failed { temporary: false }) => Err(ApiError::Internal),
            None => {
                log::error!(
                    "a handler asks for a {} but Auth::bearer() of such users is not wrapped around it",
                    type_name::<U>()
                );
                Err(ApiError::Internal)
            }
        })
    }
}

impl<U: AuthUser> FromRequest for CurrentUser<U> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let maybe = MaybeUser::from_request(request, payload).into_inner();
        ready(maybe.and_then(|MaybeUser(user)| user.ok_or(ApiError::NotAuthenticated)))
    }
}

impl<U: AuthUser> FromRequest for ActiveUser<U> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let current = CurrentUser::<U>::from_request(request, payload).into_inner();
        ready(current.and_then(
            |user| {
                if user.is_active() { Ok(Self(user)) } else { Err(ApiError::InactiveUser) }
            },
        ))
    }
}
