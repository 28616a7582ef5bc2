//! What changed, as every replica hears of it: at once where it was written, within a second everywhere else.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    runtime,
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use crate::{
    adapters::sql::{
        connection::{EitherConnection, OwnConnection, on_connection},
        database::{Database, fault, on_either},
        tidy::tidy,
    },
    domain::{
        backend_error::BackendError,
        invalidation::{CacheInvalidator, Invalidation},
        time::Timestamp,
    },
};

pub(super) const NEXT: &str = "UPDATE change_counter SET number = number + 1 RETURNING number";
pub(super) const INSERT: &str = "INSERT INTO changes (number, kind, name, made) VALUES ($1, $2, $3, $4)";
const SINCE: &str = "SELECT number, kind, name FROM changes WHERE number >= $1 ORDER BY number LIMIT 10000";
const NEWEST: &str = "SELECT number, kind, name FROM changes ORDER BY number DESC LIMIT 1";

/// How often it is asked what is new.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an answer may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who is told what is written through a [`Database`].
#[derive(Default)]
pub(super) struct Listeners(Mutex<Vec<Listening>>);

struct Listening {
    listener: Arc<dyn CacheInvalidator>,
    /// Dropped with the database, it ends the thread that listens to others.
    _stop: oneshot::Sender<()>,
}

impl Listeners {
    pub(super) fn tell(&self, change: &Invalidation) {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listening| listening.listener.invalidate(change));
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}

impl Database {
    /// Tells `listener` of every change to users, sessions and clients: of one that is made through this `Database`
    /// or a clone of it before it is said to be done, of one that another process makes within a second. Where nothing
    /// was heard for `max_age`, as when the database is out of reach, the listener is told that it is
    /// [lost](CacheInvalidator::lost), until something is heard again.
    ///
    /// A thread with a connection of its own asks several times a second, and ends with the last clone. It also
    /// removes what has ended from the tables.
    ///
    /// # Errors
    /// Where the database cannot say what the last change was, or there is no thread to be had.
    pub async fn watch(
        &self,
        listener: Arc<dyn CacheInvalidator>,
        max_age: Duration,
        clock: fn() -> Timestamp,
    ) -> Result<(), BackendError> {
        let (heard, moment) = (Instant::now(), clock());
        let newest =
            on_either!(self.pool(), connection => sqlx::query_as(NEWEST).fetch_optional(connection).await);
        let (stop, stopped) = oneshot::channel();
        let watch = Watch {
            connection: OwnConnection::beside(self.pool()),
            newest: newest.map_err(fault)?,
            listener: Arc::clone(&listener),
            max_age,
            heard,
            is_lost: false,
            clock,
        };
        listener.synced_until(end(moment, max_age));
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let tidy = tidy(self.pool().clone(), self.audit_kept(), clock);
        let run = move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = watch.run() => {}
                    () = tidy => {}
                }
            });
        };
        self.listeners()
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Listening { listener, _stop: stop });
        thread::Builder::new().name("gatepass-changes".into()).spawn(run).map(drop).map_err(io::Error::into)
    }
}

/// A change as it stands in the table: its number, its kind, and what changed.
type Row = (i64, String, String);

/// How a change is written.
pub(super) fn written(change: &Invalidation) -> (&'static str, &str) {
    match change {
        Invalidation::User(subject) => ("user", subject.as_str()),
        Invalidation::Session(id) => ("session", id.as_str()),
        Invalidation::Client(client_id) => ("client", client_id.as_str()),
        Invalidation::Everything => ("everything", ""),
    }
}

/// What was written. What a newer version writes may be anything.
fn read((_, kind, name): &Row) -> Invalidation {
    match kind.as_str() {
        "user" => Invalidation::User(name.as_str().into()),
        "session" => Invalidation::Session(name.as_str().into()),
        "client" => Invalidation::Client(name.as_str().into()),
        _ => Invalidation::Everything,
    }
}

/// Listens to what others write.
struct Watch {
    connection: OwnConnection,
    /// The last change that was heard of, where there was any.
    newest: Option<Row>,
    listener: Arc<dyn CacheInvalidator>,
    max_age: Duration,
    /// When it was asked last with success.
    heard: Instant,
    is_lost: bool,
    clock: fn() -> Timestamp,
}

impl Watch {
    async fn run(mut self) {
        loop {
            let (asked, moment) = (Instant::now(), (self.clock)());
            match timeout(self.left(asked).min(PATIENCE), self.hear()).await {
                Ok(Ok(())) => self.note_success(asked, moment),
                Ok(Err(error)) => self.note_failure(&fault(error)),
                Err(_) => self.note_failure(&BackendError::unavailable("no answer in time")),
            }
            sleep(self.left(Instant::now()).min(PAUSE)).await;
        }
    }

