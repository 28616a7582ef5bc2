//! Background tasks. They share one runtime of their own: tasks on the runtime of an Actix worker would stop together
//! with the worker.

use std::sync::OnceLock;

use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
};

/// A handle to a task, which aborts the task on drop.
#[derive(Debug)]
#[must_use = "dropping it aborts the task"]
pub(crate) struct BackgroundTask(AbortHandle);

/// Starts a task. The task must not block: blocking work belongs in `tokio::task::spawn_blocking`.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> BackgroundTask {
    BackgroundTask(runtime().spawn(task).abort_handle())
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[expect(clippy::expect_used, reason = "without threads the process cannot do its work")]
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("gatepass-background")
            .enable_all()
            .build()
            .expect("cannot start the thread for background tasks")
    })
}
