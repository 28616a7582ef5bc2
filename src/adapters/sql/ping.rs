//! Whether the database answers.

use std::time::Duration;

use tokio::{sync::Mutex, time::timeout};

use crate::{
    adapters::sql::{
        connection::{EitherConnection, OwnConnection, on_connection},
        database::{Database, fault},
    },
    domain::backend_error::BackendError,
};

/// Asks whether the database answers, on a connection of its own: whether others are busy is another question.
pub struct Ping(Mutex<OwnConnection>);

impl Database {
    /// Asks whether the database answers.
    pub fn ping(&self) -> Ping {
        Ping(Mutex::new(OwnConnection::beside(self.pool())))
    }
}

impl Ping {
    /// Whether it answers in time.
    ///
    /// # Errors
    /// A fault where it does not.
    pub async fn ask(&self, patience: Duration) -> Result<(), BackendError> {
        timeout(patience, self.ask_once())
            .await
            .unwrap_or_else(|_| Err(BackendError::unavailable("no answer in time")))
    }

    async fn ask_once(&self) -> Result<(), BackendError> {
        let mut own = self.0.lock().await;
        let was_kept = own.is_kept();
        let mut connection = own.take().await.map_err(fault)?;
        let mut answer = ping(&mut connection).await;
        if was_kept && answer.is_err() {
            // It may have been cut while nobody asked: a new one tells.
            connection = own.take().await.map_err(fault)?;
            answer = ping(&mut connection).await;
        }
        answer.map_err(fault)?;
        own.keep(connection);
        Ok(())
    }
}

async fn ping(connection: &mut EitherConnection) -> Result<(), sqlx::Error> {
    on_connection!(connection, connection => sqlx::query("SELECT 1").execute(connection).await.map(drop))
}
