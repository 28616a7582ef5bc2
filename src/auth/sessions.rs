//! A user's sessions: seen, and ended.

use crate::{
    auth::Auth,
    domain::{
        fault::Fault,
        ports::UserStore,
        session::{Session, SessionId},
        time::Timestamp,
        user::Subject,
    },
};

impl<S: UserStore, H, T> Auth<S, H, T> {
    /// The sessions of a user that live at `now`, the one used last first. None without a
    /// [`SessionStore`](crate::SessionStore).
    ///
    /// # Errors
    /// A [`Fault`] where the store cannot say.
    pub async fn sessions(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Session>, Fault> {
        match &self.ports.sessions {
            Some(sessions) => sessions.list(subject, now).await,
            None => Ok(Vec::new()),
        }
    }

    /// Ends a session of this user with all its tokens. Whether there was such a session.
    ///
    /// # Errors
    /// A [`Fault`] where it could not be stored.
    pub async fn end_session(
        &self,
        subject: &Subject,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        match &self.ports.sessions {
            Some(sessions) => sessions.end(subject, id, now).await,
            None => Ok(false),
        }
    }

    /// Ends every session of a user: no token that was issued before counts any more.
    ///
    /// # Errors
    /// A [`Fault`] where it could not be stored, or there is no [`SessionStore`](crate::SessionStore).
    pub async fn end_all_sessions(&self, subject: &Subject, now: Timestamp) -> Result<(), Fault> {
        match &self.ports.sessions {
            Some(sessions) => sessions.end_all(subject, now).await,
            None => Err(Fault::new("without a store of sessions none can be ended")),
        }
    }
}
