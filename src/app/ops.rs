//! The server for health checks and metrics, which listens on a separate address.

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
use serde_json::json;

use crate::{
    adapters::sql::Database,
    app::{
        failure::Failure,
        metrics::{CONTENT_TYPE, Metrics},
        server::bind_failure,
    },
    domain::backend_error::BackendError,
    http::endpoints::resource,
};

/// The timeout for the database health check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The time in seconds for requests to this server to finish after the service has stopped.
const SHUTDOWN_TIMEOUT: u64 = 1;

/// The health checks and metrics of a service.
#[derive(Default)]
pub struct Operations {
    pub(crate) metrics: Arc<Metrics>,
    /// The database that must respond for the service to be ready.
    database: Option<Database>,
    /// True if the last check of the database failed.
    has_failed: AtomicBool,
    is_stopping: Arc<AtomicBool>,
}

impl Operations {
    pub(crate) fn new(metrics: Metrics, database: Option<Database>) -> Self {
        Self { metrics: Arc::new(metrics), database, ..Self::default() }
    }

    /// Returns the flag that makes /health/ready report that the service is stopping.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_stopping)
    }
}

/// The HTTP server for health checks and metrics.
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
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

/// Responds with the results of the checks. The cause of a failure is only logged.
async fn ready(operations: web::Data<Operations>) -> impl Responder {
    let (mut is_ready, mut checks) = (true, json!({}));
    if let Some(database) = &operations.database {
        let result = database.ping(CHECK_TIMEOUT).await.map_err(BackendError::from);
        is_ready = result.is_ok();
        // Only changes are logged: the check runs often.
        match (result, operations.has_failed.swap(!is_ready, Ordering::Relaxed)) {
            (Err(error), false) => log::warn!("not ready: database: {error}"),
            (Ok(()), true) => log::info!("ready again: the database responds"),
            _ => {}
        }
        checks = json!({ "database": if is_ready { "ok" } else { "failed" } });
    }
    let is_stopping = operations.is_stopping.load(Ordering::Relaxed);
    let status = match (is_stopping, is_ready) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let body = json!({ "status": status, "checks": checks });
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
