//! What a handler asks for: the current user, an active one, one with scopes, or maybe none.

use std::{
    any::type_name,
    future::{Ready, ready},
    marker::PhantomData,
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Bytes};
use serde::Serialize;

use crate::{
    auth::Identity,
    domain::{claims::Claims, error_format::ErrorFormat, scope::GrantedScopes, user::AuthUser},
    http::{
        bearer::{Outcome, Recognition},
        error::{ApiError, Refusal},
    },
};

/// The scopes that a handler needs, stated in the type of its argument.
///
/// ```
/// # use gatepass::{AuthUser, GrantedScopes, Subject};
/// # #[derive(Clone)] struct Member { email: String }
/// # impl AuthUser for Member {
/// #     fn subject(&self) -> Subject { self.email.as_str().into() }
/// #     fn is_active(&self) -> bool { true }
/// #     fn allowed_scopes(&self) -> GrantedScopes { GrantedScopes::All }
/// # }
/// use gatepass::{ActiveUser, RequiredScopes};
///
/// struct ReadItems;
///
/// impl RequiredScopes for ReadItems {
///     const SCOPES: &'static [&'static str] = &["items:read"];
/// }
///
/// async fn items(me: ActiveUser<Member, ReadItems>) -> String {
///     format!("the items of {}", me.email)
/// }
/// ```
pub trait RequiredScopes: 'static {
    /// All of these are needed.
    const SCOPES: &'static [&'static str];
}

/// No scope is needed.
#[derive(Clone, Copy, Debug)]
pub struct NoScope;

impl RequiredScopes for NoScope {
    const SCOPES: &'static [&'static str] = &[];
}

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
/// #     fn allowed_scopes(&self) -> gatepass::GrantedScopes { gatepass::GrantedScopes::All }
/// # }
/// use gatepass::CurrentUser;
///
/// async fn whoami(me: CurrentUser<Member>) -> String {
///     me.email.clone()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentUser<U>(Arc<Identity<U>>);

/// A [`CurrentUser`] who is active. Another one is answered 400 `Inactive user`.
///
/// List it first among a handler's arguments, and a request is refused before its body is read.
///
/// `R` are the scopes it needs ([`RequiredScopes`]): a token without them is answered 403.
#[derive(Clone, Debug)]
pub struct ActiveUser<U, R = NoScope>(CurrentUser<U>, PhantomData<R>);

/// The current user where a token was sent, for routes that are open to everybody. A token that is not valid
/// is answered 401, so that a client learns that it is not signed in any more.
#[derive(Clone, Debug)]
pub struct MaybeUser<U>(pub Option<CurrentUser<U>>);

impl<U: AuthUser> CurrentUser<U> {
    /// What the user's token says.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// What this request may do: what the token was issued for, as far as the user has it now.
    pub fn granted_scopes(&self) -> &GrantedScopes {
        &self.0.granted_scopes
    }

    /// The user, to keep.
    pub fn into_inner(self) -> U {
        Arc::unwrap_or_clone(self.0).user
    }

    /// The user as JSON, to be the body of an answer: written once, for as long as the token is remembered
    /// ([`TokenCache`](crate::TokenCache)). So it may hold nothing that changes without the user.
    ///
    /// # Errors
    /// Where the user cannot be written as JSON.
    pub fn json(&self) -> serde_json::Result<Bytes>
    where
        U: Serialize,
    {
        self.0.shown(serde_json::to_vec)
    }
}

impl<U: AuthUser, R> ActiveUser<U, R> {
    /// What the user's token says.
    pub fn claims(&self) -> &Claims {
        self.0.claims()
    }

    /// What this request may do: what the token was issued for, as far as the user has it now.
    pub fn granted_scopes(&self) -> &GrantedScopes {
        self.0.granted_scopes()
    }

    /// The user, to keep.
    pub fn into_inner(self) -> U {
        self.0.into_inner()
    }

    /// The user as JSON, to be the body of an answer: written once, for as long as the token is remembered
    /// ([`TokenCache`](crate::TokenCache)). So it may hold nothing that changes without the user.
    ///
    /// # Errors
    /// Where the user cannot be written as JSON.
    pub fn json(&self) -> serde_json::Result<Bytes>
    where
        U: Serialize,
    {
        self.0.json()
    }
}

impl<U> Deref for CurrentUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0.user
    }
}

impl<U, R> Deref for ActiveUser<U, R> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0
    }
}

/// Who sent the request, and how to word it if that is not enough. `ended` is what a user is told who is inactive and
/// whose session has ended: who asks for an active one says that first, as of one whose session lives.
fn recognised<U: AuthUser>(
    request: &HttpRequest,
    ended: ApiError,
) -> Result<(Option<CurrentUser<U>>, ErrorFormat), Refusal> {
    let extensions = request.extensions();
    let Some(Recognition { outcome, error_format }) = extensions.get::<Recognition<U>>() else {
        log::error!(
            "a handler asks for a {} but Auth::bearer() of such users is not wrapped around it",
            type_name::<U>()
        );
        return Err(ApiError::Internal.in_format(ErrorFormat::default()));
    };
    let error = match outcome {
        Outcome::Recognised(identity) => return Ok((Some(CurrentUser(Arc::clone(identity))), *error_format)),
        Outcome::Anonymous => return Ok((None, *error_format)),
        Outcome::Inactive => ended,
        Outcome::Refused => ApiError::InvalidToken,
        Outcome::Failed { temporary: true } => ApiError::Unavailable { retry_after: Duration::ZERO },
        Outcome::Failed { temporary: false } => ApiError::Internal,
    };
    Err(error.in_format(*error_format))
}

fn current<U: AuthUser>(
    request: &HttpRequest,
    ended: ApiError,
) -> Result<(CurrentUser<U>, ErrorFormat), Refusal> {
    match recognised(request, ended)? {
        (Some(user), error_format) => Ok((user, error_format)),
        (None, error_format) => Err(ApiError::NotAuthenticated.in_format(error_format)),
    }
}

fn active<U: AuthUser, R: RequiredScopes>(request: &HttpRequest) -> Result<ActiveUser<U, R>, Refusal> {
    let (user, error_format) = current::<U>(request, ApiError::InactiveUser)?;
    if !user.is_active() {
        return Err(ApiError::InactiveUser.in_format(error_format));
    }
    if !user.granted_scopes().covers(R::SCOPES) {
        return Err(ApiError::InsufficientScope { scopes: R::SCOPES }.in_format(error_format));
    }
    Ok(ActiveUser(user, PhantomData))
}

impl<U: AuthUser> FromRequest for MaybeUser<U> {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(recognised(request, ApiError::InvalidToken).map(|(user, _)| Self(user)))
    }
}

impl<U: AuthUser> FromRequest for CurrentUser<U> {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(current(request, ApiError::InvalidToken).map(|(user, _)| user))
    }
}

impl<U: AuthUser, R: RequiredScopes> FromRequest for ActiveUser<U, R> {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(active(request))
    }
}
