//! The audit trail. Background tasks write events to the database and to a file of JSON lines, without delaying
//! requests.

use std::{
    collections::HashMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family};
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    adapters::{
        background::{self, BackgroundTask},
        sql::{Actor, AuditEntry, AuditWriter},
    },
    domain::{
        backend_error::BackendError,
        event::{Event, EventKind, EventListener},
    },
};

/// The maximum number of queued entries, not counting failures. Further entries are lost, and only their number is
/// kept.
const QUEUE_CAPACITY: usize = 8192;

/// The maximum number of failures with an entry of their own. Further failures share one entry per kind, without
/// account and address.
const MAX_FAILURES: usize = 500;

/// The period in which equal failures are counted in one entry. A later failure starts a new entry.
const MINUTE: Duration = Duration::from_secs(60);

/// The maximum number of entries per write.
const BATCH_SIZE: usize = 500;

/// The minimum time between two rounds of writes. A round writes queued entries, then failures.
const WRITE_INTERVAL: Duration = Duration::from_millis(200);

/// The timeout for one write to the database.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The delay between a failed write and the next attempt.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The timeout for writing the remaining entries when the service stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The minimum time between two log lines about retried writes and full queues.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A counter with one label.
pub(crate) type LabeledCounter = Family<[(&'static str, &'static str); 1], Counter>;

/// An event listener that queues events for the tasks that write them.
#[derive(Debug, Default)]
pub(crate) struct AuditTrail {
    sinks: Vec<Sink>,
    pub(crate) written: LabeledCounter,
    pub(crate) dropped: LabeledCounter,
}

/// A destination for entries, with a separate task, so that a slow destination does not delay the others.
#[derive(Debug)]
struct Sink {
    name: &'static str,
    queue: mpsc::Sender<AuditEntry>,
    failures: Arc<Failures>,
    dropped: Counter,
    /// The deadline for writing the remaining entries, set when the service stops. The task closes this channel when it
    /// ends.
    stop: watch::Sender<Option<Instant>>,
    _task: BackgroundTask,
}

impl AuditTrail {
    /// Starts an audit trail that is written to the file `lines` and to the database. Returns `None` if neither is
    /// given.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn start(
        lines: Option<&Path>,
        database: Option<AuditWriter>,
    ) -> io::Result<Option<Arc<Self>>> {
        let mut trail = Self::default();
        if let Some(path) = lines {
            trail.add("lines", Destination::lines(path)?);
        }
        if let Some(writer) = database {
            trail.add("database", Destination::Database(writer));
        }
        Ok((!trail.sinks.is_empty()).then(|| Arc::new(trail)))
    }

    fn add(&mut self, name: &'static str, destination: Destination) {
        let (queue, entries) = mpsc::channel(QUEUE_CAPACITY);
        let failures = Arc::new(Failures::default());
        let (stop, stopping) = watch::channel(None);
        let [written, dropped] =
            [&self.written, &self.dropped].map(|family| family.get_or_create_owned(&[("sink", name)]));
        let writer = Writer {
            name,
            destination,
            entries,
            failures: Arc::clone(&failures),
            written,
            dropped: dropped.clone(),
            stop: stopping,
            last_logged: None,
            logged_losses: 0,
        };
        self.sinks.push(Sink {
            name,
            queue,
            failures,
            dropped,
            stop,
            _task: background::spawn(writer.run()),
        });
    }

    /// Writes the remaining entries, for at most [`FLUSH_TIMEOUT`]. Events after this call are lost.
    pub(crate) async fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        for Sink { stop, .. } in &self.sinks {
            stop.send_replace(Some(deadline));
        }
        for Sink { name, stop, .. } in &self.sinks {
            let remaining = deadline + RETRY_DELAY - Instant::now();
            if timeout(remaining, stop.closed()).await.is_err() {
                let seconds = FLUSH_TIMEOUT.as_secs();
                log::error!(
                    "audit trail ({name}) is incomplete: the last entries were not written within {seconds} s"
                );
            }
        }
    }
}

