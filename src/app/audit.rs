//! The audit trail: what happens, as JSON lines and in the database. It never makes a request wait.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::runtime::{self, Runtime};

use crate::{
    adapters::sql::{Actor, AuditEntry, AuditWriter},
    domain::{
        backend_error::BackendError,
        event::{Event, EventListener},
    },
    http::moment::moment,
};

/// How many entries wait to be written; what does not fit is lost, and counted.
const WAITING: usize = 8192;

/// How many are written at once, and how often. Together they bound what a storm of failed sign-ins writes: 2,500 entries
/// a second, and no more transactions of the database than five.
const BATCH: usize = 500;
const PAUSE: Duration = Duration::from_millis(200);

/// How often it is looked whether the service stops.
const TICK: Duration = Duration::from_millis(50);

/// How long one write to the database may take, and how long until one that failed is tried again.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);

/// How long writing what is left may take when the service stops.
const FLUSH: Duration = Duration::from_secs(5);

/// How often the log says that entries are lost, at the most.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// Who is told of events, and passes them on to the threads that write them.
#[derive(Debug)]
pub(crate) struct AuditTrail(Vec<Sink>);

/// One of the places where entries are written, with a thread of its own: none waits for another.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) name: &'static str,
    queue: SyncSender<Arc<AuditEntry>>,
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
    stops: AtomicBool,
}

impl Sink {
    /// How many entries were written there.
    pub(crate) fn written(&self) -> u64 {
        self.counts.written.load(Ordering::Relaxed)
    }

    /// How many were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    fn start(name: &'static str, place: impl Place) -> io::Result<Self> {
        let (queue, entries) = sync_channel(WAITING);
        let counts = Arc::new(Counts::default());
        let writer = Writer {
            name,
            place,
            entries,
            counts: Arc::clone(&counts),
            complained: None,
            lost: 0,
            stopping: None,
        };
        let thread = thread::Builder::new().name(format!("audit-{name}")).spawn(move || writer.run())?;
        Ok(Self { name, queue, counts, thread })
    }
}

impl AuditTrail {
    /// A trail that is written to these places, or `None` where there are none.
    ///
    /// # Errors
    /// Where the file cannot be written to, or there is no thread to be had.
    pub(crate) fn start(
        lines: Option<&Path>,
        database: Option<AuditWriter>,
    ) -> io::Result<Option<Arc<Self>>> {
        let mut sinks = Vec::new();
        if let Some(path) = lines {
            sinks.push(Sink::start("lines", Lines::to(path)?)?);
        }
        if let Some(writer) = database {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            sinks.push(Sink::start("database", Rows { writer, runtime })?);
        }
        Ok((!sinks.is_empty()).then(|| Arc::new(Self(sinks))))
    }

    /// The places that it is written to.
    pub(crate) fn sinks(&self) -> impl Iterator<Item = &Sink> {
        self.0.iter()
    }

    /// Writes what is left, for some seconds at the most. What happens later is lost.
    pub(crate) fn flush(&self) {
        for Sink { counts, .. } in &self.0 {
            counts.stops.store(true, Ordering::Relaxed);
        }
        // One write may be under way.
        let end = Instant::now() + PATIENCE + FLUSH + RETRY;
        for Sink { name, thread, .. } in &self.0 {
            while !thread.is_finished() && Instant::now() < end {
                thread::sleep(TICK / 5);
            }
            if !thread.is_finished() {
                log::error!("the audit trail ({name}) was not written to its end: who takes it waits");
            }
        }
    }
}

