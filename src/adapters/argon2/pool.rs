//! The threads that hash, and the queue before them.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    backlog::Backlog,
    memory::{Headroom, Memory},
    priority,
};
use crate::domain::backend_error::BackendError;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// How many threads, and what may wait for them.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) threads: usize,
    /// How many jobs may wait.
    pub(super) queue: usize,
    /// How long a job may have to wait, as far as can be told when it comes.
    pub(super) max_wait: Duration,
}

/// Threads that work off one bounded queue. They end when it is dropped.
pub(super) struct Pool {
    queue: SyncSender<Job>,
    load: HashLoad,
    backlog: Arc<Backlog>,
    max_wait: Duration,
}

/// How busy the threads of an [`Argon2Hasher`](crate::Argon2Hasher) are, now and whenever it is asked. A clone tells
/// the same.
#[derive(Clone, Debug, Default)]
pub struct HashLoad(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    running: AtomicUsize,
    refused: AtomicU64,
    threads: usize,
    queue: usize,
}

impl HashLoad {
    /// How many passwords wait to be hashed.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// How many are being hashed.
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::Relaxed)
    }

    /// How many were refused so far because too many waited.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.0.threads
    }

    /// How many may wait.
    pub fn queue(&self) -> usize {
        self.0.queue
    }
}

impl Pool {
    /// Starts the threads; each keeps `memory` KiB.
    pub(super) fn start(bounds: Bounds, memory: u32) -> io::Result<Self> {
        let Bounds { threads, queue, max_wait } = bounds;
        let load = HashLoad(Arc::new(Counts { threads, queue, ..Counts::default() }));
        let (queue, jobs) = sync_channel(queue);
        let (jobs, headroom) = (Arc::new(Mutex::new(jobs)), Arc::new(Headroom::default()));
        for number in 0..threads {
            let (jobs, memory) = (Arc::clone(&jobs), Memory::new(memory, Arc::clone(&headroom)));
            let counts = Arc::clone(&load.0);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work_off(&jobs, &counts, memory))?;
        }
        Ok(Self { queue, load, backlog: Arc::new(Backlog::new(threads)), max_wait })
    }

    pub(super) fn load(&self) -> &HashLoad {
        &self.load
    }

    /// What `work` gives on one of the threads. Work whose future was dropped is not begun.
    ///
    /// # Errors
    /// A temporary fault, at once, where the queue is full or the wait would be too long; a fault where `work` panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (answer, outcome) = oneshot::channel();
        let (ticket, wait) = self.backlog.enter();
        let counts = &*self.load.0;
        let busy = || {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            BackendError::busy("too many passwords are waiting to be hashed", wait)
        };
        if wait > self.max_wait {
            return Err(busy());
        }
        let job = Box::new(move |memory: &mut Memory| {
            if !answer.is_closed() {
                let start = Instant::now();
                let done = work(memory);
                ticket.took(start.elapsed());
                drop(ticket);
                // Nobody waits any more: nothing is lost.
                let _ = answer.send(done);
            }
        });
        // Before it is in the queue: a thread may take it at once.
        counts.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(job).map_err(|error| {
            counts.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => busy(),
                TrySendError::Disconnected(_) => {
                    BackendError::new("the threads that hash passwords have ended")
                }
            }
        })?;
        outcome.await.unwrap_or_else(|_| Err(BackendError::new("a thread that hashes passwords panicked")))
    }
}

fn work_off(jobs: &Mutex<Receiver<Job>>, counts: &Counts, mut memory: Memory) {
    priority::lower();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        counts.waiting.fetch_sub(1, Ordering::Relaxed);
        counts.running.fetch_add(1, Ordering::Relaxed);
        // The panic was logged by its hook, and dropped the job's `answer`: its caller knows.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
        counts.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::mpsc,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// One thread.
    fn bounds(queue: usize) -> Bounds {
        Bounds { threads: 1, queue, max_wait: Duration::from_secs(60) }
    }

    /// Polls once, so that the work is in the queue.
    fn begin<F: Future>(future: std::pin::Pin<&mut F>) {
        assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn a_panic_is_a_fault_and_the_thread_goes_on() {
        let pool = Pool::start(bounds(4), 8).unwrap();
        for _ in 0..3 {
            let fault = block_on(pool.run::<()>(|_| panic!("as a test"))).unwrap_err();
            assert_eq!(fault.to_string(), "a thread that hashes passwords panicked");
            assert!(!fault.is_temporary());
        }
        assert_eq!(block_on(pool.run(|_| Ok(7))).unwrap(), 7);
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_is_not_begun() {
        let pool = Pool::start(bounds(4), 8).unwrap();
        let (go_on, wait) = mpsc::channel::<()>();
        let begun = Arc::new(AtomicUsize::new(0));
        let count = || {
            let begun = Arc::clone(&begun);
            move |_: &mut Memory| Ok(begun.fetch_add(1, Ordering::SeqCst))
        };
        let mut first = Box::pin(pool.run(move |_| Ok(wait.recv()?)));
        begin(first.as_mut());
        {
            let mut dropped = pin!(pool.run(count()));
            begin(dropped.as_mut());
        }
        go_on.send(()).unwrap();
        block_on(first).unwrap();
        block_on(pool.run(count())).unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn who_would_wait_too_long_is_told_at_once_for_how_long() {
        let pool = Pool::start(Bounds { max_wait: Duration::from_millis(250), ..bounds(100) }, 8).unwrap();
        // Until the first one is done nobody knows how long one takes.
        let sleep = |_: &mut Memory| {
            thread::sleep(Duration::from_millis(100));
            Ok(())
        };
        block_on(pool.run(sleep)).unwrap();
        let mut jobs: Vec<_> = (0..10).map(|_| Box::pin(pool.run(sleep))).collect();
        let (mut waiting, mut refused) = (0, Vec::new());
        for job in &mut jobs {
            match job.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => waiting += 1,
                Poll::Ready(outcome) => refused.push(outcome.unwrap_err()),
            }
        }
        assert!((1..=3).contains(&waiting), "{waiting} wait");
        assert!(refused.iter().all(|fault| fault.is_temporary()));
        let waits = refused.iter().map(|fault| fault.retry_after().unwrap());
        assert!(waits.into_iter().all(|wait| (250..1000).contains(&wait.as_millis())), "{refused:?}");
    }

    #[test]
    fn a_full_queue_is_a_temporary_fault_and_has_room_later() {
        let pool = Pool::start(bounds(1), 8).unwrap();
        let (go_on, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let mut first = Box::pin(pool.run(move |_| {
            begun.send(())?;
            Ok(wait.recv()?)
        }));
        begin(first.as_mut());
        has_begun.recv().unwrap();
        let mut second = Box::pin(pool.run(|_| Ok(())));
        begin(second.as_mut());
        let load = pool.load().clone();
        let busy = || (load.waiting(), load.running(), load.refused());
        assert_eq!(busy(), (1, 1, 0));
        assert!(block_on(pool.run(|_| Ok(()))).unwrap_err().is_temporary());
        assert_eq!(busy(), (1, 1, 1));
        assert_eq!((load.threads(), load.queue()), (1, 1));

        go_on.send(()).unwrap();
        block_on(async { first.await.and(second.await) }).unwrap();
        block_on(pool.run(|_| Ok(()))).unwrap();
    }
}
