//! Measures how many hashes per second the cores can compute: Argon2id alone, with the parameters and the thread
//! priority of the service.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::support::{Result, machine, thread_cpu_time};

pub struct Hashing {
    pub hashes: f64,
    pub seconds: f64,
    /// The CPU time of all threads in seconds.
    pub cpu: f64,
}

/// Computes hashes on all cores for the given time.
pub fn measure(length: Duration) -> Result<Hashing> {
    let start = Instant::now();
    let threads = (0..machine::cores()).map(|_| thread::spawn(move || hash_until(start + length)));
    let (mut hashes, mut cpu) = (0.0, 0.0);
    for thread in threads.collect::<Vec<_>>() {
        let (by_thread, time) = thread.join().map_err(|_| "hashing panicked")??;
        (hashes, cpu) = (hashes + by_thread, cpu + time);
    }
    Ok(Hashing { hashes, seconds: start.elapsed().as_secs_f64(), cpu })
}

fn hash_until(end: Instant) -> Result<(f64, f64)> {
    // Use the priority of the service's hashing threads, so that other programs take the same share of CPU time from
    // this benchmark as from the service.
    #[cfg(target_os = "linux")]
    rustix::process::setpriority_process(None, 19)?;
    let params = Params::default();
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut output, mut hashes) = ([0; 32], 0.0);
    while Instant::now() < end {
        let (password, salt) = (b"secret", b"0123456789abcdef");
        let hashed = argon2.hash_password_into_with_memory(password, salt, &mut output, &mut memory[..]);
        hashed.map_err(|error| error.to_string())?;
        hashes += 1.0;
    }
    Ok((hashes, thread_cpu_time(Path::new("/proc/thread-self"))))
}
