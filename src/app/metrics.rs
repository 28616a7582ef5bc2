//! What /metrics says: figures, none of them about a user.

use std::{
    array,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::{Registry, Unit},
};

use crate::{
    adapters::argon2::HashLoad,
    app::audit::AuditTrail,
    auth::{AuthBuilder, TokenCache, TokenCacheStats},
    domain::{
        event::{Event, EventKind, EventListener},
        ports::UserStore,
    },
    http::metrics::{Durations, RequestFigures},
};

/// What /metrics is: the text format of [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/).
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How often what happened.
#[derive(Debug)]
pub(crate) struct EventFigures([AtomicU64; EventKind::ALL.len()]);

impl Default for EventFigures {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl EventFigures {
    fn read(&self, kind: EventKind) -> u64 {
        self.0[kind as usize].load(Ordering::Relaxed)
    }
}

impl EventListener for EventFigures {
    fn happened(&self, event: &Event<'_>) {
        self.0[event.kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Says what the memory of recognised tokens does.
type ReadMemory = Box<dyn Fn() -> TokenCacheStats + Send + Sync>;

/// Where the figures come from.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) requests: Arc<RequestFigures>,
    pub(crate) events: Arc<EventFigures>,
    pub(crate) audit: Option<Arc<AuditTrail>>,
    hashes: Option<HashLoad>,
    memory: Option<ReadMemory>,
}

impl Figures {
    pub(crate) fn new(audit: Option<Arc<AuditTrail>>) -> Self {
        Self { audit, ..Self::default() }
    }

    pub(crate) fn of_hashes(&mut self, load: HashLoad) {
        self.hashes = Some(load);
    }

    pub(crate) fn of_memory<U: Send + Sync + 'static>(&mut self, memory: Arc<TokenCache<U>>) {
        self.memory = Some(Box::new(move || memory.figures()));
    }

    /// Has the events counted and written.
    pub(crate) fn listening<S: UserStore, H, T>(&self, auth: AuthBuilder<S, H, T>) -> AuthBuilder<S, H, T> {
        let auth = auth.listener(Arc::clone(&self.events) as _);
        match &self.audit {
            Some(audit) => auth.listener(Arc::clone(audit) as _),
            None => auth,
        }
    }

    /// All of them, as Prometheus reads them.
    pub(crate) fn text(self: &Arc<Self>) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("gatepass");
        registry.register_collector(Box::new(Arc::clone(self)));
        let mut text = String::with_capacity(16 * 1024);
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

const SIGN_INS: [(&str, EventKind); 4] = [
    ("success", EventKind::SignedIn),
    ("failed", EventKind::SignInFailed),
    ("inactive", EventKind::SignInInactive),
    ("blocked", EventKind::SignInBlocked),
];
const REFRESHES: [(&str, EventKind); 3] = [
    ("success", EventKind::Refreshed),
    ("failed", EventKind::RefreshFailed),
    ("reused", EventKind::RefreshTokenReused),
];
const PASSWORD_CHANGES: [(&str, EventKind); 2] =
    [("success", EventKind::PasswordChanged), ("failed", EventKind::PasswordChangeFailed)];
/// What ends tokens before their time.
const REVOCATIONS: [EventKind; 5] = [
    EventKind::TokenRevoked,
    EventKind::SessionEnded,
    EventKind::SessionsEnded,
    EventKind::PasswordChanged,
    EventKind::RefreshTokenReused,
];

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.gauge("build_info", "The version that runs", |value| value(&version, 1))?;
        self.encode_requests(&mut page)?;
        let events = |of: &'static [(&str, EventKind)]| {
            move |value: &mut Value<'_, 1>| {
                of.iter()
                    .try_for_each(|(outcome, kind)| value(&[("outcome", outcome)], self.events.read(*kind)))
            }
        };
        page.counter("sign_ins", "Attempts to sign in with a password", events(&SIGN_INS))?;
        page.counter("refreshes", "Uses of refresh tokens", events(&REFRESHES))?;
        page.counter("password_changes", "Attempts to change a password", events(&PASSWORD_CHANGES))?;
        page.counter("revocations", "What ended tokens before their time", |value| {
            REVOCATIONS
                .iter()
                .try_for_each(|kind| value(&[("event", kind.as_str())], self.events.read(*kind)))
        })?;
        if let Some(load) = &self.hashes {
            page.single_gauge("hash_queue_waiting", "Passwords that wait to be hashed", load.waiting())?;
            page.single_gauge("hash_queue_limit", "Passwords that may wait to be hashed", load.queue())?;
            page.single_gauge("hash_running", "Passwords that are being hashed", load.running())?;
            page.single_gauge("hash_threads", "Threads that hash passwords", load.threads())?;
            page.single_counter("hash_refused", "Passwords refused because too many waited", load.refused())?;
        }
        if let Some(memory) = &self.memory {
            let TokenCacheStats { hits, misses, tokens } = memory();
            page.single_counter("token_cache_hits", "Tokens that were recognised from memory", hits)?;
            page.single_counter("token_cache_misses", "Tokens that were looked up", misses)?;
            page.single_gauge("token_cache_tokens", "Tokens that are known from memory", tokens)?;
        }
        if let Some(audit) = &self.audit {
            page.counter("audit_entries", "Entries of the audit trail that were written", |value| {
                audit.sinks().try_for_each(|sink| value(&[("sink", sink.name)], sink.written()))
            })?;
            page.counter("audit_entries_dropped", "Entries of the audit trail that were lost", |value| {
                audit.sinks().try_for_each(|sink| value(&[("sink", sink.name)], sink.dropped()))
            })?;
        }
        Ok(())
    }
}

