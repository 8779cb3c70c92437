//! What a worker takes for now, by both clocks: its own, and the one that sanctions count in.

use std::cell::Cell;
use std::time::Instant;

use filter_common::Timestamp;

use crate::judge::boot_now;

/// When the events that are being handled came, by both clocks: read once for all of them.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    instant: Cell<Instant>,
    timestamp: Cell<Timestamp>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { instant: Cell::new(Instant::now()), timestamp: Cell::new(boot_now()) }
    }

    /// Reads the clocks.
    pub(super) fn read(&self) {
        self.instant.set(Instant::now());
        self.timestamp.set(boot_now());
    }

    /// What `read` found, for what happens in this process.
    pub(super) fn now(&self) -> Instant {
        self.instant.get()
    }

    /// The same, for peers.
    pub(super) fn timestamp(&self) -> Timestamp {
        self.timestamp.get()
    }
}
