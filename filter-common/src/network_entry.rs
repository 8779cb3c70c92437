//! The value of the map of limited networks. Userspace writes it whole; the program moves its limiter in place.

use crate::Timestamp;

/// A limited network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NetworkEntry {
    /// When the limit ends by itself, in nanoseconds since boot.
    pub until: u64,
    /// GCRA's theoretical arrival time of the network's next SYN, in nanoseconds since boot; 0 where none came yet.
    pub arrival: u64,
}

impl NetworkEntry {
    /// A network that is limited until then, and of which nothing came yet.
    #[must_use]
    pub const fn new(until: Timestamp) -> Self {
        Self { until: until.0, arrival: 0 }
    }
}
