//! A thread pool with a bounded queue, for CPU-heavy work on passwords.

use std::{
    collections::VecDeque,
    fmt,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ::argon2::Block;
use tokio::sync::oneshot;

use super::{argon2id::MAX_MEMORY, settings::Argon2Settings};
use crate::domain::backend_error::BackendError;

/// The memory that all threads together may use in addition to their own blocks, in KiB: enough for two of the largest
/// hashes.
const MAX_EXTRA_MEMORY: u32 = 2 * MAX_MEMORY + 1024;

/// The niceness of hashing threads, which is the maximum: they use idle cores and yield to threads that serve requests.
/// With SCHED_IDLE, any other busy program would stop sign-ins.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// A pool of threads that start on demand and end when the pool is dropped.
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    max_wait: Duration,
    /// The number of blocks that each thread reuses. When each hash allocated its own, glibc retained hundreds of MiB.
    own_blocks: usize,
    state: Mutex<State>,
    /// Notified when a job is added or ends, and when the pool is closed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    load: HashLoad,
    /// The number of threads that have started.
    threads: usize,
    /// The memory of running jobs beyond the blocks of their threads, in KiB.
    extra_memory: u32,
    /// A moving average of the duration of jobs.
    average: Duration,
    is_closed: bool,
}

type Work = Box<dyn FnOnce(&mut Vec<Block>, Running<'_>) + Send>;

struct Job {
    extra_memory: u32,
    work: Work,
}

/// The load of an [`Argon2Hasher`](crate::passwords::Argon2Hasher)'s threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashLoad {
    /// The number of passwords that wait for a thread.
    pub waiting: usize,
    /// The number of passwords that are being hashed.
    pub running: usize,
    /// The number of passwords rejected so far because the queue was full or the wait would have been too long.
    pub refused: u64,
    /// The maximum number of threads.
    pub threads: usize,
    /// The maximum number of passwords that wait for a thread.
    pub queue: usize,
}

impl Pool {
    pub(super) fn new(settings: &Argon2Settings) -> Self {
        let threads = settings.threads.or_else(|| thread::available_parallelism().ok());
        let (threads, queue) = (threads.map_or(1, NonZeroUsize::get), settings.queue.get());
        let load = HashLoad { threads, queue, ..HashLoad::default() };
        let state = State { load, ..State::default() };
        Self(Arc::new(Shared {
            max_wait: settings.max_wait,
            own_blocks: settings.memory as usize,
            state: state.into(),
            changed: Condvar::new(),
        }))
    }

    pub(super) fn load(&self) -> HashLoad {
        let state = self.0.lock();
        HashLoad { waiting: state.queue.len(), ..state.load }
    }

    /// Runs `work` on one of the threads, once `extra_memory` KiB are available. If the future is dropped before that,
    /// `work` does not run.
    ///
    /// # Errors
    /// [`BackendError::busy`], immediately, if the queue is full or the wait would be too long.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        extra_memory: u32,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (sender, receiver) = oneshot::channel();
        let work = Box::new(move |blocks: &mut Vec<Block>, running: Running<'_>| {
            if !sender.is_closed() {
                let result = work(blocks);
                running.finish();
                // Sending fails if the request was canceled.
                let _ = sender.send(result);
            }
        });
        self.push(Job { extra_memory: extra_memory.min(MAX_EXTRA_MEMORY), work })?;
        receiver.await.unwrap_or_else(|_| Err(BackendError::new("a password hashing job panicked")))
    }

    fn push(&self, job: Job) -> Result<(), BackendError> {
        let mut state = self.0.lock();
        let HashLoad { threads, queue, .. } = state.load;
        let jobs = state.queue.len() + state.load.running;
        let rounds = (jobs + 1).saturating_sub(threads) as f64 / threads as f64;
        let wait = state.average.mul_f64(rounds);
        if jobs >= queue + threads || wait > self.0.max_wait {
            state.load.refused += 1;
            return Err(BackendError::busy("too many passwords are waiting to be hashed", wait));
        }
        if jobs >= state.threads && state.threads < threads {
            let (shared, name) = (Arc::clone(&self.0), format!("hash-{}", state.threads));
            match thread::Builder::new().name(name).spawn(move || shared.run_jobs()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    return Err(BackendError::unavailable(format!(
                        "cannot start a thread to hash passwords: {error}"
                    )));
                }
                Err(error) => log::warn!("cannot start another thread to hash passwords: {error}"),
            }
        }
        state.queue.push_back(job);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.load()).finish()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_jobs(&self) {
        // Only Linux supports a niceness per thread.
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            log::debug!("cannot lower the priority of a hashing thread: {error}");
        }
        let mut blocks = Vec::new();
        // If the reservation fails, each hash allocates its own blocks.
        let _ = blocks.try_reserve_exact(self.own_blocks);
        while let Some((work, running)) = self.next() {
            // The panic hook logs the panic. The caller gets an error, because the sender is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&mut blocks, running)));
        }
    }

    /// Waits for the next job in the queue, and for its memory. Returns `None` when the pool is closed.
    fn next(&self) -> Option<(Work, Running<'_>)> {
        let mut state = self.lock();
        while !state.is_closed {
            let available = MAX_EXTRA_MEMORY - state.extra_memory;
            let has_memory = state.queue.front().is_some_and(|job| job.extra_memory <= available);
            if has_memory && let Some(Job { extra_memory, work }) = state.queue.pop_front() {
                state.load.running += 1;
                state.extra_memory += extra_memory;
                return Some((work, Running { shared: self, extra_memory, start: Instant::now() }));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

/// A running job. Its memory becomes available on drop.
struct Running<'a> {
    shared: &'a Shared,
    extra_memory: u32,
    start: Instant,
}

impl Running<'_> {
    /// Ends a job that ran to completion, and updates the average duration.
    fn finish(self) {
        let (elapsed, mut state) = (self.start.elapsed(), self.shared.lock());
        let is_first = state.average.is_zero();
        state.average = if is_first { elapsed } else { (state.average * 7 + elapsed) / 8 };
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.load.running -= 1;
        state.extra_memory -= self.extra_memory;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
