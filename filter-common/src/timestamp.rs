//! Nanoseconds since boot, suspend included (CLOCK_BOOTTIME, `bpf_ktime_get_boot_ns`): the one clock that the
//! kernel program and userspace share. Reads no clock itself.

use core::time::Duration;

/// A moment, in nanoseconds since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The end of time: what never expires lasts until then.
    pub const NEVER: Self = Self(u64::MAX);

    /// This moment and `duration` more; the end of time where that would overflow.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        let nanos = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        Self(self.0.saturating_add(nanos))
    }

    /// How long ago `earlier` was; nothing where it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_both_ends_of_time() {
        assert_eq!(Timestamp(5).plus(Duration::MAX), Timestamp::NEVER);
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Duration::from_nanos(4));
    }
}
