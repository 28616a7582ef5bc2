//! Cleanup: removes expired rows, and rows above a maximum number.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    adapters::sql::{engine::Statement, pool::Pool},
    domain::{backend_error::BackendError, time::Timestamp},
};

/// The statements, each with the retention period for expired rows. The latest change is never removed: replicas
/// compare it with the latest one that they have read.
const STATEMENTS: [(&str, Duration); 4] = [
    ("DELETE FROM changes WHERE made < $1 AND number < (SELECT number FROM change_counter)", RETENTION),
    ("DELETE FROM sessions WHERE expires < $1", RETENTION),
    ("DELETE FROM failures WHERE expires < $1", Duration::ZERO),
    ("DELETE FROM failures WHERE expires IS NULL AND last < $1", OLD_FAILED_ATTEMPTS_RETENTION),
];

/// The maximum number of audit trail entries removed per statement. Lowering the limits can leave many entries to
/// remove.
const AUDIT_BATCH: i64 = 5000;
const OLD_AUDIT: &str = "DELETE FROM audit WHERE id IN \
                         (SELECT id FROM audit WHERE time < $2 ORDER BY time LIMIT $1)";

/// The kinds of entries whose number is limited: failures, and routine events, which any user can cause at any time.
/// Each kind may fill half of the maximum, so that neither displaces the other. The remaining entries, such as changes
/// by operators and password changes, are removed only after the retention period.
const LIMITED: [&str; 2] = [
    "failure IS NOT NULL",
    "event IN ('sign_in', 'refresh', 'refresh_repeated', 'token_issued', 'token_revoked', 'session_ended', \
     'sessions_ended', 'session_evicted')",
];

/// The limits of the audit trail.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AuditLimits {
    pub(super) retention: Option<Duration>,
    pub(super) max_entries: Option<u32>,
}

/// The retention period for changes, and for expired sessions with their revoked tokens. A replica that was
/// disconnected for longer clears its token cache.
const RETENTION: Duration = Duration::from_secs(10 * 60);

/// The retention period for failed attempts that older versions recorded. It is longer than these attempts can delay a
/// sign-in.
const OLD_FAILED_ATTEMPTS_RETENTION: Duration = Duration::from_secs(2 * 60 * 60);

/// The statement that removes failed attempts above the maximum number: attempts from many addresses must not fill the
/// disk. Rows with low counts are removed first, so that the counts for an account under attack are kept. Known
/// networks have a maximum of their own.
const SURPLUS_FAILED_ATTEMPTS: &str = "DELETE FROM failures WHERE name IN (SELECT name FROM failures \
                                       WHERE name NOT LIKE 'known %' \
                                       ORDER BY count DESC, COALESCE(expires, last + 3600) DESC \
                                       LIMIT 1000000 OFFSET $1)";
const SURPLUS_NETWORKS: &str = "DELETE FROM failures WHERE name IN (SELECT name FROM failures \
                                WHERE name LIKE 'known %' ORDER BY expires DESC LIMIT 1000000 OFFSET $1)";
const MAX_FAILED_ATTEMPTS: i64 = 200_000;

const INTERVAL: Duration = Duration::from_secs(60);

/// Removes expired and surplus rows once a minute.
pub(super) async fn run(pool: Pool, audit: AuditLimits) {
    loop {
        sleep(INTERVAL).await;
        if let Err(error) = run_once(&pool, audit, Timestamp::now()).await {
            log::warn!("cannot remove expired rows from the database: {error}");
        }
    }
}

async fn run_once(pool: &Pool, audit: AuditLimits, now: Timestamp) -> Result<(), BackendError> {
    for (statement, retention) in STATEMENTS {
        pool.execute(Statement::new(statement).bind(now - retention)).await?;
    }
    for statement in [SURPLUS_FAILED_ATTEMPTS, SURPLUS_NETWORKS] {
        pool.execute(Statement::new(statement).bind(MAX_FAILED_ATTEMPTS)).await?;
    }
    if let Some(retention) = audit.retention {
        let remove = || Statement::new(OLD_AUDIT).bind(AUDIT_BATCH).bind(now - retention);
        while pool.execute(remove()).await? == AUDIT_BATCH as u64 {}
    }
    if let Some(max_entries) = audit.max_entries {
        for kind in LIMITED {
            while let Some(surplus) = surplus_audit(pool, kind, max_entries / 2).await? {
                let mut oldest = Statement::new("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE ");
                oldest.push(kind).push(" ORDER BY time LIMIT ").push_bind(surplus.min(AUDIT_BATCH)).push(")");
                pool.execute(oldest).await?;
            }
        }
    }
    Ok(())
}