    /// How long until it is lost, or as long as you like where it is.
    fn left(&self, now: Instant) -> Duration {
        if self.is_lost { Duration::MAX } else { (self.heard + self.max_age).saturating_duration_since(now) }
    }

    fn note_success(&mut self, asked: Instant, moment: Timestamp) {
        self.heard = asked;
        self.listener.synced_until(end(moment, self.max_age));
        if self.is_lost {
            self.is_lost = false;
            log::info!("the database says again what has changed");
            self.listener.reconnected();
        }
    }

    fn note_failure(&mut self, fault: &BackendError) {
        if !self.is_lost && self.heard.elapsed() >= self.max_age {
            self.is_lost = true;
            self.listener.disconnected();
            log::error!(
                "the database does not say what has changed, nobody is recognised from memory: {fault}"
            );
        }
    }

    /// Asks what is new, and tells it.
    async fn hear(&mut self) -> Result<(), sqlx::Error> {
        let mut connection = self.connection.take().await?;
        loop {
            let rows = since(&mut connection, self.newest.as_ref().map_or(0, |(number, ..)| *number)).await?;
            let Some(news) = news(self.newest.as_ref(), &rows) else {
                // Some were missed, or the database is another one. Read before it is told: none may be between.
                self.newest = newest(&mut connection).await?;
                self.listener.invalidate(&Invalidation::Everything);
                break;
            };
            news.iter().for_each(|row| self.listener.invalidate(&read(row)));
            match news.last() {
                Some(newest) => self.newest = Some(newest.clone()),
                None => break,
            }
        }
        self.connection.keep(connection);
        Ok(())
    }
}

async fn since(connection: &mut EitherConnection, number: i64) -> Result<Vec<Row>, sqlx::Error> {
    on_connection!(connection, connection => sqlx::query_as(SINCE).bind(number).fetch_all(connection).await)
}

async fn newest(connection: &mut EitherConnection) -> Result<Option<Row>, sqlx::Error> {
    on_connection!(connection, connection => sqlx::query_as(NEWEST).fetch_optional(connection).await)
}

/// The second in which what was heard at `moment` gets too old, or the next one: a moment is a whole second.
fn end(moment: Timestamp, max_age: Duration) -> Timestamp {
    moment + max_age + Duration::from_secs((max_age.subsec_nanos() > 0).into())
}

/// The rows after the last one that is known, where none is missing between.
fn news<'a>(known: Option<&Row>, rows: &'a [Row]) -> Option<&'a [Row]> {
    let (news, mut number) = match known {
        Some(known) => (rows.strip_prefix(std::slice::from_ref(known))?, known.0),
        None => (rows, 0),
    };
    for (next, ..) in news {
        number += 1;
        if *next != number {
            return None;
        }
    }
    Some(news)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: i64) -> Row {
        (number, "user".to_owned(), format!("user{number}"))
    }

    fn rows(numbers: impl IntoIterator<Item = i64>) -> Vec<Row> {
        numbers.into_iter().map(row).collect()
    }

    #[test]
    fn news_are_what_comes_after_the_last_one_known() {
        assert_eq!(news(None, &[]), Some(&[][..]));
        assert_eq!(news(None, &rows(1..=2)), Some(&rows(1..=2)[..]));
        assert_eq!(news(Some(&row(5)), &rows(5..=5)), Some(&[][..]));
        assert_eq!(news(Some(&row(5)), &rows(5..=7)), Some(&rows(6..=7)[..]));
    }

    #[test]
    fn what_was_missed_is_noticed() {
        assert_eq!(news(None, &rows(2..=3)), None, "the first ones are gone");
        assert_eq!(news(Some(&row(5)), &rows(7..=8)), None, "the known one is gone");
        assert_eq!(news(Some(&row(5)), &[]), None, "all are gone");
        assert_eq!(news(Some(&row(5)), &rows([5, 7])), None, "one is missing");
        let other = (5, "user".to_owned(), "somebody else".to_owned());
        assert_eq!(news(Some(&other), &rows(5..=6)), None, "another database");
    }

    #[test]
    fn what_was_heard_counts_no_less_than_it_may() {
        let moment = Timestamp::from_unix(7);
        for (max_age, until) in [(1, 8), (999, 8), (1000, 8), (1001, 9), (5000, 12)] {
            assert_eq!(end(moment, Duration::from_millis(max_age)), Timestamp::from_unix(until), "{max_age}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for change in [
            Invalidation::User("7".into()),
            Invalidation::Session("s".into()),
            Invalidation::Client("web".into()),
            Invalidation::Everything,
        ] {
            let (kind, name) = written(&change);
            assert_eq!(read(&(1, kind.to_owned(), name.to_owned())), change);
        }
        assert_eq!(read(&(1, "of tomorrow".to_owned(), String::new())), Invalidation::Everything);
    }
}
