//! The change feed, which delivers invalidations: immediately to the process that makes the change, and to other
//! processes within a second.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    adapters::{
        background::{self, BackgroundTask},
        sql::{
            audit::{self, AuditEntry},
            cleanup,
            database::Database,
            engine::{Row, Statement},
            pool::{Connection, Pool, no_response},
        },
    },
    domain::{
        backend_error::{BackendError, StoreError},
        invalidation::{CacheInvalidator, Invalidation},
        time::Timestamp,
    },
};

const NEXT_NUMBER: &str = "UPDATE change_counter SET number = number + 1 RETURNING number";
const INSERT: &str = "INSERT INTO changes (number, kind, name, made) VALUES ($1, $2, $3, $4)";
const SINCE: &str = "SELECT number, kind, name FROM changes WHERE number >= $1 ORDER BY number LIMIT 10000";
const LATEST: &str = "SELECT number, kind, name FROM changes ORDER BY number DESC LIMIT 1";

/// The pause between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The time limit of a poll, after which the connection is replaced.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);

/// The listeners for changes that are written through a [`Database`], and the task that [`Database::remove_expired`]
/// starts.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Vec<Listener>>, OnceLock<BackgroundTask>);

struct Listener {
    invalidator: Arc<dyn CacheInvalidator>,
    _feed: BackgroundTask,
    _cleanup: BackgroundTask,
}

impl Listeners {
    fn notify(&self, change: &Invalidation) {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener.invalidator.invalidate(change));
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}

impl Database {
    /// Reports to `invalidator` every change to users, sessions and clients that makes cached tokens stale. Changes
    /// made through this `Database` or a clone are reported before the call that makes them returns; changes by other
    /// processes are reported within a second. If the changes cannot be read for `max_staleness`, for example because
    /// the database is unreachable, the invalidator is [disconnected](CacheInvalidator::disconnected) until they can be
    /// read again.
    ///
    /// One background task polls the database five times a second, on a connection of its own. Another task removes
    /// expired rows from the tables. Both stop when the last clone of the `Database` is dropped.
    ///
    /// # Errors
    /// [`StoreError`] if the latest change cannot be read.
    pub async fn watch(
        &self,
        invalidator: Arc<dyn CacheInvalidator>,
        max_staleness: Duration,
    ) -> Result<(), StoreError> {
        let (polled, now) = (Instant::now(), Timestamp::now());
        let latest = self.pool.fetch_optional(Statement::new(LATEST), change).await?;
        let feed = ChangeFeed {
            pool: self.pool.dedicated(),
            latest,
            invalidator: Arc::clone(&invalidator),
            max_staleness,
            polled,
            is_disconnected: false,
        };
        invalidator.synced_until(deadline(now, max_staleness));
        let listener = Listener {
            invalidator,
            _feed: background::spawn(feed.run()),
            _cleanup: background::spawn(cleanup::run(self.pool.clone(), self.audit_limits)),
        };
        self.listeners.0.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        Ok(())
    }

    /// Removes expired sessions and other expired rows once a minute, in the background, until the last clone of this
    /// `Database` is dropped. If no cleanup runs, these rows accumulate. [`watch`](Self::watch) starts a cleanup too;
    /// calling both is harmless.
    ///
    /// Set the limits of the audit trail first: [`with_audit_retention`](Self::with_audit_retention) and
    /// [`with_audit_max_entries`](Self::with_audit_max_entries) have no effect on a cleanup that is already running.
    pub fn remove_expired(&self) {
        self.listeners
            .1
            .get_or_init(|| background::spawn(cleanup::run(self.pool.clone(), self.audit_limits)));
    }

    /// Runs a statement. If it changes a row, [commits](Self::commit) it with the change and the audit entry. Returns
    /// whether it changed a row.
    pub(super) async fn apply(
        &self,
        statement: Statement<'_>,
        change: Option<&Invalidation>,
        entry: Option<AuditEntry>,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let mut transaction = self.pool.begin().await?;
        if transaction.execute(statement).await? == 0 {
            return Ok(false);
        }
        self.commit(transaction, change, entry, now).await?;
        Ok(true)
    }