impl Figures {
    fn encode_requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let requests = self.requests.read();
        let mut durations = BTreeMap::<_, Durations>::new();
        page.counter("http_requests", "Requests that were answered", |value| {
            for (labels, own) in &requests {
                let status = labels.status.to_string();
                value(
                    &[("route", &*labels.route), ("method", labels.method), ("status", &status)],
                    own.count(),
                )?;
                durations.entry((&*labels.route, labels.method)).or_default().add(own);
            }
            Ok(())
        })?;
        let kind = MetricType::Histogram;
        let name = "http_request_duration";
        let mut encoder =
            page.0.encode_descriptor(name, "How long until the answer began", Some(&Unit::Seconds), kind)?;
        for ((route, method), durations) in &durations {
            let labels = [("route", *route), ("method", *method)];
            let classes: Vec<_> = durations.classes().collect();
            let mut family = encoder.encode_family(&labels)?;
            family.encode_histogram::<NoLabelSet>(durations.sum(), durations.count(), &classes, None)?;
        }
        Ok(())
    }
}

/// The figures that are being written.
struct Page<'a>(DescriptorEncoder<'a>);

/// Writes a figure, by its labels.
type Value<'v, const LABELS: usize> = dyn FnMut(&[(&str, &str); LABELS], u64) -> fmt::Result + 'v;

impl Page<'_> {
    fn counter<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl FnOnce(&mut Value<'_, LABELS>) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values(&mut |labels, value| encode_counter(encoder.encode_family(labels)?, value))
    }

    fn gauge<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl FnOnce(&mut Value<'_, LABELS>) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values(&mut |labels, value| encoder.encode_family(labels)?.encode_gauge(&value))
    }

    fn single_counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        encode_counter(self.0.encode_descriptor(name, help, None, MetricType::Counter)?, value)
    }

    fn single_gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        encoder.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
    }
}

fn encode_counter(mut encoder: MetricEncoder<'_>, value: u64) -> fmt::Result {
    encoder.encode_counter(&value, None::<&Exemplar<[(&str, &str); 0], u64>>)
}
