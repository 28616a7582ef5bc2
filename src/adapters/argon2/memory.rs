//! The memory of one hashing thread.
//!
//! A thread keeps the blocks of today's parameters and uses them again: when every verification allocated its
//! own, glibc kept hundreds of MiB after a storm of sign-ins.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use ::argon2::Block;

use super::argon2id::MAX_MEMORY;
use crate::domain::backend_error::BackendError;

/// KiB that all threads together may use beyond their own blocks, for hashes of other parameters and kinds: room
/// for two of the largest, however many threads there are.
const HEADROOM: u64 = 2 * MAX_MEMORY as u64 + 1024;

/// The blocks of one thread, and its way to more.
pub(super) struct Memory {
    own: Vec<Block>,
    /// In KiB, as many as blocks.
    size: u32,
    headroom: Arc<Headroom>,
}

impl Memory {
    pub(super) fn new(size: u32, headroom: Arc<Headroom>) -> Self {
        Self { own: Vec::new(), size, headroom }
    }

    /// Works with at least so many KiB of blocks: the thread's own, or larger ones that are freed afterwards.
    pub(super) fn with_blocks<T>(
        &mut self,
        kib: u32,
        work: impl FnOnce(&mut [Block]) -> T,
    ) -> Result<T, BackendError> {
        if kib <= self.size {
            if self.own.is_empty() {
                self.own = allocate(self.size)?;
            }
            return Ok(work(&mut self.own));
        }
        self.with_headroom(kib.into(), || allocate(kib).map(|mut blocks| work(&mut blocks)))
    }

    /// Works once so many KiB beyond all threads' own are free.
    pub(super) fn with_headroom<T>(&self, kib: u64, work: impl FnOnce() -> T) -> T {
        let _loan = self.headroom.borrow(kib);
        work()
    }
}

fn allocate(kib: u32) -> Result<Vec<Block>, BackendError> {
    const { assert!(mem::size_of::<Block>() == 1024) };
    let count = usize::try_from(kib)?;
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(count).map_err(BackendError::unavailable)?;
    blocks.resize(count, Block::new());
    Ok(blocks)
}

/// What all threads share.
pub(super) struct Headroom {
    free: Mutex<u64>,
    returned: Condvar,
}

impl Default for Headroom {
    fn default() -> Self {
        Self { free: Mutex::new(HEADROOM), returned: Condvar::new() }
    }
}

impl Headroom {
    fn borrow(&self, kib: u64) -> Loan<'_> {
        // More than there is would wait for ever; the limits of each kind keep below it.
        let kib = kib.min(HEADROOM);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.returned.wait_while(free, |free| *free < kib).unwrap_or_else(PoisonError::into_inner);
        *free -= kib;
        Loan { headroom: self, kib }
    }
}

struct Loan<'a> {
    headroom: &'a Headroom,
    kib: u64,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        *self.headroom.free.lock().unwrap_or_else(PoisonError::into_inner) += self.kib;
        self.headroom.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn a_threads_blocks_are_used_again_and_larger_ones_freed() {
        let mut memory = Memory::new(64, Arc::default());
        assert_eq!(memory.with_blocks(64, |blocks| blocks.len()).unwrap(), 64);
        let address = memory.own.as_ptr();
        assert_eq!(memory.with_blocks(8, |blocks| blocks.len()).unwrap(), 64);
        assert_eq!(memory.with_blocks(128, |blocks| blocks.len()).unwrap(), 128);
        assert_eq!((memory.own.as_ptr(), memory.own.capacity()), (address, 64));
        assert_eq!(*memory.headroom.free.lock().unwrap(), HEADROOM);
    }

    #[test]
    fn all_threads_together_keep_to_the_headroom() {
        let headroom = Arc::new(Headroom::default());
        let used = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let memory = Memory::new(8, Arc::clone(&headroom));
                    for _ in 0..20 {
                        memory.with_headroom(MAX_MEMORY.into(), || {
                            let now = used.fetch_add(u64::from(MAX_MEMORY), Ordering::SeqCst);
                            assert!(now + u64::from(MAX_MEMORY) <= HEADROOM);
                            thread::yield_now();
                            used.fetch_sub(u64::from(MAX_MEMORY), Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        assert_eq!(*headroom.free.lock().unwrap(), HEADROOM);
    }

    #[test]
    fn asking_for_more_than_there_is_does_not_wait_for_ever() {
        let memory = Memory::new(8, Arc::default());
        assert_eq!(memory.with_headroom(u64::MAX, || 7), 7);
    }
}
