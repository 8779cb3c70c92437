//! The map `CONTROL`, mapped into userspace: what userspace changes while the program runs, and what the program keeps
//! for all CPUs together. What never changes while it runs is in `load_time`.

use core::mem::offset_of;

/// The one element of the map. Two cache lines: what the program writes does not take the line that every packet reads
/// from other CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Control {
    /// CLOCK_BOOTTIME less CLOCK_MONOTONIC, in nanoseconds: it grows with every suspend, userspace keeps it fresh.
    pub boot_offset: u64,
    /// Which generation of the table of hosts is in force: the element of `HOSTS`, and the power of two of its buckets.
    pub generation: u64,
    /// How many networks are limited: at 0 the program does not look.
    pub networks: u64,
    /// 0, or one of how many dropped packets of the captured peer goes into `CAPTURED`.
    pub capture_on: u64,
    /// The captured peer's key.
    pub capture_key: [u64; 2],
    /// Always 0: to the end of the cache line.
    pub reserved: [u64; 2],
    /// GCRA's arrival of what the program answers (resets, tarpits), in nanoseconds since boot.
    pub replies_arrival: u64,
    /// GCRA's arrival of its events.
    pub events_arrival: u64,
    /// Always 0: to the end of the cache line.
    pub reserved_for_the_program: [u64; 6],
}

impl Control {
    /// Words of 64 bits in it.
    pub const WORDS: usize = size_of::<Self>() / size_of::<u64>();
    /// Which word [`boot_offset`](Self::boot_offset) is.
    pub const BOOT_OFFSET: usize = offset_of!(Self, boot_offset) / size_of::<u64>();
    /// Which word [`generation`](Self::generation) is.
    pub const GENERATION: usize = offset_of!(Self, generation) / size_of::<u64>();
    /// Which word [`networks`](Self::networks) is.
    pub const NETWORKS: usize = offset_of!(Self, networks) / size_of::<u64>();
    /// Which word [`capture_on`](Self::capture_on) is.
    pub const CAPTURE_ON: usize = offset_of!(Self, capture_on) / size_of::<u64>();
    /// Which word is the first of [`capture_key`](Self::capture_key).
    pub const CAPTURE_KEY: usize = offset_of!(Self, capture_key) / size_of::<u64>();
    /// Which word [`replies_arrival`](Self::replies_arrival) is.
    pub const REPLIES_ARRIVAL: usize = offset_of!(Self, replies_arrival) / size_of::<u64>();
    /// Which word [`events_arrival`](Self::events_arrival) is.
    pub const EVENTS_ARRIVAL: usize = offset_of!(Self, events_arrival) / size_of::<u64>();
}
