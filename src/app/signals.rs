//! The signals that end the service.

use std::io;

use actix_web::rt::{self, signal};

/// SIGTERM and SIGINT, caught from the moment this exists.
pub(crate) struct StopSignals {
    #[cfg(unix)]
    terminate: signal::unix::Signal,
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
}

impl StopSignals {
    /// Catches them. Has to be called inside the runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        #[cfg(unix)]
        use signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Ends with the first one: requests in flight are finished. A second one ends the process.
    pub(crate) async fn stop(mut self) {
        self.received().await;
        log::info!("stopping: requests in flight are finished; a second signal stops at once");
        rt::spawn(async move {
            self.received().await;
            std::process::exit(1);
        });
    }

    #[cfg(unix)]
    async fn received(&mut self) {
        use futures_util::future::select;
        let (terminate, interrupt) = (self.terminate.recv(), self.interrupt.recv());
        select(std::pin::pin!(terminate), std::pin::pin!(interrupt)).await;
    }

    #[cfg(not(unix))]
    async fn received(&mut self) {
        if signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
