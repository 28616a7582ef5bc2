//! The scheduling priority of hashing threads.

/// How far they step back: all the way. A thread that answers requests wakes up and has the core at once; at 5 it often
/// waits for the end of a slice first. Not SCHED_IDLE, with which any other program that is busy on the machine takes
/// the cores from sign-ins. `cargo bench --bench storm` measures it.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// Lowers the priority of the calling thread: hashing takes every idle core and yields to requests.
pub(super) fn lower() {
    // On Linux alone a nice value is a thread's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        log::debug!("a hashing thread keeps its priority: {error}");
    }
}
