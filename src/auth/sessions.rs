//! A user's sessions: seen, and ended.

use crate::{
    auth::Auth,
    domain::{
        event::{Event, EventKind},
        fault::Fault,
        ports::UserStore,
        session::{Origin, Session, SessionId},
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
        match &self.ports.options.sessions {
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
        origin: &Origin,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(sessions) = &self.ports.options.sessions else { return Ok(false) };
        let was_there = sessions.end(subject, id, now).await?;
        if was_there {
            let event = Event::new(EventKind::SessionEnded, origin, now);
            self.tell(&Event { subject: Some(subject), session_id: Some(id), ..event });
        }
        Ok(was_there)
    }

    /// Ends every session of a user: no token that was issued before counts any more.
    ///
    /// # Errors
    /// A [`Fault`] where it could not be stored, or there is no [`SessionStore`](crate::SessionStore).
    pub async fn end_all_sessions(
        &self,
        subject: &Subject,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(sessions) = &self.ports.options.sessions else {
            return Err(Fault::new("without a store of sessions none can be ended"));
        };
        sessions.end_all(subject, now).await?;
        self.tell(&Event { subject: Some(subject), ..Event::new(EventKind::SessionsEnded, origin, now) });
        Ok(())
    }
}
