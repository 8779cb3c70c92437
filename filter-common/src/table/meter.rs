//! A slot's meter: the one word of it that the kernel program writes, by atomics. What it means depends on what stands
//! in the slot.

use super::Kind;

/// Where the packets of a blocked host's meter begin, above its octets and the mark.
const PACKETS: u32 = 40;

/// Where the arrival of a limited host's meter begins, above its packets and the mark.
const ARRIVAL: u32 = 20;

/// Marks that drops were harvested from here: then the meter never is 0 again, and the next drop is not the first.
const BLOCKED_TOLD: u64 = 1 << (PACKETS - 1);
const LIMITED_TOLD: u64 = 1 << (ARRIVAL - 1);

/// Nanoseconds in one unit of an arrival, as a power of two: 65 µs.
const ARRIVAL_UNIT: u32 = 16;

/// The shortest and the longest frame that there can be, in octets: what a meter says beyond them, it cannot mean.
const SHORTEST_FRAME: u64 = 14;
const LONGEST_FRAME: u64 = 65_536 + 64;

/// What goes into the table's stamp.
pub(crate) const LAYOUT: [u64; 3] = [PACKETS as u64, ARRIVAL as u64, ARRIVAL_UNIT as u64];

/// Packets that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// How many.
    pub packets: u64,
    /// How many octets of frames they had; not counted for limited hosts.
    pub octets: u64,
}

/// The word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Meter(pub u64);

impl Meter {
    /// The meter of an authenticated host that used its exemption since userspace looked.
    pub const USED: Self = Self(1);

    /// The step, in nanoseconds, that a limited host's limiter counts in: the time is rounded down to it, and the rate is
    /// one [in steps](crate::Rate::in_steps_of) of it.
    pub const STEP: u64 = 1 << ARRIVAL_UNIT;

    /// What is added to a blocked host's meter for a dropped frame. Where the meter was 0, it is the first.
    #[must_use]
    #[inline(always)]
    pub const fn blocked_frame(octets: u32) -> u64 {
        1 << PACKETS | octets as u64
    }

    /// A blocked host's meter without its mark, which it has where drops were harvested from it. Once the block is over,
    /// whoever takes the mark off is the one to tell; drops that nobody has harvested yet stay.
    #[must_use]
    #[inline(always)]
    pub const fn unmarked(self) -> Option<Self> {
        if self.0 & BLOCKED_TOLD == 0 {
            return None;
        }
        Some(Self(self.0 & !BLOCKED_TOLD))
    }

    /// What is added to a limited host's meter for a dropped SYN.
    #[must_use]
    #[inline(always)]
    pub const fn limited_syn() -> u64 {
        1
    }

    /// GCRA's theoretical arrival time in a limited host's meter, in nanoseconds since boot.
    #[must_use]
    #[inline(always)]
    pub const fn arrival(self) -> u64 {
        self.0 >> ARRIVAL << ARRIVAL_UNIT
    }

    /// A limited host's meter with another arrival, rounded up: a rate may be kept too strictly by some microseconds,
    /// never too laxly.
    #[must_use]
    #[inline(always)]
    pub const fn with_arrival(self, arrival: u64) -> Self {
        let units = arrival.saturating_add((1 << ARRIVAL_UNIT) - 1) >> ARRIVAL_UNIT;
        Self(units << ARRIVAL | self.0 & ((1 << ARRIVAL) - 1))
    }

    /// What to add to the meter that the host has in the next generation, once nobody writes to this one any more: how
    /// far its limiter got ahead, and that a drop was told.
    #[must_use]
    pub const fn owed_to(self, next: Self, kind: Kind) -> u64 {
        match kind {
            Kind::Blocked if next.0 == 0 && self.0 != 0 => BLOCKED_TOLD,
            Kind::Limited => {
                let ahead = (self.0 >> ARRIVAL).saturating_sub(next.0 >> ARRIVAL) << ARRIVAL;
                let is_told = !self.has_no_limited_drop() && next.has_no_limited_drop();
                if is_told { ahead + LIMITED_TOLD } else { ahead }
            }
            Kind::Authenticated if next.0 == 0 => self.0,
            Kind::Blocked | Kind::Authenticated => 0,
        }
    }

    /// Whether a limited host's meter says that none of its SYNs was dropped yet.
    #[must_use]
    #[inline(always)]
    pub const fn has_no_limited_drop(self) -> bool {
        self.0 & ((1 << ARRIVAL) - 1) == 0
    }

    /// What to take off a meter, and the drops that this is. Where there are any, a mark stays, so that the next is not
    /// told as the first again.
    #[must_use]
    pub const fn harvest(self, kind: Kind) -> (u64, Drops) {
        match kind {
            Kind::Blocked if self.0 == 0 => (0, Drops::NONE),
            Kind::Blocked => {
                let (packets, octets) = (self.0 >> PACKETS, self.0 & (BLOCKED_TOLD - 1));
                (self.0.wrapping_sub(BLOCKED_TOLD), plausible(packets, octets))
            }
            Kind::Limited if self.has_no_limited_drop() => (0, Drops::NONE),
            Kind::Limited => {
                let packets = self.0 & (LIMITED_TOLD - 1);
                let taken = (self.0 & ((1 << ARRIVAL) - 1)).wrapping_sub(LIMITED_TOLD);
                (taken, Drops { packets, octets: 0 })
            }
            Kind::Authenticated => (self.0, Drops::NONE),
        }
    }

