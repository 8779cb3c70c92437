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

/// How far, in nanoseconds, the clocks may be apart that those have read who take from one limiter: a tick of the kernel's
/// is at most 10 ms.
const APART: u64 = 1_000_000_000;

/// Takes one event at `now`: the theoretical arrival time to store if it conforms, nothing if it comes too soon.
///
/// A time so far ahead that this rate cannot have made it was made by a slower one that was set before. What it says is
/// cut to what this rate leaves whoever has just used up the burst: nobody waits for a rate that is not set any more.
#[must_use]
#[inline(always)]
pub const fn step(arrival: u64, now: Timestamp, rate: Rate) -> Option<u64> {
    let ahead = arrival.saturating_sub(now.0);
    let farthest = rate.tolerance.saturating_add(rate.interval);
    if ahead <= rate.tolerance {
        return Some(now.0.saturating_add(ahead).saturating_add(rate.interval));
    }
    if ahead > farthest.saturating_add(APART) {
        return Some(now.0.saturating_add(farthest));
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    const SECOND: u64 = 1_000_000_000;

    /// Up to some hours for an event, up to a thousand at once.
    fn any_rate() -> impl Strategy<Value = Rate> {
        (0..20_000 * SECOND, 1..1000u64)
            .prop_map(|(interval, burst)| Rate { interval, tolerance: interval.saturating_mul(burst - 1) })
    }

    proptest! {
        #[test]
        fn nobody_waits_for_a_rate_that_is_not_set_any_more(
            before in any_rate(), after in any_rate(), events in 0..2000u32, now in SECOND..1 << 60, later in 0..1000 * SECOND,
        ) {
            let mut arrival = 0;
            for _ in 0..events {
                match step(arrival, Timestamp(now), before) {
                    Some(next) => arrival = next,
                    None => break,
                }
            }
            // By the rate that is set now, who has used up the burst waits for one interval.
            let now = now + later;
            let passed = [now, now + after.interval + APART].map(|at| step(arrival, Timestamp(at), after));
            prop_assert!(passed.iter().any(Option::is_some), "{arrival} after {now}");
            for next in passed.into_iter().flatten() {
                prop_assert!(next <= now + after.interval + APART + after.tolerance + after.interval);
            }
        }

        #[test]
        fn no_more_than_the_rate_passes_on_clocks_that_are_apart(
            rate in any_rate(), steps in prop::collection::vec((0..100 * SECOND, 0..=APART), 1..500),
        ) {
            let (mut arrival, mut now, start, mut passed) = (0, 100 * SECOND, 100 * SECOND, 0u64);
            for (after, late) in steps {
                now += after;
                if let Some(next) = step(arrival, Timestamp(now - late), rate) {
                    prop_assert!(next > arrival || rate.interval == 0, "what was taken stays taken");
                    (arrival, passed) = (next, passed + 1);
                }
            }
            // From the earliest time that any clock has shown.
            prop_assert!(passed.saturating_sub(1) * rate.interval <= now - (start - APART) + rate.tolerance);
        }
    }
}
