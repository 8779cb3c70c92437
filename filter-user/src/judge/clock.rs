//! The clock that sanctions count in, which the kernel program shares.

use filter_common::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Now, in nanoseconds since boot (CLOCK_BOOTTIME).
#[must_use]
pub fn boot_now() -> Timestamp {
    let now = clock_gettime(ClockId::Boottime);
    // The time since boot is never negative, and 64 bits of nanoseconds last for 584 years.
    Timestamp(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
}
