//! Being recognised: an access token becomes the user it was issued to.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use crate::{
    auth::{Auth, token_cache::Place},
    domain::{
        backend_error::BackendError,
        claims::Claims,
        ports::{TokenService, UserStore},
        scope::GrantedScopes,
        secret::AccessToken,
        time::Timestamp,
        user::AuthUser,
    },
};

/// Who sent a request: the user, and what their token says.
// In this order: what every request looks at lies together, and at the front. Of thousands of tokens none is near the
// processor any more when it comes again, and each further line of memory is waited for.
#[derive(Clone)]
#[repr(C)]
pub struct Identity<U> {
    /// What the request may do: what the token was issued for, as far as the user has it now.
    pub granted_scopes: GrantedScopes,
    /// The user as they are shown, once that was asked for.
    shown: OnceLock<Box<[u8]>>,
    /// The user as the store has them now.
    pub user: U,
    /// What the token says.
    pub claims: Claims,
}

/// Whose an access token is.
#[derive(Debug)]
pub enum Recognised<U> {
    /// This user's, who may be inactive.
    User(Arc<Identity<U>>),
    /// It was that of a user who is inactive now, and its session has ended.
    Inactive,
    /// Nobody's: it is not genuine, has expired or was revoked, its session has ended, or its user is gone.
    Nobody,
}

impl<U> Clone for Recognised<U> {
    fn clone(&self) -> Self {
        match self {
            Self::User(identity) => Self::User(Arc::clone(identity)),
            Self::Inactive => Self::Inactive,
            Self::Nobody => Self::Nobody,
        }
    }
}

impl<U> Identity<U> {
    pub(crate) fn new(user: U, claims: Claims, granted_scopes: GrantedScopes) -> Self {
        Self { user, claims, granted_scopes, shown: OnceLock::new() }
    }

    /// The user as they are shown: what `show` makes of them the first time, for as long as they are remembered.
    pub(crate) fn shown<E>(&self, show: impl FnOnce(&U) -> Result<Vec<u8>, E>) -> Result<Bytes, E> {
        let shown = match self.shown.get() {
            Some(shown) => shown,
            None => {
                let shown = show(&self.user)?.into_boxed_slice();
                self.shown.get_or_init(|| shown)
            }
        };
        // A copy costs less than a count of those who share it.
        Ok(Bytes::copy_from_slice(shown))
    }
}

/// Without what is shown of the user, whose own `Debug` may show less.
impl<U: fmt::Debug> fmt::Debug for Identity<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, claims, granted_scopes, shown: _ } = self;
        let mut identity = f.debug_struct("Identity");
        identity.field("user", user).field("claims", claims).field("granted_scopes", granted_scopes).finish()
    }
}

/// Whether it is remembered whose an access token is.
pub(crate) enum Recall<U> {
    Known(Recognised<U>),
    /// It is to be found out, and kept here, where there is a [`TokenCache`](crate::TokenCache).
    Unknown(Option<Place>),
}

impl<S: UserStore, H, T: TokenService> Auth<S, H, T> {
    /// Whose `token` is at this moment; from [`TokenCache`](crate::TokenCache) where there is one and it knows.
    ///
    /// # Errors
    /// A [`BackendError`] where a port cannot say, or the memory is lost.
    pub async fn recognise(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Recognised<S::User>, BackendError> {
        match self.recall(token.expose(), now)? {
            Recall::Known(recognised) => Ok(recognised),
            Recall::Unknown(place) => self.find_out(token, place, now).await,
        }
    }

    /// Whose `token` is, where that is remembered: without waiting, and without a copy of the token.
    pub(crate) fn recall(&self, token: &str, now: Timestamp) -> Result<Recall<S::User>, BackendError> {
        match &self.ports.options.memory {
            Some(memory) => memory.recall(token, now),
            None => Ok(Recall::Unknown(None)),
        }
    }

    /// Whose `token` is that is not remembered, and remembers it at its place.
    pub(crate) async fn find_out(
        &self,
        token: &AccessToken,
        place: Option<Place>,
        now: Timestamp,
    ) -> Result<Recognised<S::User>, BackendError> {
        let Some(mut claims) = self.ports.tokens.verify(token, now).await? else {
            return Ok(Recognised::Nobody);
        };
        let memory = self.ports.options.memory.as_ref().zip(place);
        if let Some((memory, _)) = &memory {
            claims.granted_scopes = memory.share(claims.granted_scopes);
        }
        let recognised = self.bearer_of(&claims).await?;
        if let Some((memory, place)) = memory {
            memory.keep(place, &claims, recognised.clone());
        }
        Ok(recognised)
    }

    /// Whose the token is that says this.
    async fn bearer_of(&self, claims: &Claims) -> Result<Recognised<S::User>, BackendError> {
        let options = &self.ports.options;
        let found = match &options.bearers {
            Some(bearers) => bearers.find_bearer(claims).await?,
            None => match (self.ports.store.find_by_subject(&claims.subject).await?, &options.sessions) {
                (Some(user), Some(sessions)) => Some((user, sessions.is_live(claims).await?)),
                (user, _) => user.map(|user| (user, true)),
            },
        };
        let Some((user, is_live)) = found else { return Ok(Recognised::Nobody) };
        if !is_live {
            return Ok(if user.is_active() { Recognised::Nobody } else { Recognised::Inactive });
        }
        let granted_scopes = claims.granted_scopes.limited_to(&user.allowed_scopes());
        Ok(Recognised::User(Arc::new(Identity::new(user, claims.clone(), granted_scopes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Discreet;

    #[test]
    fn a_user_is_shown_once_and_not_by_debug() {
        let identity =
            Identity::new(Discreet, Claims::new("1".into(), GrantedScopes::All), GrantedScopes::All);
        for text in ["private", "never asked for"] {
            let shown = identity.shown(|_| Ok::<_, BackendError>(text.into()));
            assert_eq!(shown.ok().as_deref(), Some(&b"private"[..]));
        }
        assert!(identity.shown.get().is_some());
        let debug = format!("{identity:?}");
        assert!(
            debug.contains("Discreet") && !debug.contains("private") && !debug.contains("shown"),
            "{debug}"
        );
    }
}
