//! Atomic access to words of maps. `AtomicU64` of `core` lacks what is needed here on the bpf target: compare-and-swap and
//! an addition that gives the old value are there as intrinsics alone (kernel 5.12).

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};

/// A word that other CPUs, and userspace, may change at any time.
#[derive(Clone, Copy)]
pub struct Word(*mut u64);

impl Word {
    /// The word behind a pointer.
    ///
    /// # Safety
    ///
    /// It must be aligned, and lie in a map's element or on this run's stack: so it stays until this run ends.
    #[inline(always)]
    pub unsafe fn new(word: *mut u64) -> Self {
        Self(word)
    }

    /// The word.
    #[inline(always)]
    pub fn read(self) -> u64 {
        // SAFETY: as `new` was promised. Volatile, because LLVM has no relaxed atomic load for this machine; an aligned
        // word is read whole anyway.
        unsafe { self.0.read_volatile() }
    }

    /// Adds to it and gives what it was.
    #[inline(always)]
    pub fn add(self, more: u64) -> u64 {
        // SAFETY: as `new` was promised.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(self.0, more) }
    }

    /// Puts `new` in the place of `old`: whether it was still `old`.
    #[inline(always)]
    pub fn exchange(self, old: u64, new: u64) -> bool {
        // SAFETY: as `new` was promised.
        let (_, won) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(self.0, old, new)
        };
        won
    }
}

/// What was read before is read before what is read after, on machines that would change the order: an atomic addition
/// is a full barrier.
#[inline(always)]
pub fn barrier() {
    let mut nothing = 0;
    // SAFETY: on this run's stack, and aligned.
    unsafe { Word::new(&raw mut nothing) }.add(1);
}
