//! A moment by both clocks, and how a time of one moment is carried over to another. Asks no clock.
//!
//! Sanctions count in time since boot, which goes on while the machine sleeps and which nobody sets. It begins anew at each
//! boot, so over a reboot the wall clock must say how much time has passed, and that clock may have been set in between. What
//! always holds: a time is never carried over to later than as far ahead as it was when it was written; and where the wall
//! clock cannot be right, it is carried over whole, but for the time that this boot has lasted.

use std::time::Duration;

use filter_common::Timestamp;

/// No sanction lasts longer (the bounds of `block-max`, and a day). A wall clock by which more time has passed between two
/// boots is taken for wrong: an empty battery sets some years ahead.
const PLAUSIBLE: Duration = Duration::from_secs(367 * 86_400);

const NANOS_PER_MILLI: i128 = 1_000_000;

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which boot of which machine.
    pub boot_id: String,
    /// Time since that boot, sleep included.
    pub boot: Timestamp,
    /// The wall clock: since 1970, in milliseconds.
    pub wall: u64,
}

/// How much time has passed between two moments, and what says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// The clock of this boot: exact.
    SameBoot(Duration),
    /// The wall clock, over a reboot.
    WallClock(Duration),
    /// Only that this boot has lasted so long: the wall clock has gone back, or years ahead.
    AtLeast(Duration),
}

impl Passed {
    pub(super) const fn time(self) -> Duration {
        match self {
            Self::SameBoot(time) | Self::WallClock(time) | Self::AtLeast(time) => time,
        }
    }
}

impl Moment {
    /// How much time has passed since another moment.
    pub(super) fn since(&self, written: &Self) -> Passed {
        let same = self.boot_id == written.boot_id;
        if same && written.boot <= self.boot {
            return Passed::SameBoot(self.boot.since(written.boot));
        }
        // Where the boot is the same and its clock has gone back, it is not this one's: a container with a time of its own.
        let this_boot = if same { Duration::ZERO } else { Duration::from_nanos(self.boot.0) };
        match self.wall.checked_sub(written.wall).map(Duration::from_millis) {
            Some(passed) if passed <= PLAUSIBLE => Passed::WallClock(passed.max(this_boot)),
            Some(_) | None => Passed::AtLeast(this_boot),
        }
    }

    /// How far ahead of this moment a time is, in whole milliseconds, rounded down: behind it is less than nothing.
    pub(super) fn ahead(&self, time: Timestamp) -> i64 {
        let nanos = i128::from(time.0) - i128::from(self.boot.0);
        // Nanoseconds of 64 bits are far fewer milliseconds than that.
        i64::try_from(nanos.div_euclid(NANOS_PER_MILLI)).unwrap_or(i64::MAX)
    }

