//! The signals that stop the service.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::rt::{self, signal};

/// Handlers for SIGTERM and SIGINT.
pub(crate) struct StopSignals {
    #[cfg(unix)]
    terminate: signal::unix::Signal,
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
}

impl StopSignals {
    /// Installs the handlers. Must be called inside the runtime.
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

    /// Sets `is_stopping` at the first signal and returns after `delay`. A second signal ends the process.
    pub(crate) async fn stop(mut self, is_stopping: Arc<AtomicBool>, delay: Duration) {
        self.received().await;
        is_stopping.store(true, Ordering::Relaxed);
        log::info!("stopping after the requests in flight; a second signal stops immediately");
        rt::spawn(async move {
            self.received().await;
            std::process::exit(1);
        });
        if !delay.is_zero() {
            log::info!("still accepting connections for {} s (--drain-delay)", delay.as_secs());
            rt::time::sleep(delay).await;
        }
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