    /// The meter of a host that goes on in another slot, or in the next generation, while this one is still written to:
    /// its limiter and its mark, none of its drops.
    #[must_use]
    pub const fn harvested(self, kind: Kind) -> Self {
        let (taken, _) = self.harvest(kind);
        Self(self.0.wrapping_sub(taken))
    }
}

impl Drops {
    const NONE: Self = Self { packets: 0, octets: 0 };
}

/// A host whose kind has just changed may still be metered once for the kind before: what comes of that no frames can
/// have, and it is let go.
const fn plausible(packets: u64, octets: u64) -> Drops {
    if octets < packets * SHORTEST_FRAME || octets > packets * LONGEST_FRAME {
        return Drops::NONE;
    }
    Drops { packets, octets }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harvest(meter: &mut u64, kind: Kind) -> (u64, u64) {
        let (taken, drops) = Meter(*meter).harvest(kind);
        *meter = meter.wrapping_sub(taken);
        (drops.packets, drops.octets)
    }

    #[test]
    fn a_blocked_host_is_metered_exactly_and_its_first_drop_is_first_once() {
        let mut meter = 0;
        assert_eq!(
            (harvest(&mut meter, Kind::Blocked), meter),
            ((0, 0), 0),
            "nothing came: the first is to be told"
        );
        for octets in [60, 1514, 60] {
            meter += Meter::blocked_frame(octets);
        }
        assert_eq!(harvest(&mut meter, Kind::Blocked), (3, 1634));
        assert_ne!(meter, 0, "the next is not the first");
        assert_eq!(harvest(&mut meter, Kind::Blocked), (0, 0));
        meter += Meter::blocked_frame(60);
        assert_eq!(harvest(&mut meter, Kind::Blocked), (1, 60));
    }

    #[test]
    fn a_blocks_end_is_told_once_and_costs_no_drop() {
        let mut meter = Meter::blocked_frame(60);
        assert_eq!(Meter(meter).unmarked(), None, "nobody has heard of a drop yet");
        harvest(&mut meter, Kind::Blocked);
        meter += 2 * Meter::blocked_frame(60);
        let ended = Meter(meter).unmarked().unwrap();
        assert_eq!(ended.unmarked(), None);
        assert_eq!(ended.harvest(Kind::Blocked).1, Drops { packets: 2, octets: 120 });
    }

    #[test]
    fn a_second_of_the_fastest_attack_does_not_overflow() {
        // Ten gigabits a second, in the shortest frames and in the longest.
        for (packets, octets) in [(14_880_952, 60), (812_743, 1514)] {
            let mut meter = Meter::blocked_frame(octets) * packets;
            assert_eq!(harvest(&mut meter, Kind::Blocked), (packets, packets * u64::from(octets)));
        }
    }

    #[test]
    fn a_limited_host_keeps_its_arrival_through_harvests() {
        let mut meter = Meter::default().with_arrival(5_000_000_000).0;
        assert!(Meter(meter).has_no_limited_drop());
        let arrival = Meter(meter).arrival();
        assert!((5_000_000_000..5_000_065_536).contains(&arrival), "never earlier: {arrival}");
        meter += 7 * Meter::limited_syn();
        assert_eq!(harvest(&mut meter, Kind::Limited), (7, 0));
        assert!(!Meter(meter).has_no_limited_drop() && Meter(meter).arrival() == arrival);
        meter += Meter::limited_syn();
        meter = Meter(meter).with_arrival(6_000_000_000).0;
        assert_eq!(harvest(&mut meter, Kind::Limited), (1, 0));
        assert_eq!(harvest(&mut meter, Kind::Limited), (0, 0));
    }

    #[test]
    fn the_end_of_time_is_an_arrival_too() {
        assert_eq!(Meter(7).with_arrival(u64::MAX).0 & 0xf_ffff, 7);
        assert!(Meter::default().with_arrival(u64::MAX).arrival() > u64::MAX >> 5);
    }

    #[test]
    fn what_no_frames_can_have_is_let_go() {
        let mut meter = Meter::default().with_arrival(90_061_000_000_000).0 + Meter::blocked_frame(60);
        assert_eq!(harvest(&mut meter, Kind::Blocked), (0, 0));
        meter += Meter::blocked_frame(60);
        assert_eq!(harvest(&mut meter, Kind::Blocked), (1, 60), "and from then on it is right again");
    }

    #[test]
    fn use_of_an_exemption_is_taken_whole() {
        assert_eq!(Meter::USED.harvest(Kind::Authenticated).0, 1);
        assert_eq!(Meter::USED.harvested(Kind::Authenticated), Meter(0));
    }
}
