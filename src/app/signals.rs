//! The signals that end the service.

use actix_web::rt::signal;

/// Ends with the first SIGTERM or SIGINT: requests in flight are finished. A second one ends the process.
pub(crate) async fn stop() {
    received().await;
    log::info!("stopping: requests in flight are finished; a second signal stops at once");
    actix_web::rt::spawn(async {
        received().await;
        std::process::exit(1);
    });
}

#[cfg(unix)]
async fn received() {
    use actix_web::rt::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    let interrupt = std::pin::pin!(signal::ctrl_c());
    let terminate = std::pin::pin!(terminate.recv());
    futures_util::future::select(terminate, interrupt).await;
}

#[cfg(not(unix))]
async fn received() {
    if signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