    /// The time that was so far ahead when so much less time had passed. One before this boot is its very begin: never
    /// [`Timestamp::default`], which means that there was no such time.
    pub(super) fn carried(&self, ahead: i64, passed: Passed) -> Timestamp {
        let passed = i128::try_from(passed.time().as_nanos()).unwrap_or(i128::MAX);
        let ahead = i128::from(ahead) * NANOS_PER_MILLI;
        let nanos = (i128::from(self.boot.0) + ahead).saturating_sub(passed);
        Timestamp(u64::try_from(nanos.max(1)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const YEAR: u64 = 366 * 86_400 * SECOND;
    const NOW: u64 = 1_790_000_000_000;

    fn moment(boot_id: &str, boot: u64, wall: u64) -> Moment {
        Moment { boot_id: boot_id.to_owned(), boot: Timestamp(boot), wall }
    }

    /// Writes a time at one moment and reads it at the other.
    fn carry(until: u64, written: &Moment, now: &Moment) -> u64 {
        now.carried(written.ahead(Timestamp(until)), now.since(written)).0
    }

    #[test]
    fn on_the_same_boot_the_wall_clock_means_nothing() {
        let written = moment("a", 1000 * SECOND, NOW);
        for wall in [0, NOW - 5, NOW, NOW + 10_000_000_000_000, u64::MAX] {
            let now = moment("a", 1600 * SECOND, wall);
            assert_eq!(carry(2000 * SECOND, &written, &now), 2000 * SECOND, "{wall}");
        }
    }

    #[test]
    fn over_a_reboot_the_wall_clock_says_how_long_it_took() {
        let written = moment("a", 1000 * SECOND, NOW);
        // Ten minutes later, a minute after the boot: of the hour that was left, fifty minutes are.
        let now = moment("b", 60 * SECOND, NOW + 600_000);
        assert_eq!(carry(4600 * SECOND, &written, &now), (60 + 3000) * SECOND);
        assert_eq!(now.since(&written), Passed::WallClock(Duration::from_secs(600)));
        // What was over before this boot is over.
        assert_eq!(carry(1100 * SECOND, &written, &now), 1);
        assert_eq!(carry(900 * SECOND, &written, &now), 1);
    }

    #[test]
    fn a_wall_clock_that_cannot_be_right_ends_nothing_and_prolongs_nothing() {
        let written = moment("a", 1000 * SECOND, NOW);
        let decades = 80 * 366 * 86_400_000;
        for wall in [0, NOW - 1, NOW + decades, u64::MAX] {
            let now = moment("b", 60 * SECOND, wall);
            assert_eq!(now.since(&written), Passed::AtLeast(Duration::from_secs(60)), "{wall}");
            assert_eq!(carry(4600 * SECOND, &written, &now), 3600 * SECOND, "{wall}");
        }
    }

    #[test]
    fn a_boot_takes_at_least_as_long_as_it_has_lasted() {
        let written = moment("a", 1000 * SECOND, NOW);
        // Set back by the time of the reboot and a little less: it is not before, and cannot be right.
        let now = moment("b", 600 * SECOND, NOW + 5_000);
        assert_eq!(now.since(&written), Passed::WallClock(Duration::from_secs(600)));
    }

    #[test]
    fn a_boot_clock_that_has_gone_back_is_another_ones() {
        let written = moment("a", 1000 * SECOND, NOW);
        let now = moment("a", 500 * SECOND, NOW + 10_000);
        assert_eq!(now.since(&written), Passed::WallClock(Duration::from_secs(10)));
    }

    #[test]
    fn what_never_ends_does_not_end_by_being_carried_over() {
        let written = moment("a", 1000 * SECOND, NOW);
        for now in [moment("a", 1001 * SECOND, NOW), moment("b", 5 * SECOND, NOW + 60_000)] {
            let centuries = 500 * YEAR;
            assert!(carry(u64::MAX, &written, &now) > centuries);
        }
    }

    proptest! {
        #[test]
        fn no_clock_prolongs_a_sanction(
            until in 0..=u64::MAX, boot in 0..10 * YEAR, wall in 0..=u64::MAX,
            now_boot in 0..10 * YEAR, now_wall in 0..=u64::MAX, same: bool,
        ) {
            let written = moment("a", boot, wall);
            let now = moment(if same { "a" } else { "b" }, now_boot, now_wall);
            let left = until.saturating_sub(boot);
            let carried = carry(until, &written, &now);
            prop_assert!(carried >= 1, "no time is none");
            prop_assert!(carried.saturating_sub(now_boot) <= left, "{carried}");
        }

        #[test]
        fn on_the_same_boot_a_time_stays_within_a_millisecond(
            until in 1..20 * YEAR, boot in 0..10 * YEAR, later in 0..10 * YEAR, walls: (u64, u64),
        ) {
            let (written, now) = (moment("a", boot, walls.0), moment("a", boot + later, walls.1));
            let carried = carry(until, &written, &now);
            prop_assert!(carried <= until && carried.max(1) + 1_000_000 > until, "{carried}");
        }

        #[test]
        fn over_a_reboot_a_right_wall_clock_loses_at_most_a_few_milliseconds(
            left in 0..YEAR, boot in 0..10 * YEAR, off in 0u64..300 * 86_400_000, up in 0u64..86_400_000,
        ) {
            let (written, now) = (moment("a", boot, NOW), moment("b", up * 1_000_000, NOW + off + up));
            let carried = carry(boot + left, &written, &now).saturating_sub(now.boot.0);
            let due = left.saturating_sub((off + up) * 1_000_000);
            prop_assert!(carried <= due && carried + 1_000_000 >= due, "{carried} of {due}");
        }

        #[test]
        fn what_ends_first_still_ends_first(
            times in [0..20 * YEAR, 0..20 * YEAR], boot in 0..10 * YEAR, now_boot in 0..10 * YEAR, walls: (u64, u64), same: bool,
        ) {
            let written = moment("a", boot, walls.0);
            let now = moment(if same { "a" } else { "b" }, now_boot, walls.1);
            let [first, second] = [times[0].min(times[1]), times[0].max(times[1])];
            prop_assert!(carry(first, &written, &now) <= carry(second, &written, &now));
        }
    }
}
