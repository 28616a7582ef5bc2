//! What whoever operates the service asks it, on an address of its own: whether it lives, whether it is ready, and
//! figures.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    dev::{Server, ServerHandle},
    http::header::{CACHE_CONTROL, HeaderValue},
    middleware::DefaultHeaders,
    rt, web,
};
use futures_util::future::{LocalBoxFuture, join_all};
use serde_json::Value;

use crate::{
    app::{
        metrics::{CONTENT_TYPE, Figures},
        server::StartError,
    },
    domain::backend_error::BackendError,
    http::endpoint,
};

/// How long the answer to a question may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How long the answers that are under way may take when all else has stopped.
const SHUTDOWN_TIMEOUT: u64 = 1;

/// Whether something can do its work.
type Check = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(), BackendError>> + Send + Sync>;

/// What is known of a service while it runs.
#[derive(Default)]
pub struct Operations {
    pub(crate) figures: Arc<Figures>,
    checks: Vec<(&'static str, Check, AtomicBool)>,
    is_stopping: Arc<AtomicBool>,
}

impl Operations {
    pub(crate) fn new(figures: Figures) -> Self {
        Self { figures: Arc::new(figures), ..Self::default() }
    }

    /// The service is ready only where this is.
    pub(crate) fn check(
        mut self,
        name: &'static str,
        check: impl Fn() -> LocalBoxFuture<'static, Result<(), BackendError>> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name, Box::new(check), AtomicBool::new(false)));
        self
    }

    /// Turned on, the service is not ready any more.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_stopping)
    }
}

/// The listener of operations.
pub(crate) struct OpsServer {
    address: SocketAddr,
    running: Server,
}

impl OpsServer {
    /// Listens on this address.
    pub(crate) fn bind(operations: Arc<Operations>, address: SocketAddr) -> Result<Self, StartError> {
        let application = move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&operations)))
                .wrap(DefaultHeaders::new().add((CACHE_CONTROL, HeaderValue::from_static("no-store"))))
                .service(endpoint::get("/health/live", live))
                .service(endpoint::get("/health/ready", ready))
                .service(endpoint::get("/metrics", metrics))
        };
        let server = HttpServer::new(application)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(SHUTDOWN_TIMEOUT)
            .bind(address)
            .map_err(|cause| match cause.kind() {
                io::ErrorKind::AddrInUse => StartError::OpsPortTaken(address),
                _ => StartError::Bind { address, cause },
            })?;
        let address = server.addrs().first().copied().unwrap_or(address);
        Ok(Self { address, running: server.run() })
    }

    pub(crate) fn announce(&self) {
        log::info!("operations on http://{}, at /health/live, /health/ready and /metrics", self.address);
    }

    /// Answers in the background, until the handle stops it.
    pub(crate) fn spawn(self) -> ServerHandle {
        let handle = self.running.handle();
        rt::spawn(self.running);
        handle
    }
}

async fn live() -> impl Responder {
    HttpResponse::Ok().json(serde_json::json!({ "status": "live" }))
}

/// Whether it is to be sent requests. The causes are in the log, not in the answer.
async fn ready(operations: web::Data<Operations>) -> impl Responder {
    let asked = operations.checks.iter().map(|(name, check, was_bad)| async move {
        let found = check().await;
        // Once, however often it is asked.
        match (&found, was_bad.swap(found.is_err(), Ordering::Relaxed)) {
            (Err(fault), false) => log::warn!("not ready: {name}: {fault}"),
            (Ok(()), true) => log::info!("ready again: {name}"),
            _ => {}
        }
        (*name, found.is_ok())
    });
    let checks = join_all(asked).await;
    let is_ready = checks.iter().all(|(_, is_ok)| *is_ok);
    let said = |(name, is_ok)| (name, Value::from(if is_ok { "ok" } else { "failed" }));
    let checks = Value::from_iter(checks.into_iter().map(said));
    let is_stopping = operations.is_stopping.load(Ordering::Relaxed);
    let status = match (is_stopping, is_ready) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let body = Value::from_iter([("status", Value::from(status)), ("checks", checks)]);
    if status == "ready" {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

async fn metrics(operations: web::Data<Operations>) -> impl Responder {
    match operations.figures.text() {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => {
            log::error!("the figures cannot be written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
