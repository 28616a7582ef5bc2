//! Removes what has ended from the tables.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    adapters::sql::{
        column::seconds,
        database::{Pool, fault, on_either},
    },
    domain::{backend_error::BackendError, time::Timestamp},
};

/// What is removed, and how long past its end. The newest change stays: by it a replica knows that it missed none.
const STATEMENTS: [(&str, Duration); 3] = [
    ("DELETE FROM changes WHERE made < $1 AND number < (SELECT number FROM change_counter)", KEPT),
    ("DELETE FROM sessions WHERE expires < $1", KEPT),
    ("DELETE FROM failures WHERE last < $1", FAILURES_KEPT),
];

/// Some of the audit trail's entries that are too old. Not all at once: where the setting was changed they may be many.
const OLD_AUDIT: &str = "DELETE FROM audit WHERE id IN \
                         (SELECT id FROM audit WHERE time < $1 ORDER BY time LIMIT 5000)";
const OLD_AUDIT_ROWS: u64 = 5000;

/// How long a change can be heard of: a replica that was away for longer forgets everything. And how long past their end
/// sessions are on record, with the tokens of theirs that were revoked.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// How long failures are kept: no less than they count.
const FAILURES_KEPT: Duration = Duration::from_secs(2 * 60 * 60);

/// How often it is done.
const PAUSE: Duration = Duration::from_secs(60);

/// Tidies up once a minute, for as long as it is polled.
pub(super) async fn tidy(pool: Pool, audit_kept: Option<Duration>, clock: fn() -> Timestamp) {
    loop {
        sleep(PAUSE).await;
        if let Err(fault) = tidy_once(&pool, audit_kept, clock()).await {
            log::warn!("what has ended was not removed from the database: {fault}");
        }
    }
}

async fn tidy_once(pool: &Pool, audit_kept: Option<Duration>, now: Timestamp) -> Result<(), BackendError> {
    for (statement, kept) in STATEMENTS {
        let before = seconds(now - kept);
        on_either!(pool, connection => sqlx::query(statement).bind(before).execute(connection).await.map(drop))
            .map_err(fault)?;
    }
    let Some(kept) = audit_kept else { return Ok(()) };
    let before = seconds(now - kept);
    loop {
        let removed = on_either!(pool, connection => {
            sqlx::query(OLD_AUDIT).bind(before).execute(connection).await.map(|done| done.rows_affected())
        });
        if removed.map_err(fault)? < OLD_AUDIT_ROWS {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::sql::{AuditEntry, AuditFilter, Database, SqlAudit},
        domain::event::EventKind,
    };

    #[test]
    fn entries_of_the_audit_trail_are_removed_once_they_are_too_old_however_many() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = Database::open("sqlite::memory:").await.unwrap();
            let audit = SqlAudit::new(database.clone());
            let at = |second| AuditEntry::new(EventKind::SignedIn, Timestamp::from_unix(second));
            for _ in 0..12 {
                audit.append(&vec![at(1000); 1000]).await.unwrap();
            }
            audit.append(&[at(1999), at(2000), at(3000)]).await.unwrap();
            let left = async || {
                let page = audit.list(&AuditFilter::default(), None, 20_000).await.unwrap();
                page.entries.iter().map(|entry| entry.time.as_unix()).collect::<Vec<_>>()
            };
            tidy_once(database.pool(), None, Timestamp::from_unix(10_000)).await.unwrap();
            assert_eq!(left().await.len(), 12_003);
            let kept = Some(Duration::from_secs(8000));
            tidy_once(database.pool(), kept, Timestamp::from_unix(10_000)).await.unwrap();
            assert_eq!(left().await, [3000, 2000]);
        });
    }
}
