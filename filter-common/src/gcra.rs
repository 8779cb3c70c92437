//! One step of the generic cell rate algorithm (ITU-T I.371), as a pure function: the kernel program, and
//! userspace where there is none, limit with the same step.

use core::time::Duration;

use crate::Timestamp;

/// A rate and its burst, as GCRA counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Rate {
    /// Nanoseconds that one event takes up.
    pub interval: u64,
    /// How many nanoseconds of events may come early.
    pub tolerance: u64,
}

impl Rate {
    /// `events` in `period`, `burst` of them (at least one) at once.
    #[must_use]
    pub const fn new(events: u32, period: Duration, burst: u32) -> Self {
        let events = if events == 0 { 1 } else { events };
        let burst = if burst == 0 { 1 } else { burst };
        let period = period.as_nanos();
        let period = if period > u64::MAX as u128 { u64::MAX } else { period as u64 };
        let interval = period / events as u64;
        Self { interval, tolerance: interval.saturating_mul(burst as u64 - 1) }
    }

    /// The rate for a limiter that counts in steps of so many nanoseconds: never more events than before, and as many at
    /// once.
    #[must_use]
    pub const fn in_steps_of(self, step: u64) -> Self {
        if self.interval == 0 {
            return self;
        }
        let at_once = self.tolerance / self.interval;
        let interval = self.interval.saturating_add(step - 1) / step * step;
        Self { interval, tolerance: interval.saturating_mul(at_once) }
    }
}

/// Takes one event at `now`: the theoretical arrival time to store if it conforms, nothing if it comes too soon.
#[must_use]
#[inline(always)]
pub const fn step(arrival: u64, now: Timestamp, rate: Rate) -> Option<u64> {
    let earliest = if arrival > now.0 { arrival } else { now.0 };
    if earliest - now.0 > rate.tolerance {
        return None;
    }
    Some(earliest.saturating_add(rate.interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_in_steps_is_no_faster_and_bursts_alike() {
        let rate = Rate::new(1000, Duration::from_secs(1), 5);
        let stepped = rate.in_steps_of(1 << 16);
        assert_eq!(stepped, Rate { interval: 16 << 16, tolerance: 4 * (16 << 16) });
        assert_eq!(stepped.in_steps_of(1 << 16), stepped);
        assert_eq!(Rate::default().in_steps_of(1 << 16), Rate::default());
    }

    #[test]
    fn six_a_minute_with_a_burst_of_two() {
        let rate = Rate::new(6, Duration::from_secs(60), 2);
        let second = 1_000_000_000;
        let mut arrival = 0;
        let mut pass = |at: u64| match step(arrival, Timestamp(at * second), rate) {
            Some(next) => {
                arrival = next;
                true
            }
            None => false,
        };
        assert!(pass(100), "the first conforms");
        assert!(pass(100), "and one more, the burst");
        assert!(!pass(100), "a third does not");
        assert!(!pass(109));
        assert!(pass(110), "ten seconds make one more");
        assert!(!pass(110));
        assert!(pass(1000) && pass(1000) && !pass(1000), "a long silence earns the burst again, no more");
    }
}
