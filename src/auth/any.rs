//! The optional ports behind pointers: asked once a sign-in, or once a token, they need not be parameters of
//! [`Auth`](crate::Auth).

use std::pin::Pin;

use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    client::ClientId,
    ports::ClientRegistry,
    refresh::{TokenFamily, TokenHash},
    secret::ClientSecret,
    session::{BearerStore, NewSession, RefreshTokenStore, Rotation, Session, SessionId, SessionStore},
    throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
    time::Timestamp,
    user::Subject,
};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>;

pub(crate) trait AnyClientRegistry: Send + Sync {
    fn authenticate<'a>(&'a self, client_id: &'a ClientId, secret: &'a ClientSecret) -> Answer<'a, bool>;
}

impl<C: ClientRegistry> AnyClientRegistry for C {
    fn authenticate<'a>(&'a self, client_id: &'a ClientId, secret: &'a ClientSecret) -> Answer<'a, bool> {
        Box::pin(ClientRegistry::authenticate(self, client_id, secret))
    }
}

pub(crate) trait AnySessionStore: Send + Sync {
    fn begin<'a>(&'a self, session: &'a NewSession<'a>) -> Answer<'a, bool>;
    fn is_live<'a>(&'a self, claims: &'a Claims) -> Answer<'a, bool>;
    fn revoke<'a>(&'a self, claims: &'a Claims, now: Timestamp) -> Answer<'a, bool>;
    fn list<'a>(&'a self, subject: &'a Subject, now: Timestamp) -> Answer<'a, Vec<Session>>;
    fn end<'a>(&'a self, subject: &'a Subject, id: &'a SessionId, now: Timestamp) -> Answer<'a, bool>;
    fn end_all<'a>(&'a self, subject: &'a Subject, now: Timestamp) -> Answer<'a, ()>;
}

impl<S: SessionStore> AnySessionStore for S {
    fn begin<'a>(&'a self, session: &'a NewSession<'a>) -> Answer<'a, bool> {
        Box::pin(SessionStore::begin(self, session))
    }

    fn is_live<'a>(&'a self, claims: &'a Claims) -> Answer<'a, bool> {
        Box::pin(SessionStore::is_live(self, claims))
    }

    fn revoke<'a>(&'a self, claims: &'a Claims, now: Timestamp) -> Answer<'a, bool> {
        Box::pin(SessionStore::revoke(self, claims, now))
    }

    fn list<'a>(&'a self, subject: &'a Subject, now: Timestamp) -> Answer<'a, Vec<Session>> {
        Box::pin(SessionStore::list(self, subject, now))
    }

    fn end<'a>(&'a self, subject: &'a Subject, id: &'a SessionId, now: Timestamp) -> Answer<'a, bool> {
        Box::pin(SessionStore::end(self, subject, id, now))
    }

    fn end_all<'a>(&'a self, subject: &'a Subject, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(SessionStore::end_all(self, subject, now))
    }
}

pub(crate) trait AnyBearerStore<U>: Send + Sync {
    fn find_bearer<'a>(&'a self, claims: &'a Claims) -> Answer<'a, Option<(U, bool)>>;
}

impl<S: BearerStore> AnyBearerStore<S::User> for S {
    fn find_bearer<'a>(&'a self, claims: &'a Claims) -> Answer<'a, Option<(S::User, bool)>> {
        Box::pin(BearerStore::find_bearer(self, claims))
    }
}

pub(crate) trait AnyRefreshTokenStore: Send + Sync {
    fn find_family<'a>(&'a self, name: &'a TokenHash) -> Answer<'a, Option<TokenFamily>>;
    fn rotate<'a>(&'a self, rotation: &'a Rotation<'a>) -> Answer<'a, bool>;
}

impl<S: RefreshTokenStore> AnyRefreshTokenStore for S {
    fn find_family<'a>(&'a self, name: &'a TokenHash) -> Answer<'a, Option<TokenFamily>> {
        Box::pin(RefreshTokenStore::find_family(self, name))
    }

    fn rotate<'a>(&'a self, rotation: &'a Rotation<'a>) -> Answer<'a, bool> {
        Box::pin(RefreshTokenStore::rotate(self, rotation))
    }
}

pub(crate) trait AnyFailureStore: Send + Sync {
    fn folded(&self, name: &str) -> String;
    fn failures<'a>(&'a self, keys: [&'a ThrottleKey; 2]) -> Answer<'a, [FailedAttempts; 2]>;
    fn count<'a>(
        &'a self,
        keys: [&'a ThrottleKey; 2],
        now: Timestamp,
        forgotten: Timestamp,
    ) -> Answer<'a, ()>;
    fn forget<'a>(&'a self, key: &'a ThrottleKey) -> Answer<'a, ()>;
}

impl<S: FailedAttemptStore> AnyFailureStore for S {
    fn folded(&self, name: &str) -> String {
        FailedAttemptStore::folded(self, name)
    }

    fn failures<'a>(&'a self, keys: [&'a ThrottleKey; 2]) -> Answer<'a, [FailedAttempts; 2]> {
        Box::pin(FailedAttemptStore::failures(self, keys))
    }

    fn count<'a>(
        &'a self,
        keys: [&'a ThrottleKey; 2],
        now: Timestamp,
        forgotten: Timestamp,
    ) -> Answer<'a, ()> {
        Box::pin(FailedAttemptStore::count(self, keys, now, forgotten))
    }

    fn forget<'a>(&'a self, key: &'a ThrottleKey) -> Answer<'a, ()> {
        Box::pin(FailedAttemptStore::forget(self, key))
    }
}
