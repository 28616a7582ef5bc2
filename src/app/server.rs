//! The server: the application, its address, its run from start to stop.

use std::{io, net::SocketAddr, sync::Arc};

use actix_web::{App, HttpServer, dev, web};
use serde::Serialize;
use thiserror::Error;
use utoipa::openapi::OpenApi;

use crate::{
    app::{settings::Settings, signals::StopSignals},
    auth::Auth,
    domain::ports::{PasswordHasher, TokenService, UserStore},
    http::{access_log::access_log, docs, fallback::fallback, page, panic::answer_panics, users},
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
}

/// A service that listens but does not run yet.
pub struct Server {
    address: SocketAddr,
    running: dev::Server,
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
        let Service { auth, document, profile, routes } = service;
        let docs = docs::routes(&document)?;
        let page = page::routes(profile)?;
        let application = move || {
            App::new()
                .wrap(auth.bearer())
                .wrap_fn(answer_panics)
                .wrap_fn(access_log)
                // The order in which a request's path is held against them: the most frequent first.
                .configure(users::routes::<S::User>())
                .configure(auth.routes())
                .configure(|config| routes(config))
                .configure(docs.clone())
                .configure(page.clone())
                .default_service(web::to(fallback))
        };
        let mut server = HttpServer::new(application)
            .shutdown_signal(stop_signals.stop())
            .shutdown_timeout(settings.shutdown_timeout);
        if let Some(workers) = settings.workers {
            server = server.workers(workers.into());
        }
        let server = server.bind(settings.bind).map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(settings.bind),
            _ => StartError::Bind { address: settings.bind, cause },
        })?;
        let address = server.addrs().first().copied().unwrap_or(settings.bind);
        Ok(Self { address, running: server.run() })
    }

    /// The address it listens on, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says in the log where it listens.
    pub fn announce(&self) {
        let address = self.address;
        log::info!("listening on http://{address}, documentation at http://{address}/docs");
    }

    /// Answers requests until a signal ends it.
    ///
    /// # Errors
    /// Where accepting connections fails for good.
    pub async fn run(self) -> io::Result<()> {
        self.running.await
    }
}
