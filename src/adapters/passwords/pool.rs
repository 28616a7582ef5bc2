//! The threads for CPU-heavy work on passwords, behind a bounded queue.

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

/// The memory that all threads together may use in addition to their own blocks, in KiB: two of the largest hashes.
const MAX_EXTRA_MEMORY: u32 = 2 * MAX_MEMORY + 1024;

/// The niceness of hashing threads, the maximum: they use idle cores and yield to threads that serve requests. With
/// SCHED_IDLE any other busy program would stop sign-ins. `cargo bench --bench storm` measures the effect.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// Threads that start on demand and end when the pool is dropped.
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    max_wait: Duration,
    /// The number of blocks that each thread reuses. With an allocation for each hash, glibc kept hundreds of MiB.
    own_blocks: usize,
    state: Mutex<State>,
    /// Signals a new job, the end of a job, or the end of the pool.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    load: HashLoad,
    /// The number of threads that have started.
    threads: usize,
    /// The extra memory of all running jobs, in KiB.
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
    /// The number of passwords refused so far because the queue was full or the wait too long.
    pub refused: u64,
    /// The maximum number of threads.
    pub threads: usize,
    /// The maximum number of passwords that wait.
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

    /// Runs `work` on one of the threads. It starts when `extra_memory` KiB are available, and does not start if the
    /// future was dropped before.
    ///
    /// # Errors
    /// [`BackendError::busy`], at once, if the queue is full or the wait would be too long.
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
                // An error means that the request was cancelled.
                let _ = sender.send(result);
            }
        });
        self.push(Job { extra_memory: extra_memory.min(MAX_EXTRA_MEMORY), work })?;
        receiver.await.unwrap_or_else(|_| Err(BackendError::new("a password hashing thread panicked")))
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
                Err(error) => log::warn!("cannot start a further thread to hash passwords: {error}"),
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
        // Only Linux has a niceness for each thread.
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            log::debug!("cannot lower the priority of a hashing thread: {error}");
        }
        let mut blocks = Vec::new();
        // Without memory each hash tries again and fails with an error.
        let _ = blocks.try_reserve_exact(self.own_blocks);
        while let Some((work, running)) = self.next() {
            // The panic hook logs the panic. The caller gets an error, because its sender is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&mut blocks, running)));
        }
    }

    /// Waits for the next job, in the order of their arrival, and for its memory.
    fn next(&self) -> Option<(Work, Running<'_>)> {
        let mut state = self.lock();
        while !state.is_closed {
            let available = MAX_EXTRA_MEMORY - state.extra_memory;
            if let Some(Job { extra_memory, work }) =
                state.queue.pop_front_if(|job| job.extra_memory <= available)
            {
                state.load.running += 1;
                state.extra_memory += extra_memory;
                return Some((work, Running { shared: self, extra_memory, start: Instant::now() }));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

/// A job that runs, until it is dropped.
struct Running<'a> {
    shared: &'a Shared,
    extra_memory: u32,
    start: Instant,
}

impl Running<'_> {
    /// Ends a job that was not cancelled.
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
mod tests {
    use std::{
        pin::{Pin, pin},
        sync::{
            atomic::{AtomicU32, AtomicUsize, Ordering},
            mpsc,
        },
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::adapters::passwords::argon2id::Argon2Params;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn pool(threads: usize, queue: usize) -> Pool {
        Pool::new(&Argon2Settings {
            memory: 16,
            threads: NonZeroUsize::new(threads),
            queue: NonZeroUsize::new(queue).unwrap(),
            max_wait: Duration::from_millis(250),
            ..Argon2Settings::default()
        })
    }

    /// Polls once, so that the work is in the queue.
    fn begin<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn run_with_panicking_work_returns_an_error_and_the_thread_goes_on() {
        let pool = pool(1, 4);
        for _ in 0..3 {
            let error = block_on(pool.run::<()>(MAX_EXTRA_MEMORY, |_| panic!("as a test"))).unwrap_err();
            assert_eq!(error.to_string(), "a password hashing thread panicked");
            assert!(!error.is_temporary());
        }
        assert_eq!(block_on(pool.run(MAX_EXTRA_MEMORY, |_| Ok(7))).unwrap(), 7);
        assert_eq!(pool.0.lock().extra_memory, 0);
    }

    #[test]
    fn run_with_a_dropped_future_does_not_start_the_work() {
        let pool = pool(1, 4);
        let (go_on, wait) = mpsc::channel::<()>();
        let started = Arc::new(AtomicUsize::new(0));
        let count = || {
            let started = Arc::clone(&started);
            move |_: &mut Vec<Block>| Ok(started.fetch_add(1, Ordering::SeqCst))
        };
        let mut first = pin!(pool.run(0, move |_| Ok(wait.recv()?)));
        assert!(begin(first.as_mut()).is_pending());
        assert!(begin(pin!(pool.run(0, count()))).is_pending());
        go_on.send(()).unwrap();
        block_on(first).unwrap();
        block_on(pool.run(0, count())).unwrap();
        assert_eq!(started.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn run_with_too_long_a_wait_is_refused_with_the_wait() {
        let pool = pool(1, 100);
        // Without a finished job the wait is unknown.
        let sleep = |_: &mut Vec<Block>| {
            thread::sleep(Duration::from_millis(100));
            Ok(())
        };
        block_on(pool.run(0, sleep)).unwrap();
        let mut jobs: Vec<_> = (0..10).map(|_| Box::pin(pool.run(0, sleep))).collect();
        let (mut waiting, mut waits) = (0, Vec::new());
        for job in &mut jobs {
            match begin(job.as_mut()) {
                Poll::Pending => waiting += 1,
                Poll::Ready(result) => waits.push(result.unwrap_err().retry_after().unwrap()),
            }
        }
        assert!((1..=3).contains(&waiting), "{waiting} wait");
        assert!(waits.iter().all(|wait| (250..1000).contains(&wait.as_millis())), "{waits:?}");
    }

    #[test]
    fn estimated_wait_is_that_for_all_threads_and_follows_recent_jobs() {
        let pool = pool(2, 100);
        let finish = |millis| {
            let start = Instant::now() - Duration::from_millis(millis);
            pool.0.lock().load.running += 1;
            Running { shared: &pool.0, extra_memory: 0, start }.finish();
        };
        (0..50).for_each(|_| finish(10));
        (0..50).for_each(|_| finish(200));
        // Two jobs run, one waits.
        pool.0.lock().load.running = 3;
        pool.0.lock().threads = 2;
        let mut next = pin!(pool.run(0, |_| Ok(())));
        assert!(begin(next.as_mut()).is_pending(), "200 ms for two jobs on two threads");
        let mut refused = pin!(pool.run(0, |_| Ok(())));
        let Poll::Ready(Err(error)) = begin(refused.as_mut()) else { panic!("300 ms for three jobs") };
        assert!((295..=305).contains(&error.retry_after().unwrap().as_millis()), "{error:?}");
    }

    #[test]
    fn run_with_a_full_queue_is_refused_until_there_is_space() {
        let pool = pool(1, 1);
        let (go_on, wait) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        let mut first = pin!(pool.run(0, move |_| {
            started.send(())?;
            Ok(wait.recv()?)
        }));
        assert!(begin(first.as_mut()).is_pending());
        has_started.recv().unwrap();
        let mut second = pin!(pool.run(0, |_| Ok(())));
        assert!(begin(second.as_mut()).is_pending());
        let load = HashLoad { waiting: 1, running: 1, refused: 0, threads: 1, queue: 1 };
        assert_eq!(pool.load(), load);
        assert!(block_on(pool.run(0, |_| Ok(()))).unwrap_err().is_temporary());
        assert_eq!(pool.load(), HashLoad { refused: 1, ..load });

        go_on.send(()).unwrap();
        block_on(async { first.await.and(second.await) }).unwrap();
        block_on(pool.run(0, |_| Ok(()))).unwrap();
    }

    #[test]
    fn threads_start_on_demand_up_to_the_limit_and_end_with_the_pool() {
        let pool = pool(2, 10);
        let shared = Arc::downgrade(&pool.0);
        assert_eq!(pool.0.lock().threads, 0);
        block_on(pool.run(0, |_| Ok(()))).unwrap();
        assert_eq!(pool.0.lock().threads, 1);
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let mut jobs: Vec<_> = (0..4)
            .map(|_| {
                let wait = Arc::clone(&wait);
                Box::pin(pool.run(0, move |_| Ok(wait.lock().unwrap().recv()?)))
            })
            .collect();
        jobs.iter_mut().for_each(|job| assert!(begin(job.as_mut()).is_pending()));
        assert_eq!(pool.0.lock().threads, 2);
        (0..4).for_each(|_| go_on.send(()).unwrap());
        jobs.into_iter().for_each(|job| block_on(job).unwrap());

        drop(pool);
        let start = Instant::now();
        while shared.strong_count() > 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "the threads go on");
            thread::yield_now();
        }
    }

    #[test]
    fn a_thread_reuses_its_own_blocks_and_frees_larger_ones() {
        let pool = pool(1, 4);
        let derive = |memory: u32| {
            let params = Argon2Params::new(memory, 1, 1).unwrap();
            block_on(pool.run(0, move |blocks| {
                params.derive(b"secret", &[0; 16], blocks, &mut [0; 32])?;
                Ok((blocks.as_ptr().addr(), blocks.len(), blocks.capacity()))
            }))
            .unwrap()
        };
        let (first, ..) = derive(8);
        for memory in [16, 8, 128, 16] {
            assert_eq!(derive(memory), (first, 16, 16), "{memory} KiB");
        }
    }

    #[test]
    fn extra_memory_of_all_threads_stays_within_the_limit() {
        let pool = pool(4, 100);
        let used = Arc::new(AtomicU32::new(0));
        let job = || {
            let used = Arc::clone(&used);
            pool.run(MAX_MEMORY, move |_| {
                let now = used.fetch_add(MAX_MEMORY, Ordering::SeqCst) + MAX_MEMORY;
                thread::sleep(Duration::from_millis(1));
                used.fetch_sub(MAX_MEMORY, Ordering::SeqCst);
                Ok(now)
            })
        };
        let mut jobs: Vec<_> = (0..20).map(|_| Box::pin(job())).collect();
        jobs.iter_mut().for_each(|job| assert!(begin(job.as_mut()).is_pending()));
        let peaks: Vec<u32> = jobs.into_iter().map(|job| block_on(job).unwrap()).collect();
        assert_eq!(peaks.iter().max(), Some(&(2 * MAX_MEMORY)));
    }

    #[test]
    fn run_with_more_memory_than_the_limit_does_not_wait_forever() {
        assert_eq!(block_on(pool(1, 1).run(u32::MAX, |_| Ok(7))).unwrap(), 7);
    }
}
