//! A user's sessions: seen, and ended.

use crate::{
    auth::Auth,
    domain::{
        backend_error::BackendError,
        event::{Event, EventKind},
        ports::UserStore,
        session::{ClientInfo, Session, SessionId},
        time::Timestamp,
        user::Subject,
    },
};

impl<S: UserStore, H, T> Auth<S, H, T> {
    /// The sessions of a user that live at `now`, the one used last first. None without a
    /// [`SessionStore`](crate::SessionStore).
    ///
    /// # Errors
    /// A [`BackendError`] where the store cannot say.
    pub async fn sessions(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Session>, BackendError> {
        match &self.ports.options.sessions {
            Some(sessions) => sessions.list(subject, now).await,
            None => Ok(Vec::new()),
        }
    }

    /// Ends a session of this user with all its tokens. Whether there was such a session.
    ///
    /// # Errors
    /// A [`BackendError`] where it could not be stored.
    pub async fn end_session(
        &self,
        subject: &Subject,
        id: &SessionId,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let Some(sessions) = &self.ports.options.sessions else { return Ok(false) };
        let was_there = sessions.end(subject, id, now).await?;
        if was_there {
            let event = Event::new(EventKind::SessionEnded, client_info, now);
            self.tell(&Event { subject: Some(subject), session_id: Some(id), ..event });
        }
        Ok(was_there)
    }

    /// Ends every session of a user: no token that was issued before counts any more.
    ///
    /// # Errors
    /// A [`BackendError`] where it could not be stored, or there is no [`SessionStore`](crate::SessionStore).
    pub async fn end_all_sessions(
        &self,
        subject: &Subject,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<(), BackendError> {
        let Some(sessions) = &self.ports.options.sessions else {
            return Err(BackendError::new("without a store of sessions none can be ended"));
        };
        sessions.end_all(subject, now).await?;
        self.tell(&Event {
            subject: Some(subject),
            ..Event::new(EventKind::SessionsEnded, client_info, now)
        });
        Ok(())
    }
}