impl EventListener for AuditTrail {
    fn happened(&self, event: &Event<'_>) {
        let entry = Arc::new(AuditEntry::from(event));
        for Sink { queue, counts, .. } in &self.0 {
            if queue.try_send(Arc::clone(&entry)).is_err() {
                counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Where entries are written.
trait Place: Send + 'static {
    /// Writes them: all, or none.
    fn write(&mut self, entries: &[Arc<AuditEntry>], patience: Duration) -> Result<(), BackendError>;
}

struct Writer<P> {
    name: &'static str,
    place: P,
    entries: Receiver<Arc<AuditEntry>>,
    counts: Arc<Counts>,
    /// When the log said last that entries are lost, and how many were then.
    complained: Option<Instant>,
    lost: u64,
    /// Since when the service stops.
    stopping: Option<Instant>,
}

impl<P: Place> Writer<P> {
    fn run(mut self) {
        loop {
            let begun = Instant::now();
            let batch = self.gather(begun + PAUSE);
            let stops = self.stops();
            if !batch.is_empty() {
                self.write(&batch);
            } else if stops {
                break;
            }
            self.complain(stops);
            // At most so many batches in a second.
            while !self.stops() && begun.elapsed() < PAUSE {
                thread::sleep(TICK.min(PAUSE.saturating_sub(begun.elapsed())));
            }
        }
        self.complain(true);
    }

    fn stops(&self) -> bool {
        self.counts.stops.load(Ordering::Relaxed)
    }

    /// What comes until then, or what is there when the service stops.
    fn gather(&self, end: Instant) -> Vec<Arc<AuditEntry>> {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let left =
                if self.stops() { Duration::ZERO } else { end.saturating_duration_since(Instant::now()) };
            match self.entries.recv_timeout(left.min(TICK)) {
                Ok(entry) => batch.push(entry),
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                Err(_) => break,
            }
        }
        batch
    }

    /// Writes a batch, again and again where that fails for now: others wait meanwhile, and what does not fit is lost.
    fn write(&mut self, batch: &[Arc<AuditEntry>]) {
        loop {
            if self.stops() && self.stopping.is_none() {
                self.stopping = Some(Instant::now());
            }
            let patience = match self.stopping {
                Some(since) => FLUSH.saturating_sub(since.elapsed()),
                None => PATIENCE,
            };
            let count = batch.len() as u64;
            let fault = match self.place.write(batch, patience) {
                Ok(()) => {
                    self.counts.written.fetch_add(count, Ordering::Relaxed);
                    return;
                }
                Err(fault) => fault,
            };
            let is_over = self.stopping.is_some_and(|since| since.elapsed() + RETRY > FLUSH);
            if !fault.is_temporary() || is_over {
                log::error!("the audit trail ({}) lost {count} entries: {fault}", self.name);
                self.counts.dropped.fetch_add(count, Ordering::Relaxed);
                self.lost += count;
                return;
            }
            if self.complained.is_none_or(|before| before.elapsed() > COMPLAINTS) {
                self.complained = Some(Instant::now());
                log::error!("the audit trail ({}) cannot be written and waits: {fault}", self.name);
            }
            thread::sleep(RETRY);
        }
    }

    /// Says in the log what did not fit.
    fn complain(&mut self, at_once: bool) {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        let is_due = at_once || self.complained.is_none_or(|before| before.elapsed() > COMPLAINTS);
        if dropped > self.lost && is_due {
            let news = dropped - self.lost;
            log::error!(
                "the audit trail ({}) lost {news} entries: more came than could be written",
                self.name
            );
            (self.lost, self.complained) = (dropped, Some(Instant::now()));
        }
    }
}

/// The database.
struct Rows {
    writer: AuditWriter,
    runtime: Runtime,
}

impl Place for Rows {
    fn write(&mut self, entries: &[Arc<AuditEntry>], patience: Duration) -> Result<(), BackendError> {
        let entries: Vec<_> = entries.iter().map(|entry| AuditEntry::clone(entry)).collect();
        self.runtime.block_on(self.writer.append(&entries, patience))
    }
}

/// JSON lines.
enum Lines {
    StandardOutput,
    File(PathBuf),
}

impl Lines {
    fn to(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::StandardOutput);
        }
        let cannot =
            |error| io::Error::other(format!("cannot write the audit trail {}: {error}", path.display()));
        open(path).map_err(cannot)?;
        Ok(Self::File(path.to_owned()))
    }
}

/// Opened anew for each batch: who renames it, as logrotate does, need tell nobody.
fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Place for Lines {
    fn write(&mut self, entries: &[Arc<AuditEntry>], _patience: Duration) -> Result<(), BackendError> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, &AuditObject::from(&**entry))?;
            text.push(b'\n');
        }
        match self {
            Self::StandardOutput => {
                let mut output = io::stdout().lock();
                output.write_all(&text)?;
                output.flush()?;
            }
            Self::File(path) => open(path)?.write_all(&text)?,
        }
        Ok(())
    }
}

/// An entry as JSON.
#[derive(Serialize)]
pub(crate) struct AuditObject<'a> {
    time: String,
    event: &'a str,
    username: Option<&'a str>,
    user_id: Option<&'a str>,
    client_id: Option<&'a str>,
    session_id: Option<&'a str>,
    address: Option<&'a str>,
    user_agent: Option<&'a str>,
    actor: Option<&'a str>,
    detail: Option<&'a str>,
}

impl<'a> From<&'a AuditEntry> for AuditObject<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        Self {
            time: moment(entry.time),
            event: &entry.event,
            username: entry.username.as_deref(),
            user_id: entry.user_id.as_deref(),
            client_id: entry.client_id.as_deref(),
            session_id: entry.session_id.as_deref(),
            address: entry.address.as_deref(),
            user_agent: entry.user_agent.as_deref(),
            actor: entry.actor.as_deref(),
            detail: entry.detail.as_deref(),
        }
    }
}

/// Whoever runs a command, as the operating system knows them.
pub(crate) fn whoever_runs_this() -> Actor {
    let name = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default();
    // The name is what the environment says; the number is the system's.
    #[cfg(unix)]
    let name = format!("{name} uid={}", rustix::process::getuid().as_raw());
    Actor::new(format!("command {}", name.trim()).trim())
}