    /// Commits a transaction with an entry for the audit trail and, if cached tokens become stale, a change for the
    /// change feed. The listeners of this process are notified before this function returns.
    pub(super) async fn commit(
        &self,
        mut transaction: Connection,
        change: Option<&Invalidation>,
        entry: Option<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), BackendError> {
        audit::append(&mut transaction, entry.as_slice()).await?;
        let Some(change) = change else { return transaction.commit().await };
        // The number is taken last, because the counter stays locked until the commit.
        let numbers = transaction.fetch(Statement::new(NEXT_NUMBER), |row| row.get::<i64>("number")).await?;
        let (kind, name) = to_columns(change);
        for number in numbers {
            let insert = Statement::new(INSERT).bind(number).bind(kind).bind(name).bind(now);
            transaction.execute(insert).await?;
        }
        // Listeners are notified even if the call is canceled, because the commit may still take effect.
        let _notification = Notification { listeners: &self.listeners, change };
        transaction.commit().await
    }
}

/// A guard that notifies the listeners of a change on drop.
struct Notification<'a> {
    listeners: &'a Listeners,
    change: &'a Invalidation,
}

impl Drop for Notification<'_> {
    fn drop(&mut self) {
        self.listeners.notify(self.change);
    }
}

/// A row of the table `changes`: number, kind and name.
type Change = (i64, String, String);

fn change(row: &Row) -> Result<Change, BackendError> {
    Ok((row.get("number")?, row.get("kind")?, row.get("name")?))
}

/// Returns the columns `kind` and `name` of a change.
fn to_columns(change: &Invalidation) -> (&'static str, &str) {
    match change {
        Invalidation::User(subject) => ("user", subject.as_str()),
        Invalidation::Session(id) => ("session", id.as_str()),
        Invalidation::Client(client_id) => ("client", client_id.as_str()),
        Invalidation::Everything => ("everything", ""),
    }
}

/// Parses a row. A kind that only newer versions know invalidates everything.
fn from_columns((_, kind, name): &Change) -> Invalidation {
    let known = match kind.as_str() {
        "user" => name.parse().map(Invalidation::User),
        "session" => name.parse().map(Invalidation::Session),
        "client" => name.parse().map(Invalidation::Client),
        _ => Ok(Invalidation::Everything),
    };
    known.unwrap_or(Invalidation::Everything)
}

/// The task that polls the table `changes`.
struct ChangeFeed {
    pool: Pool,
    /// The latest change that was read; `None` if the table was empty.
    latest: Option<Change>,
    invalidator: Arc<dyn CacheInvalidator>,
    max_staleness: Duration,
    /// The time at which the last successful poll started.
    polled: Instant,
    is_disconnected: bool,
}

impl ChangeFeed {
    async fn run(mut self) {
        loop {
            let (start, now) = (Instant::now(), Timestamp::now());
            match timeout(self.time_left(start).min(POLL_TIMEOUT), self.poll()).await {
                Ok(Ok(())) => self.succeeded(start, now),
                Ok(Err(error)) => self.failed(&error),
                Err(_) => self.failed(&no_response()),
            }
            sleep(self.time_left(Instant::now()).min(POLL_INTERVAL)).await;
        }
    }

    /// Returns the time until the cache is stale.
    fn time_left(&self, now: Instant) -> Duration {
        if self.is_disconnected {
            return Duration::MAX;
        }
        (self.polled + self.max_staleness).saturating_duration_since(now)
    }

    fn succeeded(&mut self, start: Instant, now: Timestamp) {
        self.polled = start;
        self.invalidator.synced_until(deadline(now, self.max_staleness));
        if self.is_disconnected {
            self.is_disconnected = false;
            log::info!("reconnected to the change feed: cached tokens are used again");
            self.invalidator.reconnected();
        }
    }

    fn failed(&mut self, error: &BackendError) {
        if !self.is_disconnected && self.polled.elapsed() >= self.max_staleness {
            self.is_disconnected = true;
            self.invalidator.disconnected();
            log::error!("lost the change feed, so requests with a token get status 503: {error}");
        }
    }

