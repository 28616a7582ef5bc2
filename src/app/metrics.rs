//! The metrics at /metrics. They contain no user data.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{
        counter::{ConstCounter, Counter},
        gauge::ConstGauge,
        info::Info,
    },
    registry::Registry,
};

use crate::{
    adapters::passwords::Argon2Hasher,
    app::audit::{AuditTrail, LabeledCounter},
    auth::{AuthBuilder, TokenCache},
    domain::{
        event::{Event, EventKind, EventListener},
        ports::UserStore,
        user::AuthUser,
    },
    http::middleware::metrics::RequestMetrics,
};

/// The content type of the [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/) text format.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A counter of events: name, help, label, and the counted events with their label values.
type EventCounter = (&'static str, &'static str, &'static str, &'static [(EventKind, &'static str)]);

const EVENTS: [EventCounter; 4] = [
    (
        "sign_ins",
        "Password sign-ins by outcome",
        "outcome",
        &[
            (EventKind::SignedIn, "success"),
            (EventKind::SignInFailed, "failed"),
            (EventKind::SignInInactive, "inactive"),
            (EventKind::SignInBlocked, "blocked"),
        ],
    ),
    (
        "refreshes",
        "Refreshes by outcome",
        "outcome",
        &[
            (EventKind::Refreshed, "success"),
            (EventKind::RefreshRepeated, "repeated"),
            (EventKind::RefreshFailed, "failed"),
            (EventKind::RefreshTokenReused, "reused"),
        ],
    ),
    (
        "password_changes",
        "Password changes by outcome",
        "outcome",
        &[(EventKind::PasswordChanged, "success"), (EventKind::PasswordChangeFailed, "failed")],
    ),
    (
        "revocations",
        "Events that invalidated tokens",
        "event",
        &[
            (EventKind::TokenRevoked, "token_revoked"),
            (EventKind::SessionEnded, "session_ended"),
            (EventKind::SessionsEnded, "sessions_ended"),
            (EventKind::SessionEvicted, "session_evicted"),
            (EventKind::PasswordChanged, "password_changed"),
            (EventKind::RefreshTokenReused, "refresh_token_reused"),
        ],
    ),
];

/// The metrics of a service.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) requests: RequestMetrics,
    pub(crate) audit: Option<Arc<AuditTrail>>,
    events: Arc<EventMetrics>,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Metrics {
    pub(crate) fn new(audit: Option<Arc<AuditTrail>>) -> Self {
        let mut registry = Registry::with_prefix("gatepass");
        registry.register(
            "build",
            "Version of the program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let requests = RequestMetrics::register(&mut registry);
        let events = EVENTS.iter().flat_map(|(name, help, label, values)| {
            let family = LabeledCounter::default();
            registry.register(*name, *help, family.clone());
            values.iter().map(move |(kind, value)| (*kind, family.get_or_create_owned(&[(*label, *value)])))
        });
        let events = Arc::new(EventMetrics(events.collect()));
        if let Some(audit) = &audit {
            registry.register(
                "audit_entries",
                "Audit trail entries that were written",
                audit.written.clone(),
            );
            registry.register(
                "audit_entries_dropped",
                "Audit trail entries that were lost",
                audit.dropped.clone(),
            );
        }
        Self { requests, audit, events, registry }
    }

    /// Adds the metrics for password hashing.
    pub(crate) fn add_hasher(&mut self, hasher: Argon2Hasher) {
        self.registry.register_collector(Box::new(Readings(move || {
            let load = hasher.load();
            vec![
                gauge("hash_queue_waiting", "Passwords that are waiting for a hashing thread", load.waiting),
                gauge("hash_queue_limit", "Maximum number of passwords in the hashing queue", load.queue),
                gauge("hash_running", "Passwords that are being hashed", load.running),
                gauge("hash_threads", "Threads that hash passwords", load.threads),
                counter(
                    "hash_refused",
                    "Passwords refused because the queue was full or the wait too long",
                    load.refused,
                ),
            ]
        })));
    }

    /// Adds the metrics for the token cache.
    pub(crate) fn add_token_cache<U: AuthUser>(&mut self, cache: Arc<TokenCache<U>>) {
        self.registry.register_collector(Box::new(Readings(move || {
            let stats = cache.stats();
            vec![
                counter("token_cache_hits", "Token lookups that hit the cache", stats.hits),
                counter("token_cache_misses", "Token lookups that missed the cache", stats.misses),
                gauge("token_cache_tokens", "Tokens in the cache", stats.entries),
            ]
        })));
    }

    /// Registers the metrics and the audit trail as event listeners.
    pub(crate) fn listen<S: UserStore + 'static>(&self, auth: AuthBuilder<S>) -> AuthBuilder<S> {
        let auth = auth.listener(Arc::clone(&self.events) as _);
        match &self.audit {
            Some(audit) => auth.listener(Arc::clone(audit) as _),
            None => auth,
        }
    }

    /// Returns all metrics in the OpenMetrics text format.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct EventMetrics(Vec<(EventKind, Counter)>);

impl EventListener for EventMetrics {
    fn on_event(&self, event: &Event<'_>) {
        for (_, counter) in self.0.iter().filter(|(kind, _)| *kind == event.kind) {
            counter.inc();
        }
    }
}

/// Metrics whose values are read on each request to /metrics.
struct Readings<F>(F);

type Reading = (&'static str, &'static str, Box<dyn EncodeMetric>);

fn gauge(name: &'static str, help: &'static str, value: usize) -> Reading {
    (name, help, Box::new(ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))))
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Reading {
    (name, help, Box::new(ConstCounter::new(value)))
}

impl<F> fmt::Debug for Readings<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readings")
    }
}

impl<F: Fn() -> Vec<Reading> + Send + Sync + 'static> Collector for Readings<F> {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        (self.0)().iter().try_for_each(|(name, help, metric)| {
            // The registry appends a period to the help texts of all other metrics.
            let help = format!("{help}.");
            metric.encode(encoder.encode_descriptor(name, &help, None, metric.metric_type())?)
        })
    }
}