impl EventListener for AuditTrail {
    fn on_event(&self, event: &Event<'_>) {
        let entry = AuditEntry::from(event);
        let failure = entry.failure();
        for Sink { queue, failures, dropped, .. } in &self.sinks {
            if let Some(failure) = &failure {
                failures.add(failure, &entry, event.kind);
            } else if queue.try_send(entry.clone()).is_err() {
                dropped.inc();
            }
        }
    }
}

/// The failures from the last minute, and older ones that have not been written yet. Clients can cause any number of
/// failures, so the number of entries is limited. Failures beyond the limit are not lost, but counted in one entry per
/// kind.
#[derive(Debug, Default)]
struct Failures {
    entries: Mutex<HashMap<String, Failure>>,
    /// The signal that a new failure is waiting to be written.
    added: Notify,
}

#[derive(Debug)]
struct Failure {
    /// The entry. Its count is the number of failures that have not been written yet.
    entry: AuditEntry,
    first: Instant,
    written: Option<Instant>,
}

impl Failures {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failure>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, key: &str, entry: &AuditEntry, kind: EventKind) {
        let mut entries = self.lock();
        let is_other = entries.len() >= MAX_FAILURES && !entries.contains_key(key);
        let key = if is_other { kind.as_str() } else { key };
        if let Some(failure) = entries.get_mut(key) {
            failure.entry.count += 1;
        } else {
            let other =
                || AuditEntry { detail: Some("other".to_owned()), ..AuditEntry::new(kind, entry.time) };
            let entry = if is_other { other() } else { entry.clone() };
            let failure = Failure { entry, first: Instant::now(), written: None };
            entries.insert(key.to_owned(), failure);
            self.added.notify_one();
        }
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes up to [`BATCH_SIZE`] failures to write: new failures, failures that were last written at least `interval`
    /// ago, and failures whose [`MINUTE`] is over.
    fn take(&self, interval: Duration) -> Vec<AuditEntry> {
        let mut taken = Vec::new();
        self.lock().retain(|_, failure| {
            let is_due = failure.written.is_none_or(|written| written.elapsed() >= interval);
            let is_over = failure.first.elapsed() >= MINUTE;
            if failure.entry.count > 0 && (is_due || is_over) && taken.len() < BATCH_SIZE {
                taken.push((failure.first, failure.entry.clone()));
                failure.entry.count = 0;
                failure.written = Some(Instant::now());
            }
            failure.entry.count > 0 || !is_over
        });
        taken.sort_by_key(|(first, _)| *first);
        taken.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// The task that writes the entries of a sink.
struct Writer {
    name: &'static str,
    destination: Destination,
    entries: mpsc::Receiver<AuditEntry>,
    failures: Arc<Failures>,
    written: Counter,
    dropped: Counter,
    stop: watch::Receiver<Option<Instant>>,
    last_logged: Option<Instant>,
    /// The number of lost entries that have already been logged.
    logged_losses: u64,
}

impl Writer {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        loop {
            let mut is_last = false;
            tokio::select! {
                biased;
                // The entries in a closed channel can still be received.
                () = stopped(&mut self.stop), if !self.entries.is_closed() => self.entries.close(),
                count = self.entries.recv_many(&mut batch, BATCH_SIZE) => is_last = count == 0,
                () = self.failures.added.notified() => {}
                () = sleep(WRITE_INTERVAL), if !self.failures.is_empty() => {}
            }
            let next = Instant::now() + WRITE_INTERVAL;
            self.write(&mut batch).await;
            let interval = if is_last { Duration::ZERO } else { self.destination.count_interval() };
            // Entries for failures beyond the limit may need a second batch.
            for _ in 0..2 {
                batch = self.failures.take(interval);
                self.write(&mut batch).await;
            }
            self.log_losses(false);
            if is_last {
                break;
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = stopped(&mut self.stop) => {}
            }
        }
        self.log_losses(true);
    }

    /// Writes a batch, and retries after temporary errors.
    async fn write(&mut self, batch: &mut Vec<AuditEntry>) {
        let count = batch.iter().map(|entry| entry.count).sum();
        while !batch.is_empty() {
            let deadline = *self.stop.borrow();
            let limit = deadline.map_or(WRITE_TIMEOUT, |end| WRITE_TIMEOUT.min(end - Instant::now()));
            let Err(error) = self.destination.write(batch, limit).await else {
                self.written.inc_by(count);
                return batch.clear();
            };
            let is_last = self.stop.borrow().is_some_and(|deadline| Instant::now() + RETRY_DELAY > deadline);
            if !error.is_temporary() || is_last {
                log::error!("audit trail ({}) lost {count} entries: {error}", self.name);
                self.dropped.inc_by(count);
                self.logged_losses += count;
                batch.clear();
            } else {
                if self.may_log() {
                    log::error!("cannot write the audit trail ({}), retrying: {error}", self.name);
                }
                sleep(RETRY_DELAY).await;
            }
        }
    }

    /// Logs the number of entries that did not fit into the queue, at most once per [`LOG_INTERVAL`] unless forced.
    fn log_losses(&mut self, is_forced: bool) {
        let dropped = self.dropped.get();
        let new = dropped - self.logged_losses;
        if new > 0 && (is_forced || self.may_log()) {
            log::error!("audit trail ({}) lost {new} entries: the queue was full", self.name);
            self.logged_losses = dropped;
        }
    }

    fn may_log(&mut self) -> bool {
        let is_due = self.last_logged.is_none_or(|logged| logged.elapsed() > LOG_INTERVAL);
        if is_due {
            self.last_logged = Some(Instant::now());
        }
        is_due
    }
}

/// Completes when the service stops. Never completes if the audit trail is dropped without being stopped.
async fn stopped(stop: &mut watch::Receiver<Option<Instant>>) {
    if stop.wait_for(Option::is_some).await.is_err() {
        std::future::pending().await
    }
}

enum Destination {
    Database(AuditWriter),
    /// A file; `-` is standard output.
    Lines(PathBuf),
}

impl Destination {
    fn lines(path: &Path) -> io::Result<Self> {
        open(path).map_err(|error| {
            io::Error::other(format!("cannot write the audit trail {}: {error}", path.display()))
        })?;
        Ok(Self::Lines(path.to_owned()))
    }

