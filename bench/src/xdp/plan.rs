//! How much is measured: all of it, or as much as shows that the measurement works.

use std::time::Duration;

/// Counts and times, each bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Entries in the tables, each a column of the comparison.
    pub(super) entries: Vec<u32>,
    /// Rounds, in each of which all that is compared has its turn.
    pub(super) rounds: usize,
    /// Runs of a program in one turn.
    pub(super) runs: u32,
    /// How long packets are sent in one turn.
    pub(super) flood: Duration,
    /// Sanctions that are put into a table at once.
    pub(super) sanctions: u32,
    /// Peers that are blocked, one after the other, under traffic of theirs, in each of the rounds.
    pub(super) blocks: u32,
}

impl Plan {
    /// What the issue of the figures asks for.
    pub(super) fn full() -> Self {
        Self {
            entries: vec![1, 10_000, 1_000_000],
            rounds: 9,
            runs: 1_000_000,
            flood: Duration::from_millis(250),
            sanctions: 1_000_000,
            blocks: 200,
        }
    }

    /// As little as shows that it works.
    pub(super) fn quick() -> Self {
        Self {
            entries: vec![1, 10_000],
            rounds: 3,
            runs: 200_000,
            flood: Duration::from_millis(60),
            sanctions: 100_000,
            blocks: 20,
        }
    }
}
