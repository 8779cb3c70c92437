//! When sessions are due: at a rate, whether the server keeps up or not, or whenever there is room. Asks no clock.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::scenario::Arrivals;

/// When sessions are due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// Whenever there is room (a closed loop).
    Room,
    /// At a rate (an open loop): the next is due at this time.
    Rate { each_second: f64, arrivals: Arrivals, next: Option<Instant> },
}

impl Pace {
    /// When the next is due: in the past, where it is late already.
    pub(super) fn due(&mut self, now: Instant) -> Instant {
        match self {
            Self::Room => now,
            Self::Rate { next, .. } => *next.get_or_insert(now),
        }
    }

    /// The one that was due has been begun.
    pub(super) fn advance(&mut self, random: &mut Rng) {
        let Self::Rate { each_second, arrivals, next: Some(next) } = self else { return };
        let gaps = match arrivals {
            Arrivals::Steady => 1.0,
            // From above 0 to 1: the logarithm of 0 is no time.
            Arrivals::Random => -(1.0 - random.f64()).ln(),
        };
        *next += Duration::from_secs_f64(gaps / *each_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_of(sessions: u32, arrivals: Arrivals) -> Duration {
        let start = Instant::now();
        let mut random = Rng::with_seed(1);
        let mut pace = Pace::Rate { each_second: 100.0, arrivals, next: None };
        for _ in 0..sessions {
            assert!(pace.due(start) >= start);
            pace.advance(&mut random);
        }
        pace.due(start) - start
    }

    #[test]
    fn a_rate_is_kept_however_late_it_is_asked() {
        assert_eq!(last_of(1_000, Arrivals::Steady).as_millis(), 10_000);
        let random = last_of(10_000, Arrivals::Random).as_secs_f64();
        assert!((95.0..105.0).contains(&random), "{random}");
    }
}
