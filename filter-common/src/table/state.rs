//! A slot's state: what a host is there for, until when, and which use of the slot this is; one word, written whole.

use super::Seed;
use crate::Timestamp;

/// Where each field begins.
const OVERLAPS_ALLOW: u32 = 2;
const VERSION: u32 = 3;
const TAG: u32 = 11;
const UNTIL: u32 = 24;

/// How wide.
const KIND_MASK: u64 = 0b11;
const VERSION_MASK: u64 = 0xff << VERSION;
const TAG_MASK: u64 = ((1 << Seed::TAG_BITS) - 1) << TAG;

/// Nanoseconds of boot time in one unit of `until`, as a power of two: about a millisecond.
const UNTIL_UNIT: u32 = 20;

/// The `until` of what never ends.
const NEVER: u64 = u64::MAX >> UNTIL;

/// What goes into the table's stamp.
pub(crate) const LAYOUT: [u64; 6] = [
    OVERLAPS_ALLOW as u64,
    VERSION as u64,
    TAG as u64,
    UNTIL as u64,
    UNTIL_UNIT as u64,
    Seed::TAG_BITS as u64,
];

/// What a host is in the table for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Kind {
    /// New connections pass at a rate.
    Limited = 1,
    /// Everything to the protected ports is dropped.
    Blocked = 2,
    /// It has authenticated: no sanction applies.
    Authenticated = 3,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Limited, Self::Blocked, Self::Authenticated];
}

/// What stands in the table for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What for.
    pub kind: Kind,
    /// Until when. The table keeps it to about a millisecond, and ends it at most that much early.
    pub until: Timestamp,
    /// Whether an allowed network overlaps this peer: then the program asks the allow list before it drops.
    pub overlaps_allow: bool,
}

impl Standing {
    /// The same, rounded as the table keeps it.
    #[must_use]
    pub const fn as_kept(self) -> Self {
        match State(0).with(self).standing() {
            Some(kept) => kept,
            // No kind is the empty one.
            None => self,
        }
    }
}

/// The word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct State(pub u64);

impl State {
    /// What stands in the slot; nothing where it is empty.
    #[must_use]
    #[inline(always)]
    pub const fn kind(self) -> Option<Kind> {
        match self.0 & KIND_MASK {
            1 => Some(Kind::Limited),
            2 => Some(Kind::Blocked),
            3 => Some(Kind::Authenticated),
            _ => None,
        }
    }

    /// Until when it stands.
    #[must_use]
    #[inline(always)]
    pub const fn until(self) -> Timestamp {
        match self.0 >> UNTIL {
            NEVER => Timestamp::NEVER,
            units => Timestamp(units << UNTIL_UNIT),
        }
    }

    /// Whether an allowed network overlaps the peer.
    #[must_use]
    #[inline(always)]
    pub const fn overlaps_allow(self) -> bool {
        self.0 >> OVERLAPS_ALLOW & 1 == 1
    }

    /// All of what stands; nothing where the slot is empty.
    #[must_use]
    pub const fn standing(self) -> Option<Standing> {
        match self.kind() {
            Some(kind) => Some(Standing { kind, until: self.until(), overlaps_allow: self.overlaps_allow() }),
            None => None,
        }
    }

    /// Whether the slot is free.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 & KIND_MASK == 0
    }

    /// Whether a host with this tag may stand here.
    #[must_use]
    #[inline(always)]
    pub const fn has_tag(self, tag: u16) -> bool {
        self.0 & TAG_MASK == (tag as u64) << TAG
    }

    /// 1 where a host with this tag may stand here, else 0. Without a comparison: the kernel's machine has none that is
    /// no branch.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn has_tag_as_number(self, tag: u16) -> u64 {
        let differs = (self.0 ^ (tag as u64) << TAG) & TAG_MASK;
        ((1 << UNTIL) - differs) >> UNTIL
    }

    /// Whether both words are of the same host's stay in the slot: what stands for it may have changed meanwhile.
    #[must_use]
    #[inline(always)]
    pub const fn is_same_stay(self, other: Self) -> bool {
        (self.0 ^ other.0) & (VERSION_MASK | TAG_MASK) == 0
    }
}

/// How the writer makes one word from another.
impl State {
    /// The state of a host that moves into the slot whose state this is.
    #[must_use]
    #[cfg(any(test, feature = "user"))]
    pub(crate) const fn next_stay(self, tag: u16, standing: Standing) -> Self {
        let version = self.0.wrapping_add(1 << VERSION) & VERSION_MASK;
        Self(version | (tag as u64) << TAG & TAG_MASK).with(standing)
    }

    /// The same stay with something else standing.
    #[must_use]
    pub(crate) const fn with(self, standing: Standing) -> Self {
        let units = standing.until.0 >> UNTIL_UNIT;
        let until = if units < NEVER { units } else { NEVER };
        let stay = self.0 & (VERSION_MASK | TAG_MASK);
        Self(
            until << UNTIL | stay | (standing.overlaps_allow as u64) << OVERLAPS_ALLOW | standing.kind as u64,
        )
    }

    /// The slot empty; it remembers its version alone.
    #[must_use]
    #[cfg(any(test, feature = "user"))]
    pub(crate) const fn cleared(self) -> Self {
        Self(self.0 & VERSION_MASK)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_stands_survives_the_word(
            word: u64,
            tag in 0u16..1 << Seed::TAG_BITS,
            kind in prop::sample::select(&Kind::ALL[..]),
            until: u64,
            overlaps_allow: bool,
        ) {
            let standing = Standing { kind, until: Timestamp(until), overlaps_allow };
            let before = State(word);
            let state = before.next_stay(tag, standing);
            let kept = state.standing().unwrap();
            prop_assert_eq!((kept.kind, kept.overlaps_allow), (kind, overlaps_allow));
            if until >> UNTIL_UNIT >= NEVER {
                prop_assert_eq!(kept.until, Timestamp::NEVER);
            } else {
                prop_assert!(kept.until.0 <= until && until - kept.until.0 < 1 << UNTIL_UNIT);
            }
            prop_assert_eq!(standing.as_kept(), kept);
            prop_assert!(state.has_tag(tag) && !state.has_tag(tag ^ 1));
            prop_assert!(!state.is_same_stay(before), "another version");
            let other = Standing { kind: Kind::Blocked, until: Timestamp(0), overlaps_allow: false };
            prop_assert!(state.with(other).is_same_stay(state), "the same stay, whatever stands");
            prop_assert!(state.cleared().is_empty() && state.cleared().standing().is_none());
            prop_assert!(!state.cleared().next_stay(tag, standing).is_same_stay(state), "never twice in a row");
        }
    }

    #[test]
    fn a_fresh_slot_is_empty() {
        assert!(State(0).is_empty() && State(0).kind().is_none());
    }
}
