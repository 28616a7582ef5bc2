//! Removes what has ended from the tables.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    adapters::sql::{
        column::seconds,
        database::{Pool, fault},
    },
    domain::{fault::Fault, time::Timestamp},
};

/// The newest change stays: by it a replica knows that it missed none.
const STATEMENTS: [&str; 3] = [
    "DELETE FROM changes WHERE made < $1 AND number < (SELECT number FROM change_counter)",
    "DELETE FROM sessions WHERE expires < $1",
    "DELETE FROM revoked_tokens WHERE expires < $1",
];

/// How long a change can be heard of: a replica that was away for longer forgets everything. And how long past their end
/// sessions and revoked tokens are on record: no less than the leeway, or a revoked token would be good once more.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// How often it is done.
const PAUSE: Duration = Duration::from_secs(60);

/// Tidies up once a minute, for as long as it is polled.
pub(super) async fn tidy(pool: Pool, clock: fn() -> Timestamp) {
    loop {
        sleep(PAUSE).await;
        if let Err(fault) = tidy_once(&pool, clock() - KEPT).await {
            log::warn!("what has ended was not removed from the database: {fault}");
        }
    }
}

async fn tidy_once(pool: &Pool, before: Timestamp) -> Result<(), Fault> {
    for statement in STATEMENTS {
        match pool {
            Pool::Sqlite(pool) => sqlx::query(statement).bind(seconds(before)).execute(pool).await.map(drop),
            Pool::Postgres(pool) => {
                sqlx::query(statement).bind(seconds(before)).execute(pool).await.map(drop)
            }
        }
        .map_err(fault)?;
    }
    Ok(())
}
