//! The compare-and-swap loop around the GCRA step: several CPUs may take from one limiter at once.

use filter_common::table::Meter;
use filter_common::{Rate, Timestamp, gcra};

use crate::atomic::Word;

/// Whoever loses so often to others at the same limiter is beyond its rate for all it is worth.
const TRIES: usize = 4;

/// Takes one from a limiter whose state is a word of its own: whether it conforms.
#[inline(always)]
pub fn conforms(arrival: Word, now: Timestamp, rate: Rate) -> bool {
    for _ in 0..TRIES {
        let before = arrival.read();
        let Some(next) = gcra::step(before, now, rate) else { return false };
        if arrival.exchange(before, next) {
            return true;
        }
    }
    false
}

/// Takes one new connection from a limited host's meter: whether it conforms. The meter counts in steps, and so does the
/// rate, as userspace gives it.
#[inline(always)]
pub fn meter_conforms(meter: Word, now: Timestamp, rate: Rate) -> bool {
    let now = Timestamp(now.0 & !(Meter::STEP - 1));
    for _ in 0..TRIES {
        let before = Meter(meter.read());
        let Some(next) = gcra::step(before.arrival(), now, rate) else { return false };
        if meter.exchange(before.0, before.with_arrival(next).0) {
            return true;
        }
    }
    false
}
