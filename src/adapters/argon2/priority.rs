//! The scheduling priority of hashing threads.

/// How far they step back: at 5, a thread that answers requests gets three times their share of a busy core, and
/// other programs on the machine cannot starve sign-ins either.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Lowers the priority of the calling thread: hashing takes every idle core and yields to requests.
pub(super) fn lower() {
    // On Linux alone a nice value is a thread's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        log::debug!("a hashing thread keeps its priority: {error}");
    }
}