    /// Returns the minimum time between two writes for the same failure. Each write increases the count in a database
    /// row, or appends a line to a file.
    fn count_interval(&self) -> Duration {
        match self {
            Self::Database(_) => Duration::from_secs(1),
            Self::Lines(_) => MINUTE,
        }
    }

    /// Writes all entries. If a write to the database fails, none of the entries have been written.
    async fn write(&mut self, entries: &[AuditEntry], limit: Duration) -> Result<(), BackendError> {
        let path = match self {
            Self::Database(writer) => return Ok(writer.append(entries, limit).await?),
            Self::Lines(path) => path.clone(),
        };
        let text: String = entries.iter().map(|entry| format!("{}\n", as_json(entry))).collect();
        let written = spawn_blocking(move || {
            let mut output = open(&path)?;
            output.write_all(text.as_bytes())?;
            output.flush()
        });
        Ok(written.await??)
    }
}

/// Opens the file to write a batch. The file is not kept open, so that logrotate can rename it.
fn open(path: &Path) -> io::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(Box::new(options.open(path)?))
}

/// Returns an entry as JSON.
pub(crate) fn as_json(entry: &AuditEntry) -> Value {
    json!({
        "time": entry.time.to_string(),
        "event": entry.event,
        "username": entry.username,
        "user_id": entry.user_id,
        "client_id": entry.client_id,
        "session_id": entry.session_id,
        "address": entry.address,
        "user_agent": entry.user_agent,
        "actor": entry.actor,
        "detail": entry.detail,
        "count": entry.count,
    })
}

/// Returns the user that runs this process, by name and ID.
pub(crate) fn operator() -> Actor {
    let name = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default();
    // The name comes from the environment and can be forged; the ID cannot.
    #[cfg(unix)]
    let name = format!("{name} uid={}", rustix::process::getuid().as_raw());
    Actor::new(format!("command {}", name.trim()).trim())
}
