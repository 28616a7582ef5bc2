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

/// Polls a future once, which adds its work to the queue.
fn begin<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn job_that_panics_returns_an_error_and_does_not_end_its_thread() {
    let pool = pool(1, 4);
    for _ in 0..3 {
        let error =
            block_on(pool.run::<()>(MAX_EXTRA_MEMORY, |_| panic!("expected in this test"))).unwrap_err();
        assert_eq!(error.to_string(), "a password hashing job panicked");
        assert!(!error.is_temporary());
    }
    assert_eq!(block_on(pool.run(MAX_EXTRA_MEMORY, |_| Ok(7))).unwrap(), 7);
    assert_eq!(pool.0.lock().extra_memory, 0);
}

#[test]
fn job_is_not_started_if_its_future_was_dropped_while_waiting() {
    let pool = pool(1, 4);
    let (release, wait) = mpsc::channel::<()>();
    let started = Arc::new(AtomicUsize::new(0));
    let count = || {
        let started = Arc::clone(&started);
        move |_: &mut Vec<Block>| Ok(started.fetch_add(1, Ordering::SeqCst))
    };
    let mut first = pin!(pool.run(0, move |_| Ok(wait.recv()?)));
    assert!(begin(first.as_mut()).is_pending());
    assert!(begin(pin!(pool.run(0, count()))).is_pending());
    release.send(()).unwrap();
    block_on(first).unwrap();
    block_on(pool.run(0, count())).unwrap();
    assert_eq!(started.load(Ordering::SeqCst), 1);
}

#[test]
fn job_that_would_wait_too_long_is_rejected_with_the_expected_wait() {
    let pool = pool(1, 100);
    // The expected wait is known once a job has finished.
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
    assert!((1..=3).contains(&waiting), "expected 1 to 3 waiting jobs, but {waiting} are waiting");
    assert!(waits.iter().all(|wait| (250..1000).contains(&wait.as_millis())), "{waits:?}");
}

#[test]
fn expected_wait_depends_on_recent_jobs_and_the_number_of_threads() {
    let pool = pool(2, 100);
    let finish = |millis| {
        let start = Instant::now() - Duration::from_millis(millis);
        pool.0.lock().load.running += 1;
        Running { shared: &pool.0, extra_memory: 0, start }.finish();
    };
    (0..50).for_each(|_| finish(10));
    (0..50).for_each(|_| finish(200));
    // Two jobs are running and one is waiting.
    pool.0.lock().load.running = 3;
    pool.0.lock().threads = 2;
    let mut next = pin!(pool.run(0, |_| Ok(())));
    assert!(begin(next.as_mut()).is_pending(), "a wait of 200 ms was rejected");
    let mut refused = pin!(pool.run(0, |_| Ok(())));
    let Poll::Ready(Err(error)) = begin(refused.as_mut()) else {
        panic!("a wait of 300 ms was not rejected")
    };
    assert!((295..=305).contains(&error.retry_after().unwrap().as_millis()), "{error:?}");
}

#[test]
fn job_is_rejected_while_the_queue_is_full() {
    let pool = pool(1, 1);
    let (release, wait) = mpsc::channel::<()>();
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

    release.send(()).unwrap();
    block_on(async { first.await.and(second.await) }).unwrap();
    block_on(pool.run(0, |_| Ok(()))).unwrap();
}

#[test]
fn threads_start_on_demand_and_end_with_the_pool() {
    let pool = pool(2, 10);
    let shared = Arc::downgrade(&pool.0);
    assert_eq!(pool.0.lock().threads, 0);
    block_on(pool.run(0, |_| Ok(()))).unwrap();
    assert_eq!(pool.0.lock().threads, 1);
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let mut jobs: Vec<_> = (0..4)
        .map(|_| {
            let wait = Arc::clone(&wait);
            Box::pin(pool.run(0, move |_| Ok(wait.lock().unwrap().recv()?)))
        })
        .collect();
    jobs.iter_mut().for_each(|job| assert!(begin(job.as_mut()).is_pending()));
    assert_eq!(pool.0.lock().threads, 2);
    (0..4).for_each(|_| release.send(()).unwrap());
    jobs.into_iter().for_each(|job| block_on(job).unwrap());

    drop(pool);
    let start = Instant::now();
    while shared.strong_count() > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "the threads are still running");
        thread::yield_now();
    }
}

#[test]
fn thread_reuses_its_own_blocks_and_frees_larger_ones() {
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
fn extra_memory_of_concurrent_jobs_stays_within_the_limit() {
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
fn job_that_requests_more_memory_than_the_limit_succeeds() {
    assert_eq!(block_on(pool(1, 1).run(u32::MAX, |_| Ok(7))).unwrap(), 7);
}
