//! The ladder: how many strikes earn which sanction, and how long each block is.

use std::time::Duration;

use filter_common::{Sanction, Timestamp};

use super::strikes::StrikeLevel;

/// The rungs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Strikes that limit a peer.
    pub to_limit: u32,
    /// Strikes that block it.
    pub to_block: u32,
    /// Time in which one strike leaks away.
    pub decay: Duration,
    /// How long the first block is; each further one is twice the one before.
    pub block_for: Duration,
    /// How long a block is at most; and how long after one a peer must behave for its blocks to be forgotten.
    pub block_max: Duration,
}

impl Ladder {
    /// The sanction that a level earns at `now`, for a peer that was blocked `blocks` times before.
    #[must_use]
    pub fn sanction(&self, level: StrikeLevel, blocks: u32, now: Timestamp) -> Sanction {
        let strikes = level.strikes(self.decay, now);
        if strikes >= self.to_block {
            Sanction::Blocked { until: now.plus(self.block_length(blocks)) }
        } else if strikes >= self.to_limit {
            Sanction::Limited { until: level.below(self.to_limit, self.decay) }
        } else {
            Sanction::None
        }
    }

    /// How long a block is, after `blocks` earlier ones.
    #[must_use]
    pub fn block_length(&self, blocks: u32) -> Duration {
        self.block_for.saturating_mul(2u32.saturating_pow(blocks)).min(self.block_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder() -> Ladder {
        Ladder {
            to_limit: 3,
            to_block: 10,
            decay: Duration::from_secs(600),
            block_for: Duration::from_secs(300),
            block_max: Duration::from_secs(86_400),
        }
    }

    #[test]
    fn none_then_limited_then_blocked() {
        let ladder = ladder();
        let now = Timestamp(1_000_000_000);
        let mut level = StrikeLevel::default();
        let mut seen = Vec::new();
        for _ in 0..10 {
            level = level.add(1, ladder.decay, now);
            seen.push(match ladder.sanction(level, 0, now) {
                Sanction::None => 'n',
                Sanction::Limited { .. } => 'l',
                Sanction::Blocked { .. } => 'b',
            });
        }
        assert_eq!(String::from_iter(seen), "nnlllllllb");
    }

    #[test]
    fn each_block_is_twice_the_last_up_to_the_longest() {
        let lengths: Vec<_> =
            [0, 1, 2, 8, 9, 31, 32, u32::MAX].map(|n| ladder().block_length(n).as_secs()).into();
        assert_eq!(lengths, [300, 600, 1200, 76_800, 86_400, 86_400, 86_400, 86_400]);
    }

    #[test]
    fn a_limit_ends_when_enough_has_leaked() {
        let ladder = ladder();
        let level = StrikeLevel::default().add(4, ladder.decay, Timestamp(0));
        let until = Timestamp(0).plus(Duration::from_secs(1200));
        assert_eq!(ladder.sanction(level, 0, Timestamp(0)), Sanction::Limited { until });
        assert_eq!(ladder.sanction(level, 0, until), Sanction::None);
    }
}
