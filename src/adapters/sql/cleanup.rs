//! Cleanup: removes expired rows.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    adapters::sql::{engine::Statement, pool::Pool},
    domain::{backend_error::BackendError, time::Timestamp},
};

/// The statements, and how long they keep expired rows. The latest change is never removed: replicas compare it with
/// the one that they have read.
const STATEMENTS: [(&str, Duration); 4] = [
    ("DELETE FROM changes WHERE made < $1 AND number < (SELECT number FROM change_counter)", RETENTION),
    ("DELETE FROM sessions WHERE expires < $1", RETENTION),
    ("DELETE FROM failures WHERE expires < $1", Duration::ZERO),
    ("DELETE FROM failures WHERE expires IS NULL AND last < $1", OLD_FAILED_ATTEMPTS_RETENTION),
];

/// Removes a batch of old entries of the audit trail. After a change of the retention there may be many.
const OLD_AUDIT: &str = "DELETE FROM audit WHERE id IN \
                         (SELECT id FROM audit WHERE time < $1 ORDER BY time LIMIT 5000)";
const OLD_AUDIT_BATCH: u64 = 5000;

/// The retention of changes and of expired sessions, with their revoked tokens. A replica that was disconnected for
/// longer clears its token cache.
const RETENTION: Duration = Duration::from_secs(10 * 60);

/// The retention of failed attempts of older versions, longer than they can delay a sign-in.
const OLD_FAILED_ATTEMPTS_RETENTION: Duration = Duration::from_secs(2 * 60 * 60);

/// Removes failed attempts above the maximum number, those that expire next first: many addresses must not fill the disk.
const SURPLUS_FAILED_ATTEMPTS: &str = "DELETE FROM failures WHERE name IN (SELECT name FROM failures \
                                       ORDER BY expires DESC LIMIT 1000000 OFFSET $1)";
const MAX_FAILED_ATTEMPTS: i64 = 200_000;

const INTERVAL: Duration = Duration::from_secs(60);

/// Removes expired rows once a minute.
pub(super) async fn run(pool: Pool, audit_retention: Option<Duration>) {
    loop {
        sleep(INTERVAL).await;
        if let Err(error) = run_once(&pool, audit_retention, Timestamp::now()).await {
            log::warn!("cannot remove expired rows from the database: {error}");
        }
    }
}

async fn run_once(
    pool: &Pool,
    audit_retention: Option<Duration>,
    now: Timestamp,
) -> Result<(), BackendError> {
    for (statement, retention) in STATEMENTS {
        pool.execute(Statement::new(statement).bind(now - retention)).await?;
    }
    pool.execute(Statement::new(SURPLUS_FAILED_ATTEMPTS).bind(MAX_FAILED_ATTEMPTS)).await?;
    let Some(retention) = audit_retention else { return Ok(()) };
    while pool.execute(Statement::new(OLD_AUDIT).bind(now - retention)).await? == OLD_AUDIT_BATCH {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::sql::{AuditEntry, AuditFilter, Database, SqlAudit},
        domain::event::EventKind,
    };

    #[tokio::test]
    async fn cleanup_removes_only_audit_entries_older_than_the_retention() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        let audit = SqlAudit::new(database.clone());
        let at = |second| AuditEntry::new(EventKind::SignedIn, Timestamp::from_unix(second));
        for _ in 0..12 {
            audit.append(&vec![at(1000); 1000]).await.unwrap();
        }
        audit.append(&[at(1999), at(2000), at(3000)]).await.unwrap();
        let remaining = async || {
            let page = audit.list(&AuditFilter::default(), None, 20_000).await.unwrap();
            page.entries.iter().map(|entry| entry.time.as_unix()).collect::<Vec<_>>()
        };
        run_once(&database.pool, None, Timestamp::from_unix(10_000)).await.unwrap();
        assert_eq!(remaining().await.len(), 12_003);
        let retention = Some(Duration::from_secs(8000));
        run_once(&database.pool, retention, Timestamp::from_unix(10_000)).await.unwrap();
        assert_eq!(remaining().await, [3000, 2000]);
    }
}
