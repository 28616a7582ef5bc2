//! What the cores can hash: Argon2id alone, on a thread for each, with the parameters and the priority of the service.

use std::{
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::support::{Failure, cpu_time};

/// What was hashed.
#[derive(Clone, Copy, Default)]
pub struct Hashed {
    pub hashes: u32,
    pub wall: Duration,
    /// Of all threads.
    pub cpu: Duration,
}

/// Hashes on all cores.
pub fn measure(length: Duration) -> Result<Hashed, Failure> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(move || hash_until(start + length))).collect();
        let mut sum = Hashed::default();
        for thread in threads {
            let (hashes, cpu) = thread.join().map_err(|_| "hashing panicked")??;
            (sum.hashes, sum.cpu) = (sum.hashes + hashes, sum.cpu + cpu);
        }
        // The last ones are counted with the time that they took.
        Ok(Hashed { wall: start.elapsed(), ..sum })
    })
}

fn hash_until(end: Instant) -> Result<(u32, Duration), Failure> {
    lower_priority();
    let params = Params::default();
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut output, mut hashes) = ([0; 32], 0);
    while Instant::now() < end {
        let hashed = argon2.hash_password_into_with_memory(
            b"secret",
            b"0123456789abcdef",
            &mut output,
            &mut memory[..],
        );
        hashed.map_err(|error| error.to_string())?;
        hashes += 1;
    }
    Ok((hashes, cpu_time::of_this_thread()))
}

/// As the service's: what other programs on the machine take, they take from both alike.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        eprintln!("the priority stays: {error}");
    }
}
