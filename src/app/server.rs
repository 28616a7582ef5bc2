//! The server: builds the application, listens and runs.

use std::{io, net::SocketAddr, num::NonZero, rc::Rc, sync::Arc, thread};

use actix_web::{
    App, HttpServer,
    dev::{self, ServiceRequest},
    middleware::{Condition, Next, from_fn},
    web,
};
use serde::Serialize;
use utoipa::openapi::OpenApi;

use crate::{
    app::{
        audit::AuditTrail,
        connection,
        document::Me,
        failure::Failure,
        ops::{Operations, OpsServer},
        pipeline::Pipeline,
        settings::Settings,
        signals::StopSignals,
        tls::TlsFiles,
    },
    auth::Auth,
    domain::user::AuthUser,
    http::{
        endpoints::docs,
        fallback::{absolute_fallback, fallback},
    },
};

/// The HTTP/2 flow-control window of a stream: the number of request body bytes that a client may send before they are
/// read.
const H2_STREAM_WINDOW: u32 = 64 * 1024;

/// The HTTP/2 flow-control window of a connection, for all its streams together.
const H2_CONNECTION_WINDOW: u32 = 256 * 1024;

/// A function that adds routes to an application. Each worker thread calls it for its own application.
pub type Routes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// The parts of a service, which the profile provides.
pub struct Service<U: AuthUser> {
    /// Authentication with the adapters of the profile.
    pub auth: Auth<U>,
    /// The OpenAPI document.
    pub document: OpenApi,
    /// The routes of the HTML pages other than the documentation.
    pub pages: Routes,
    /// Health checks and metrics.
    pub operations: Operations,
}

/// A service that listens, but does not accept connections yet.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    running: dev::Server,
    ops: Option<OpsServer>,
    audit: Option<Arc<AuditTrail>>,
}

/// Returns the failure for an address that the service cannot listen on. `option` sets the address.
pub(super) fn bind_failure(address: SocketAddr, option: &str, cause: io::Error) -> Failure {
    Failure::failed(match cause.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use by another program; stop it, or choose another port with {option}")
        }
        _ => format!("cannot listen on {address} ({option}): {cause}"),
    })
}

impl Server {
    /// Starts listening on the address in `settings`.
    ///
    /// # Errors
    /// If the service cannot listen on that address, or if a TLS file or the OpenAPI document is invalid.
    pub fn bind<U: AuthUser + Serialize>(service: Service<U>, settings: &Settings) -> Result<Self, Failure> {
        let Service { auth, document, pages, operations } = service;
        let docs = docs::routes_with_home(&document, "./")?;
        let is_fastapi = auth.error_format().is_fastapi();
        // Paths are matched in this order, so the most frequently requested path comes first.
        let routes = move |app: &mut web::ServiceConfig| {
            app.service(auth.user_endpoint::<Me>("/users/me"))
                .default_service(if is_fastapi { web::to(absolute_fallback) } else { web::to(fallback) })
                // For browsers, pages replace some of the endpoints below, and the default service above.
                .configure(&*pages)
                .configure(auth.routes())
                .configure(auth.account_routes::<Me>())
                .configure(docs.clone());
        };
        Self::bind_routes(Arc::new(routes), is_fastapi, operations, settings)
    }

    /// Does the non-generic part of `bind`, so that this code is compiled only once for both profiles.
    fn bind_routes(
        routes: Routes,
        is_fastapi: bool,
        operations: Operations,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        // Signal handlers are installed before listening, so that no signal is missed.
        let stop_signals = StopSignals::catch()?;
        let options = &settings.network;
        let tls = settings.listen.tls()?.map(TlsFiles::serve).transpose()?;
        let (has_tls, cors) = (tls.is_some(), options.cors_origins());
        let (proxies, body_limits) = (web::Data::new(settings.trusted_proxies()), options.body_limits());
        let origin_check = settings.origin_check();
        let max_header_bytes = options.max_header_bytes as usize;
        let metrics = settings.operations.ops_bind.map(|_| Arc::clone(&operations.metrics));
        let application = move || {
            let (origin_check, metrics) = (origin_check.clone(), metrics.clone());
            let has_request_id = !is_fastapi;
            let pipeline =
                Rc::new(Pipeline { max_header_bytes, has_tls, origin_check, has_request_id, metrics });
            App::new()
                .app_data(proxies.clone())
                .app_data(body_limits)
                // The middleware that is added last is the outermost.
                .wrap(Condition::new(cors.is_enabled(), cors.middleware()))
                .wrap(from_fn(move |request: ServiceRequest, next: Next<_>| {
                    Rc::clone(&pipeline).handle(request, next)
                }))
                .configure(&*routes)
        };
        let mut server = HttpServer::new(application)
            .shutdown_signal(stop_signals.stop(operations.stopping(), settings.operations.drain_delay))
            .shutdown_timeout(settings.shutdown_timeout.as_secs())
            .client_request_timeout(options.header_timeout)
            .keep_alive(options.idle_timeout())
            // Limits the number of request body bytes that HTTP/2 clients can make the server buffer.
            .h2_initial_window_size(H2_STREAM_WINDOW)
            .h2_initial_connection_window_size(H2_CONNECTION_WINDOW)
            .on_connect(connection::on_connect(options.connection_timeouts()));
        let workers = settings.workers.map_or_else(default_workers, usize::from);
        let database_connections = settings.secure.database_connections.get().into();
        let connections = connection::limit(options.max_connections.get(), database_connections);
        server = server.workers(workers).max_connections((connections as usize).div_ceil(workers));
        let bound = match tls {
            Some(tls) => server.bind_rustls_0_23(settings.listen.bind, tls),
            None => server.bind(settings.listen.bind),
        };
        let server = bound.map_err(|cause| bind_failure(settings.listen.bind, "--bind", cause))?;
        let address = server.addrs().first().copied().unwrap_or(settings.listen.bind);
        let audit = operations.metrics.audit.clone();
        let ops = match settings.operations.ops_bind {
            Some(bind) => Some(OpsServer::bind(Arc::new(operations), bind)?),
            None => None,
        };
        let scheme = if has_tls { "https" } else { "http" };
        Ok(Self { address, scheme, running: server.run(), ops, audit })
    }

    /// Returns the address that the service listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Logs the addresses of the service, its documentation and its health checks.
    pub fn announce(&self) {
        let Self { address, scheme, .. } = self;
        if let Some(ops) = &self.ops {
            ops.announce();
        }
        log::info!("listening on {scheme}://{address}, documentation at {scheme}://{address}/docs");
    }

    /// Serves requests until a signal stops the service.
    ///
    /// # Errors
    /// If accepting connections fails permanently.
    pub async fn run(self) -> io::Result<()> {
        let Self { running, ops, audit, .. } = self;
        let ops = ops.map(OpsServer::spawn);
        let result = running.await;
        if let Some(audit) = audit {
            audit.flush().await;
        }
        // Stopped last: until then, /health/ready reports that the service is stopping.
        if let Some(ops) = ops {
            ops.stop(true).await;
        }
        result
    }
}

/// Returns the number of CPU cores, or 2 if it is unknown.
fn default_workers() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get)
}
