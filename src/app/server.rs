//! The server: the application, its address, its run from start to stop.

use std::{io, net::SocketAddr, num::NonZero, sync::Arc, thread, time::Duration};

use actix_web::{App, HttpServer, dev, web};
use serde::Serialize;
use thiserror::Error;
use utoipa::openapi::OpenApi;

use crate::{
    app::{
        audit::AuditTrail,
        connection,
        ops::{Operations, OpsServer},
        optional::Optional,
        outermost::Outermost,
        settings::Settings,
        signals::StopSignals,
        tls::{TlsError, TlsFiles},
    },
    auth::Auth,
    domain::ports::{PasswordHasher, TokenService, UserStore},
    http::{docs, edge::Edge, fallback::fallback, metrics::RequestCounter, page, users},
};

/// Routes to add to an application, one for each worker.
pub type Routes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// What a profile puts together.
pub struct Service<S: UserStore, H, T> {
    /// Users, hashing and tokens.
    pub auth: Auth<S, H, T>,
    /// What /openapi.json says.
    pub document: OpenApi,
    /// The profile's name, by which the start page knows what is meant for it.
    pub profile: &'static str,
    /// What it answers besides.
    pub routes: Routes,
    /// What is known of it while it runs.
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

/// Why a service did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The tutorial profile is for this machine alone.
    #[error(
        "the tutorial profile is insecure and listens on loopback addresses only, not on {0}; \
         --expose-tutorial (GATEPASS_EXPOSE_TUTORIAL=true) lets others in all the same"
    )]
    InsecureExposure(SocketAddr),
    /// Another program has the port.
    #[error("{0} is taken by another program; stop it or choose another port with --bind")]
    PortTaken(SocketAddr),
    /// The address cannot be listened on.
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
    /// Another program has the port of operations.
    #[error("{0} is taken by another program; stop it or choose another port with --ops-bind")]
    OpsPortTaken(SocketAddr),
    /// The audit trail cannot be written.
    #[error("{0}")]
    Audit(#[source] io::Error),
    /// An embedded file or the document cannot be prepared.
    #[error("cannot prepare the documentation: {0}")]
    Documentation(#[from] io::Error),
    /// The signals that end it cannot be caught.
    #[error("cannot catch signals: {0}")]
    Signals(#[source] io::Error),
}

impl Server {
    /// The service, listening on the address in `settings`.
    ///
    /// # Errors
    /// Where it cannot listen there.
    pub fn bind<S, H, T>(service: Service<S, H, T>, settings: &Settings) -> Result<Self, StartError>
    where
        S: UserStore<User: Serialize>,
        H: PasswordHasher,
        T: TokenService,
    {
        // Before anybody can know that it listens.
        let stop_signals = StopSignals::catch().map_err(StartError::Signals)?;
        let Service { auth, document, profile, routes, operations } = service;
        let docs = docs::routes(&document)?;
        let page = page::routes(profile)?;
        let options = &settings.edge;
        let tls = options.tls()?.map(TlsFiles::serve).transpose()?;
        let (has_tls, cors) = (tls.is_some(), options.cors_origins());
        let (proxies, body_limits) = (web::Data::new(settings.trusted_proxies()), options.body_limits());
        let edge = Edge { max_header_bytes: options.max_header_bytes as usize, has_tls };
        let counts = settings.ops.ops_bind.map(|_| Arc::clone(&operations.figures.requests));
        let application = move || {
            let outermost = Outermost { edge, counter: counts.clone().map(RequestCounter::new) };
            App::new()
                .app_data(proxies.clone())
                .app_data(body_limits)
                // From the inside to the outside.
                .wrap(auth.bearer())
                .wrap(Optional(cors.middleware()))
                .wrap_fn(move |request, next| outermost.pass(request, next))
                // The order in which a request's path is held against them: the most frequent first.
                .configure(users::routes::<S::User>())
                .configure(auth.routes())
                .configure(|config| routes(config))
                .configure(docs.clone())
                .configure(page.clone())
                .default_service(web::to(fallback))
        };
        let mut server = HttpServer::new(application)
            .shutdown_signal(stop_signals.stop(operations.stopping(), settings.ops.drain_delay()))
            .shutdown_timeout(settings.shutdown_timeout)
            .client_request_timeout(Duration::from_secs(options.header_timeout.get().into()))
            .keep_alive(Duration::from_secs(options.idle_timeout.get().into()))
            .on_connect(connection::watch(options.patience()));
        let workers = settings.workers.map_or_else(default_workers, usize::from);
        let of_database = settings.secure.database_connections.get().into();
        let connections = connection::affordable(options.max_connections.get(), of_database);
        server = server.workers(workers).max_connections((connections as usize).div_ceil(workers));
        let bound = match tls {
            Some(tls) => server.bind_rustls_0_23(settings.bind, tls),
            None => server.bind(settings.bind),
        };
        let server = bound.map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(settings.bind),
            _ => StartError::Bind { address: settings.bind, cause },
        })?;
        let address = server.addrs().first().copied().unwrap_or(settings.bind);
        let audit = operations.figures.audit.clone();
        let ops = match settings.ops.ops_bind {
            Some(bind) => Some(OpsServer::bind(Arc::new(operations), bind)?),
            None => None,
        };
        let scheme = if has_tls { "https" } else { "http" };
        Ok(Self { address, scheme, running: server.run(), ops, audit })
    }

    /// The address it listens on, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says in the log where it listens.
    pub fn announce(&self) {
        let Self { address, scheme, .. } = self;
        if let Some(ops) = &self.ops {
            ops.announce();
        }
        log::info!("listening on {scheme}://{address}, documentation at {scheme}://{address}/docs");
    }

    /// Answers requests until a signal ends it.
    ///
    /// # Errors
    /// Where accepting connections fails for good.
    pub async fn run(self) -> io::Result<()> {
        let Self { running, ops, audit, .. } = self;
        let ops = ops.map(OpsServer::spawn);
        let done = running.await;
        if let Some(audit) = audit {
            audit.flush();
        }
        // The last one: until then it says that the service stops, and what came of it.
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