/// Returns the number of entries above the limit; `None` if the limit is not exceeded. Entries are counted again for
/// each batch, because other replicas may have removed entries.
async fn surplus_audit(
    pool: &Pool,
    kind: &'static str,
    max_entries: u32,
) -> Result<Option<i64>, BackendError> {
    let mut count = Statement::new("SELECT COUNT(*) AS number FROM audit WHERE ");
    count.push(kind);
    let count = pool.fetch_optional(count, |row| row.get::<i64>("number")).await?;
    Ok(count.map(|count| count - i64::from(max_entries)).filter(|surplus| *surplus > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::sql::{AuditEntry, AuditFilter, Database, SqlAudit, testing::on_postgres},
        domain::event::EventKind,
    };

    #[tokio::test]
    async fn cleanup_removes_only_audit_entries_older_than_the_retention_period() {
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
        run_once(&database.pool, AuditLimits::default(), Timestamp::from_unix(10_000)).await.unwrap();
        assert_eq!(remaining().await.len(), 12_003);
        let limits = AuditLimits { retention: Some(Duration::from_secs(8000)), max_entries: None };
        run_once(&database.pool, limits, Timestamp::from_unix(10_000)).await.unwrap();
        assert_eq!(remaining().await, [3000, 2000]);
    }

    async fn assert_full_trail_loses_the_oldest_failures_and_routine_events(database: Database) {
        let audit = SqlAudit::new(database.clone());
        let at = |kind, second| AuditEntry::new(kind, Timestamp::from_unix(second));
        let failures = (0..10).map(|minute| at(EventKind::SignInFailed, 1000 + 60 * minute));
        audit.append(&failures.collect::<Vec<_>>()).await.unwrap();
        let routine = (0..5).map(|second| at(EventKind::Refreshed, 2000 + second));
        audit.append(&routine.collect::<Vec<_>>()).await.unwrap();
        audit.append(&[at(EventKind::PasswordChanged, 10), at(EventKind::UserChanged, 20)]).await.unwrap();
        // Runs a cleanup, and returns the times of the remaining entries.
        let remaining = async |max_entries| {
            let limits = AuditLimits { retention: None, max_entries: Some(max_entries) };
            run_once(&database.pool, limits, Timestamp::from_unix(10_000)).await.unwrap();
            let page = audit.list(&AuditFilter::default(), None, 100).await.unwrap();
            page.entries.iter().map(|entry| entry.time.as_unix()).collect::<Vec<_>>()
        };
        assert_eq!(remaining(20).await.len(), 17);
        assert_eq!(remaining(6).await, [2004, 2003, 2002, 1540, 1480, 1420, 20, 10]);
        assert_eq!(remaining(2).await, [2004, 1540, 20, 10]);
    }

    #[tokio::test]
    async fn cleanup_of_a_full_audit_trail_removes_the_oldest_failures_and_routine_events() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        assert_full_trail_loses_the_oldest_failures_and_routine_events(database).await;
        on_postgres(assert_full_trail_loses_the_oldest_failures_and_routine_events).await;
    }

    async fn assert_failed_attempts_are_bounded(database: Database) {
        let insert = "INSERT INTO failures (name, count, last, expires) WITH RECURSIVE n(i) AS \
                      (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200100) \
                      SELECT PREFIX || CAST(i AS TEXT), CASE WHEN i < 10 THEN 5 ELSE 1 END, 1000, 1000 + i FROM n";
        for prefix in ["'203.0.113.'", "'known '"] {
            let insert = insert.replace("PREFIX", prefix);
            let mut statement = Statement::new("");
            statement.push(&insert);
            database.pool.execute(statement).await.unwrap();
        }
        let count = async |sql| {
            let count = database.pool.fetch_optional(Statement::new(sql), |row| row.get::<i64>("number"));
            count.await.unwrap().unwrap()
        };
        run_once(&database.pool, AuditLimits::default(), Timestamp::from_unix(1000)).await.unwrap();
        let others = "SELECT COUNT(*) AS number FROM failures WHERE name NOT LIKE 'known %'";
        assert_eq!(count(others).await, MAX_FAILED_ATTEMPTS);
        assert_eq!(count("SELECT COUNT(*) AS number FROM failures").await, 2 * MAX_FAILED_ATTEMPTS);
        assert_eq!(count("SELECT COUNT(*) AS number FROM failures WHERE count = 5").await, 9);
    }

    #[tokio::test]
    async fn cleanup_over_the_limit_removes_the_failure_records_with_the_lowest_counts() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        assert_failed_attempts_are_bounded(database).await;
        on_postgres(assert_failed_attempts_are_bounded).await;
    }
}
