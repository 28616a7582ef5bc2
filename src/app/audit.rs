//! The audit trail: events as JSON lines and in the database. It never makes a request wait.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
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
        event::{Event, EventListener},
    },
};

/// The maximum number of entries that wait to be written; further ones are lost, and counted.
const QUEUE: usize = 8192;

/// The maximum number of entries per write, and the shortest time between two writes. Together they limit what a flood of
/// failed sign-ins writes: 2,500 entries and five transactions per second.
const BATCH: usize = 500;
const PAUSE: Duration = Duration::from_millis(200);

/// The timeout of one write to the database, and the time until a failed write is repeated.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);

/// The time for the remaining entries when the service stops, in which a write may already be under way.
const FLUSH: Duration = Duration::from_secs(10);

/// The shortest time between two log lines about lost entries.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// A counter with one label.
pub(crate) type LabelledCounter = Family<[(&'static str, &'static str); 1], Counter>;

/// Listens to events, and passes them on to the tasks that write them.
#[derive(Debug, Default)]
pub(crate) struct AuditTrail {
    sinks: Vec<Sink>,
    pub(crate) written: LabelledCounter,
    pub(crate) dropped: LabelledCounter,
}

/// A destination of entries with its own task, so that none waits for another.
#[derive(Debug)]
struct Sink {
    name: &'static str,
    queue: mpsc::Sender<AuditEntry>,
    dropped: Counter,
    /// The deadline for what remains, once the service stops. It closes when the task ends.
    stop: watch::Sender<Option<Instant>>,
    _task: BackgroundTask,
}

impl AuditTrail {
    /// A trail to these destinations; `None` without destinations.
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
        let (queue, entries) = mpsc::channel(QUEUE);
        let (stop, stopping) = watch::channel(None);
        let [written, dropped] =
            [&self.written, &self.dropped].map(|family| family.get_or_create_owned(&[("sink", name)]));
        let writer = Writer {
            name,
            destination,
            entries,
            written,
            dropped: dropped.clone(),
            stop: stopping,
            logged: None,
            logged_losses: 0,
        };
        self.sinks.push(Sink { name, queue, dropped, stop, _task: background::spawn(writer.run()) });
    }

    /// Writes what remains, for some seconds at most. Later events are lost.
    pub(crate) async fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        for Sink { stop, .. } in &self.sinks {
            stop.send_replace(Some(deadline));
        }
        for Sink { name, stop, .. } in &self.sinks {
            let remaining = deadline + RETRY - Instant::now();
            if timeout(remaining, stop.closed()).await.is_err() {
                log::error!("audit trail ({name}) is incomplete: writing it did not finish in time");
            }
        }
    }
}

impl EventListener for AuditTrail {
    fn on_event(&self, event: &Event<'_>) {
        for Sink { queue, dropped, .. } in &self.sinks {
            if queue.try_send(AuditEntry::from(event)).is_err() {
                dropped.inc();
            }
        }
    }
}

/// The task of a sink.
struct Writer {
    name: &'static str,
    destination: Destination,
    entries: mpsc::Receiver<AuditEntry>,
    written: Counter,
    dropped: Counter,
    stop: watch::Receiver<Option<Instant>>,
    /// The time of the last log line about lost entries, and their number then.
    logged: Option<Instant>,
    logged_losses: u64,
}

impl Writer {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                count = self.entries.recv_many(&mut batch, BATCH) => if count == 0 { break },
                // What is in the queue then is still received.
                () = stopped(&mut self.stop), if !self.entries.is_closed() => self.entries.close(),
            }
            let next = Instant::now() + PAUSE;
            self.write(&mut batch).await;
            self.log_losses(false);
            tokio::select! {
                () = sleep_until(next) => {}
                () = stopped(&mut self.stop) => {}
            }
        }
        self.log_losses(true);
    }

    /// Writes a batch, and repeats what fails temporarily. Further entries wait in the queue.
    async fn write(&mut self, batch: &mut Vec<AuditEntry>) {
        let count = batch.len() as u64;
        while !batch.is_empty() {
            let deadline = *self.stop.borrow();
            let limit = deadline.map_or(WRITE_TIMEOUT, |end| WRITE_TIMEOUT.min(end - Instant::now()));
            let error = match self.destination.write(batch, limit).await {
                Ok(()) => {
                    self.written.inc_by(count);
                    batch.clear();
                    break;
                }
                Err(error) => error,
            };
            let is_over = self.stop.borrow().is_some_and(|deadline| Instant::now() + RETRY > deadline);
            if !error.is_temporary() || is_over {
                log::error!("audit trail ({}) lost {count} entries: {error}", self.name);
                self.dropped.inc_by(count);
                self.logged_losses += count;
                batch.clear();
            } else {
                if self.may_log() {
                    log::error!("audit trail ({}) cannot be written and waits: {error}", self.name);
                }
                sleep(RETRY).await;
            }
        }
    }

    /// Logs the number of entries that did not fit into the queue.
    fn log_losses(&mut self, at_once: bool) {
        let dropped = self.dropped.get();
        let new = dropped - self.logged_losses;
        if new > 0 && (at_once || self.may_log()) {
            log::error!("audit trail ({}) lost {new} entries: more came than could be written", self.name);
            self.logged_losses = dropped;
        }
    }

    fn may_log(&mut self) -> bool {
        let is_due = self.logged.is_none_or(|before| before.elapsed() > LOG_PAUSE);
        if is_due {
            self.logged = Some(Instant::now());
        }
        is_due
    }
}

/// Ends when the service stops, and never if it goes away without a stop.
async fn stopped(stop: &mut watch::Receiver<Option<Instant>>) {
    if stop.wait_for(Option::is_some).await.is_err() {
        std::future::pending().await
    }
}

enum Destination {
    Database(AuditWriter),
    StandardOutput,
    File(PathBuf),
}

impl Destination {
    fn lines(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::StandardOutput);
        }
        open(path).map_err(|error| {
            io::Error::other(format!("cannot write the audit trail {}: {error}", path.display()))
        })?;
        Ok(Self::File(path.to_owned()))
    }

    /// Writes all entries, or none.
    async fn write(&mut self, entries: &[AuditEntry], limit: Duration) -> Result<(), BackendError> {
        let path = match self {
            Self::Database(writer) => return Ok(writer.append(entries, limit).await?),
            Self::StandardOutput => None,
            Self::File(path) => Some(path.clone()),
        };
        let text: String = entries.iter().map(|entry| format!("{}\n", as_json(entry))).collect();
        let written = spawn_blocking(move || match path {
            Some(path) => open(&path)?.write_all(text.as_bytes()),
            None => {
                let mut output = io::stdout().lock();
                output.write_all(text.as_bytes())?;
                output.flush()
            }
        });
        Ok(written.await??)
    }
}

/// Opened for each batch, so that logrotate may rename the file.
fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// An entry as JSON.
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
    })
}

/// The user that runs this process, by name and ID.
pub(crate) fn operator() -> Actor {
    let name = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default();
    // The environment sets the name; the ID is the system's.
    #[cfg(unix)]
    let name = format!("{name} uid={}", rustix::process::getuid().as_raw());
    Actor::new(format!("command {}", name.trim()).trim())
}
