//! Listing and ending a user's sessions.

use crate::{
    auth::{Auth, AuthError, Sessions},
    domain::{
        backend_error::BackendError,
        client::ClientInfo,
        event::{Event, EventKind},
        invalidation::Invalidation,
        session::{Session, SessionId, SessionOwner, SessionStore},
        time::Timestamp,
        user::{AuthUser, Subject},
    },
};

impl<U: AuthUser> Auth<U> {
    fn session_store(&self) -> Result<&Sessions, AuthError> {
        self.0.sessions.as_ref().ok_or(AuthError::NotConfigured("a session store"))
    }

    /// Returns a user's active sessions, most recently used first.
    ///
    /// # Errors
    /// [`AuthError::NotConfigured`] if no [`SessionStore`] is set, [`AuthError::Backend`] if the store fails.
    pub async fn sessions(&self, subject: &Subject) -> Result<Vec<Session>, AuthError> {
        let owner = self.owner(subject.clone());
        Ok(self.session_store()?.store.list(&owner, self.now()).await?)
    }

    /// Ends one of a user's sessions; its tokens are then no longer valid. Returns whether the user had such a session.
    ///
    /// # Errors
    /// [`AuthError::NotConfigured`] if no [`SessionStore`] is set, [`AuthError::Backend`] if the store fails.
    pub async fn end_session(
        &self,
        subject: &Subject,
        id: &SessionId,
        client_info: &ClientInfo,
    ) -> Result<bool, AuthError> {
        let now = self.now();
        let ended = self.end(self.session_store()?, &self.owner(subject.clone()), id, now).await?;
        if ended {
            let event = Event::new(EventKind::SessionEnded, client_info, now);
            self.emit(&Event { subject: Some(subject), session_id: Some(id), ..event });
        }
        Ok(ended)
    }

    /// Ends every session of a user: tokens that were issued before are no longer valid.
    ///
    /// # Errors
    /// [`AuthError::NotConfigured`] if no [`SessionStore`] is set, [`AuthError::Backend`] if the store fails.
    pub async fn end_all_sessions(
        &self,
        subject: &Subject,
        client_info: &ClientInfo,
    ) -> Result<(), AuthError> {
        let now = self.now();
        self.session_store()?;
        self.end_all(subject, now).await?;
        self.emit(&Event {
            subject: Some(subject),
            ..Event::new(EventKind::SessionsEnded, client_info, now)
        });
        Ok(())
    }

    pub(super) async fn end(
        &self,
        sessions: &Sessions,
        owner: &SessionOwner,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let ended = sessions.store.end(owner, id, now).await?;
        self.invalidate(Invalidation::Session(id.clone()));
        Ok(ended)
    }

    /// Ends every session of a user; does nothing without a session store.
    pub(super) async fn end_all(&self, subject: &Subject, now: Timestamp) -> Result<(), BackendError> {
        let Some(sessions) = &self.0.sessions else { return Ok(()) };
        sessions.store.end_all(&self.owner(subject.clone()), now).await?;
        self.invalidate(Invalidation::User(subject.clone()));
        Ok(())
    }
}
