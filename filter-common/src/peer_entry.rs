//! The value of the kernel's map of sanctioned peers. Decides nothing: `verdict` does.

use crate::{Sanction, Timestamp};

const NONE: u32 = 0;
const LIMITED: u32 = 1;
const BLOCKED: u32 = 2;

/// A peer's sanction as the map `PEERS` holds it. Userspace writes it whole; the kernel program changes `reported`
/// and `arrival` in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PeerEntry {
    /// Which sanction: 0 none, 1 limited, 2 blocked. Any other number counts as none: what is not understood passes.
    pub kind: u32,
    /// 1 once the first drop under this sanction was told to userspace. In the place where padding would be: an
    /// `u32`, because a layout shared through a map must have no byte that nobody wrote.
    pub reported: u32,
    /// When the sanction ends by itself, in nanoseconds since boot.
    pub until: u64,
    /// GCRA's theoretical arrival time of the next SYN, in nanoseconds since boot; 0 where none came yet.
    pub arrival: u64,
}

impl PeerEntry {
    /// The entry for a sanction whose limiter stands at `arrival`; its first drop is yet to be told.
    #[must_use]
    pub const fn new(sanction: Sanction, arrival: u64) -> Self {
        let (kind, until) = match sanction {
            Sanction::None => (NONE, 0),
            Sanction::Limited { until } => (LIMITED, until.0),
            Sanction::Blocked { until } => (BLOCKED, until.0),
        };
        Self { kind, reported: 0, until, arrival }
    }

    /// The sanction that this entry stands for.
    #[must_use]
    #[inline(always)]
    pub const fn sanction(&self) -> Sanction {
        let until = Timestamp(self.until);
        match self.kind {
            LIMITED => Sanction::Limited { until },
            BLOCKED => Sanction::Blocked { until },
            _ => Sanction::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sanction_survives_the_way_through_the_map() {
        let until = Timestamp(77);
        for sanction in [Sanction::None, Sanction::Limited { until }, Sanction::Blocked { until }] {
            assert_eq!(PeerEntry::new(sanction, 5).sanction(), sanction);
        }
    }

    #[test]
    fn what_a_newer_version_wrote_is_no_sanction() {
        let entry = PeerEntry { kind: 3, until: 77, ..PeerEntry::default() };
        assert_eq!(entry.sanction(), Sanction::None);
    }
}
