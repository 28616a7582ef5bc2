//! Health checks and metrics, on an address of their own.

use std::{
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
        failure::Failure,
        metrics::{CONTENT_TYPE, Metrics},
        server::bind_failure,
    },
    domain::backend_error::BackendError,
    http::endpoints::resource,
};

/// The timeout of a health check.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The time for requests to this server to finish after the service has stopped, in seconds.
const SHUTDOWN_TIMEOUT: u64 = 1;

type Check = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(), BackendError>> + Send + Sync>;

/// The health checks and metrics of a service.
#[derive(Default)]
pub struct Operations {
    pub(crate) metrics: Arc<Metrics>,
    checks: Vec<(&'static str, Check, AtomicBool)>,
    is_stopping: Arc<AtomicBool>,
}

impl Operations {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics: Arc::new(metrics), ..Self::default() }
    }

    /// Adds a check that must succeed for the service to be ready.
    pub(crate) fn check(
        mut self,
        name: &'static str,
        check: impl Fn() -> LocalBoxFuture<'static, Result<(), BackendError>> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name, Box::new(check), AtomicBool::new(false)));
        self
    }

    /// Returns a flag that makes the service report that it is stopping.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_stopping)
    }
}

/// The server of health checks and metrics.
pub(crate) struct OpsServer {
    address: SocketAddr,
    running: Server,
}

impl OpsServer {
    pub(crate) fn bind(operations: Arc<Operations>, address: SocketAddr) -> Result<Self, Failure> {
        let application = move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&operations)))
                .wrap(DefaultHeaders::new().add((CACHE_CONTROL, HeaderValue::from_static("no-store"))))
                .service(resource::get("/health/live", live))
                .service(resource::get("/health/ready", ready))
                .service(resource::get("/metrics", metrics))
        };
        let server = HttpServer::new(application)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(SHUTDOWN_TIMEOUT)
            .bind(address)
            .map_err(|cause| bind_failure(address, "--ops-bind", cause))?;
        let address = server.addrs().first().copied().unwrap_or(address);
        Ok(Self { address, running: server.run() })
    }

    pub(crate) fn announce(&self) {
        log::info!(
            "health checks and metrics on http://{}, at /health/live, /health/ready and /metrics",
            self.address
        );
    }

    /// Serves requests in the background until the handle stops the server.
    pub(crate) fn spawn(self) -> ServerHandle {
        let handle = self.running.handle();
        rt::spawn(self.running);
        handle
    }
}

async fn live() -> impl Responder {
    HttpResponse::Ok().json(serde_json::json!({ "status": "live" }))
}

/// Responds with the result of each check. The log has the causes of failures.
async fn ready(operations: web::Data<Operations>) -> impl Responder {
    let checks = operations.checks.iter().map(|(name, check, has_failed)| async move {
        let result = check().await;
        // Only changes are logged: the check runs often.
        match (&result, has_failed.swap(result.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => log::warn!("not ready: {name}: {error}"),
            (Ok(()), true) => log::info!("ready again: {name}"),
            _ => {}
        }
        (*name, result.is_ok())
    });
    let checks = join_all(checks).await;
    let is_ready = checks.iter().all(|(_, is_ok)| *is_ok);
    let state = |(name, is_ok)| (name, Value::from(if is_ok { "ok" } else { "failed" }));
    let checks = Value::from_iter(checks.into_iter().map(state));
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
    match operations.metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => {
            log::error!("cannot encode the metrics: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