    /// Reads new changes and passes them to the invalidator.
    async fn poll(&mut self) -> Result<(), BackendError> {
        let mut connection = self.pool.acquire().await?;
        loop {
            let number = self.latest.as_ref().map_or(0, |(number, ..)| *number);
            let changes = connection.fetch(Statement::new(SINCE).bind(number), change).await?;
            let Some(new) = new_changes(self.latest.as_ref(), &changes) else {
                // Changes are missing, or the database was replaced. The latest change is read before the cache is
                // cleared, so that no change between these two steps is missed.
                self.latest = connection.fetch(Statement::new(LATEST), change).await?.pop();
                self.invalidator.invalidate(&Invalidation::Everything);
                return Ok(());
            };
            new.iter().for_each(|change| self.invalidator.invalidate(&from_columns(change)));
            match new.last() {
                Some(latest) => self.latest = Some(latest.clone()),
                None => return Ok(()),
            }
        }
    }
}

/// Returns the time at which the cache becomes stale, rounded up to whole seconds.
fn deadline(now: Timestamp, max_staleness: Duration) -> Timestamp {
    now + max_staleness + Duration::from_secs((max_staleness.subsec_nanos() > 0).into())
}

/// Returns the changes after the latest known one, or `None` if some are missing.
fn new_changes<'a>(known: Option<&Change>, changes: &'a [Change]) -> Option<&'a [Change]> {
    let (new, first) = match known {
        Some(known) => (changes.strip_prefix(std::slice::from_ref(known))?, known.0 + 1),
        None => (changes, 1),
    };
    new.iter().zip(first..).all(|((number, ..), expected)| *number == expected).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: i64) -> Change {
        (number, "user".to_owned(), format!("user{number}"))
    }

    fn rows(numbers: impl IntoIterator<Item = i64>) -> Vec<Change> {
        numbers.into_iter().map(row).collect()
    }

    #[test]
    fn new_changes_without_a_gap_returns_the_changes_after_the_last_known_one() {
        assert_eq!(new_changes(None, &[]), Some(&[][..]));
        assert_eq!(new_changes(None, &rows(1..=2)), Some(&rows(1..=2)[..]));
        assert_eq!(new_changes(Some(&row(5)), &rows(5..=5)), Some(&[][..]));
        assert_eq!(new_changes(Some(&row(5)), &rows(5..=7)), Some(&rows(6..=7)[..]));
    }

    #[test]
    fn new_changes_with_a_gap_returns_none() {
        assert_eq!(new_changes(None, &rows(2..=3)), None, "expected None if the first change was removed");
        assert_eq!(
            new_changes(Some(&row(5)), &rows(7..=8)),
            None,
            "expected None if the known change was removed"
        );
        assert_eq!(new_changes(Some(&row(5)), &[]), None, "expected None if all changes were removed");
        assert_eq!(new_changes(Some(&row(5)), &rows([5, 7])), None, "expected None if a change is missing");
        let other = (5, "user".to_owned(), "another user".to_owned());
        assert_eq!(
            new_changes(Some(&other), &rows(5..=6)),
            None,
            "expected None if the database was replaced"
        );
    }

    #[test]
    fn deadline_is_rounded_up_to_a_whole_second() {
        let now = Timestamp::from_unix(7);
        for (max_staleness, expected) in [(1, 8), (999, 8), (1000, 8), (1001, 9), (5000, 12)] {
            let max_staleness = Duration::from_millis(max_staleness);
            assert_eq!(deadline(now, max_staleness), Timestamp::from_unix(expected), "{max_staleness:?}");
        }
    }

    #[test]
    fn invalidation_is_the_same_after_a_round_trip_through_columns() {
        for change in [
            Invalidation::User(7.into()),
            Invalidation::Session("s".parse().unwrap()),
            Invalidation::Client("web".parse().unwrap()),
            Invalidation::Everything,
        ] {
            let (kind, name) = to_columns(&change);
            assert_eq!(from_columns(&(1, kind.to_owned(), name.to_owned())), change);
        }
        assert_eq!(from_columns(&(1, "future kind".to_owned(), String::new())), Invalidation::Everything);
    }
}
