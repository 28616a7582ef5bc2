//! The server: the application, its address, start and stop.

use std::{io, net::SocketAddr, num::NonZero, rc::Rc, sync::Arc, thread};

use actix_web::{
    App, HttpServer,
    dev::{self, ServiceRequest},
    middleware::{Condition, Next, from_fn},
    web,
};
use serde::Serialize;
use thiserror::Error;
use utoipa::openapi::OpenApi;

use crate::{
    app::{
        audit::AuditTrail,
        connection,
        document::Me,
        ops::{Operations, OpsServer},
        pipeline::Pipeline,
        settings::Settings,
        signals::StopSignals,
        tls::{TlsError, TlsFiles},
    },
    auth::Auth,
    domain::user::AuthUser,
    http::{
        endpoints::{docs, pages},
        fallback::fallback,
    },
};

type Routes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// The composition of a profile.
pub struct Service<U: AuthUser> {
    /// Users, hashing and tokens.
    pub auth: Auth<U>,
    /// The OpenAPI document.
    pub document: OpenApi,
    /// The name of the profile, which selects parts of the start page.
    pub profile: &'static str,
    /// Health checks and metrics.
    pub operations: Operations,
}

/// A service that listens but does not run yet.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    running: dev::Server,
    ops: Option<OpsServer>,
    audit: Option<Arc<AuditTrail>>,
}

/// The reason why a service did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The tutorial profile is for this machine alone.
    #[error(
        "the tutorial profile is insecure and listens on loopback addresses only, not on {0}; \
         to allow other addresses, set --expose-tutorial (GATEPASS_EXPOSE_TUTORIAL=true)"
    )]
    InsecureExposure(SocketAddr),
    /// Another program uses the port.
    #[error("{address} is taken by another program; stop it or choose another port with {option}")]
    PortTaken {
        /// The address.
        address: SocketAddr,
        /// The option that sets it.
        option: &'static str,
    },
    /// The address is not available.
    #[error("cannot listen on {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        cause: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The audit trail cannot be written.
    #[error("{0}")]
    Audit(#[source] io::Error),
    /// An embedded file or the OpenAPI document is invalid.
    #[error("cannot prepare the documentation: {0}")]
    Documentation(#[from] io::Error),
    /// The signals that stop the service cannot be caught.
    #[error("cannot catch signals: {0}")]
    Signals(#[source] io::Error),
}

impl StartError {
    pub(crate) fn bind(address: SocketAddr, option: &'static str, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken { address, option },
            _ => Self::Bind { address, cause },
        }
    }
}

impl Server {
    /// The service, listening on the address in `settings`.
    ///
    /// # Errors
    /// Where it cannot listen there.
    pub fn bind<U: AuthUser + Serialize>(
        service: Service<U>,
        settings: &Settings,
    ) -> Result<Self, StartError> {
        let Service { auth, document, profile, operations } = service;
        let (docs, page) = (docs::routes(&document)?, pages::routes(profile)?);
        // Paths are matched in this order: the most frequent first.
        let routes = move |app: &mut web::ServiceConfig| {
            app.service(auth.user_endpoint::<Me>("/users/me"))
                .configure(auth.routes())
                .configure(auth.account_routes::<Me>())
                .configure(docs.clone())
                .configure(page.clone());
        };
        Self::bind_routes(Arc::new(routes), operations, settings)
    }

    /// Not generic, so that the server is compiled once for both profiles.
    fn bind_routes(routes: Routes, operations: Operations, settings: &Settings) -> Result<Self, StartError> {
        // Before anybody can know that it listens.
        let stop_signals = StopSignals::catch().map_err(StartError::Signals)?;
        let options = &settings.network;
        let tls = settings.listen.tls()?.map(TlsFiles::serve).transpose()?;
        let (has_tls, cors) = (tls.is_some(), options.cors_origins());
        let (proxies, body_limits) = (web::Data::new(settings.trusted_proxies()), options.body_limits());
        let max_header_bytes = options.max_header_bytes as usize;
        let metrics = settings.operations.ops_bind.map(|_| Arc::clone(&operations.metrics));
        let application = move || {
            let pipeline = Rc::new(Pipeline { max_header_bytes, has_tls, metrics: metrics.clone() });
            App::new()
                .app_data(proxies.clone())
                .app_data(body_limits)
                // From the inside to the outside.
                .wrap(Condition::new(cors.is_enabled(), cors.middleware()))
                .wrap(from_fn(move |request: ServiceRequest, next: Next<_>| {
                    Rc::clone(&pipeline).handle(request, next)
                }))
                .configure(&*routes)
                .default_service(web::to(fallback))
        };
        let mut server = HttpServer::new(application)
            .shutdown_signal(stop_signals.stop(operations.stopping(), settings.operations.drain_delay()))
            .shutdown_timeout(settings.shutdown_timeout)
            .client_request_timeout(options.header_timeout())
            .keep_alive(options.idle_timeout())
            .on_connect(connection::on_connect(options.connection_timeouts()));
        let workers = settings.workers.map_or_else(default_workers, usize::from);
        let database_connections = settings.secure.database_connections.get().into();
        let connections = connection::limit(options.max_connections.get(), database_connections);
        server = server.workers(workers).max_connections((connections as usize).div_ceil(workers));
        let bound = match tls {
            Some(tls) => server.bind_rustls_0_23(settings.listen.bind, tls),
            None => server.bind(settings.listen.bind),
        };
        let server = bound.map_err(|cause| StartError::bind(settings.listen.bind, "--bind", cause))?;
        let address = server.addrs().first().copied().unwrap_or(settings.listen.bind);
        let audit = operations.metrics.audit.clone();
        let ops = match settings.operations.ops_bind {
            Some(bind) => Some(OpsServer::bind(Arc::new(operations), bind)?),
            None => None,
        };
        let scheme = if has_tls { "https" } else { "http" };
        Ok(Self { address, scheme, running: server.run(), ops, audit })
    }

    /// The address that it listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Logs the address.
    pub fn announce(&self) {
        let Self { address, scheme, .. } = self;
        if let Some(ops) = &self.ops {
            ops.announce();
        }
        log::info!("listening on {scheme}://{address}, documentation at {scheme}://{address}/docs");
    }

    /// Serves requests until a signal stops it.
    ///
    /// # Errors
    /// If accepting connections fails permanently.
    pub async fn run(self) -> io::Result<()> {
        let Self { running, ops, audit, .. } = self;
        let ops = ops.map(OpsServer::spawn);
        let done = running.await;
        if let Some(audit) = audit {
            audit.flush().await;
        }
        // Last: until then /health/ready reports that the service is stopping.
        if let Some(ops) = ops {
            ops.stop(true).await;
        }
        done
    }
}

/// One per core.
fn default_workers() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get)
}
