//! The clocks: the one that userspace and the kernel program share, and what a worker takes for now.

use std::cell::Cell;
use std::time::Instant;

use filter_common::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Now, in nanoseconds since boot (CLOCK_BOOTTIME).
#[must_use]
pub fn boot_now() -> Timestamp {
    let now = clock_gettime(ClockId::Boottime);
    // The time since boot is never negative, and 64 bits of nanoseconds last for 584 years.
    Timestamp(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
}

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
