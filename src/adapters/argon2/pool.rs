//! The threads that hash, and the queue before them.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use tokio::sync::oneshot;

use super::{
    memory::{Headroom, Memory},
    priority,
};
use crate::domain::fault::Fault;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Threads that work off one bounded queue. They end when it is dropped.
pub(super) struct Pool {
    queue: SyncSender<Job>,
}

impl Pool {
    /// Starts the threads; each keeps `memory` KiB.
    pub(super) fn start(threads: usize, queue: usize, memory: u32) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(queue);
        let (jobs, headroom) = (Arc::new(Mutex::new(jobs)), Arc::new(Headroom::default()));
        for number in 0..threads {
            let (jobs, memory) = (Arc::clone(&jobs), Memory::new(memory, Arc::clone(&headroom)));
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || work_off(&jobs, memory))?;
        }
        Ok(Self { queue })
    }

    /// What `work` gives on one of the threads. Work whose future was dropped is not begun.
    ///
    /// # Errors
    /// A temporary fault, at once, where the queue is full; a fault where `work` panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (answer, outcome) = oneshot::channel();
        let job = Box::new(move |memory: &mut Memory| {
            if !answer.is_closed() {
                // Nobody waits any more: nothing is lost.
                let _ = answer.send(work(memory));
            }
        });
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Fault::unavailable("too many passwords are waiting to be hashed"),
            TrySendError::Disconnected(_) => Fault::new("the threads that hash passwords have ended"),
        })?;
        outcome.await.unwrap_or_else(|_| Err(Fault::new("a thread that hashes passwords panicked")))
    }
}

fn work_off(jobs: &Mutex<Receiver<Job>>, mut memory: Memory) {
    priority::lower();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // The panic was logged by its hook, and dropped the job's `answer`: its caller knows.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        task::{Context, Waker},
    };

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Polls once, so that the work is in the queue.
    fn begin<F: Future>(future: std::pin::Pin<&mut F>) {
        assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn a_panic_is_a_fault_and_the_thread_goes_on() {
        let pool = Pool::start(1, 4, 8).unwrap();
        for _ in 0..3 {
            let fault = block_on(pool.run::<()>(|_| panic!("as a test"))).unwrap_err();
            assert_eq!(fault.to_string(), "a thread that hashes passwords panicked");
            assert!(!fault.is_temporary());
        }
        assert_eq!(block_on(pool.run(|_| Ok(7))).unwrap(), 7);
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_is_not_begun() {
        let pool = Pool::start(1, 4, 8).unwrap();
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
    fn a_full_queue_is_a_temporary_fault_and_has_room_later() {
        let pool = Pool::start(1, 1, 8).unwrap();
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
        assert!(block_on(pool.run(|_| Ok(()))).unwrap_err().is_temporary());

        go_on.send(()).unwrap();
        block_on(async { first.await.and(second.await) }).unwrap();
        block_on(pool.run(|_| Ok(()))).unwrap();
    }
}
