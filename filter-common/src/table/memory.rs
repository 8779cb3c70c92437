//! The memory that a table lies in: words that the kernel program reads, and in part writes, at the same time. A trait,
//! so that the model can show the same writer to a reader in every order that a machine allows.

use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Words shared with readers.
pub trait Memory {
    /// How many.
    fn words(&self) -> usize;
    /// Reads one.
    fn load(&self, at: usize) -> u64;
    /// Writes one. Whoever sees it sees what was written before it.
    fn store(&self, at: usize, word: u64);
    /// Adds to one, wrapping; returns what it was.
    fn add(&self, at: usize, more: u64) -> u64;
    /// Puts another in its place; returns what it was.
    fn swap(&self, at: usize, word: u64) -> u64;
}

impl<T: core::ops::Deref<Target = [AtomicU64]>> Memory for T {
    fn words(&self) -> usize {
        self.len()
    }

    #[inline]
    fn load(&self, at: usize) -> u64 {
        self[at].load(Ordering::Relaxed)
    }

    #[inline]
    fn store(&self, at: usize, word: u64) {
        // The fence before, not a release store: the next store must not overtake this one either. Nothing on x86.
        fence(Ordering::Release);
        self[at].store(word, Ordering::Relaxed);
    }

    #[inline]
    fn add(&self, at: usize, more: u64) -> u64 {
        self[at].fetch_add(more, Ordering::Relaxed)
    }

    #[inline]
    fn swap(&self, at: usize, word: u64) -> u64 {
        self[at].swap(word, Ordering::Relaxed)
    }
}
