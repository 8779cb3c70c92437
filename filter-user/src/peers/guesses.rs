//! Failed guesses at passwords, by peer: bounded also where a peer earns no strikes, because a host of it has authenticated
//! or is allowed. Who has an account could else guess at all others for ever. Asks no clock.

use std::time::Duration;

use filter_common::{PeerKey, Timestamp};

use super::bounded::{Sharding, Shards, Worth};
use super::strikes::StrikeLevel;

/// The failures of one peer, which leak away as strikes do.
#[derive(Clone, Copy, Debug, Default)]
struct Failures(StrikeLevel);

impl Worth for Failures {
    fn worth(&self, now: Timestamp) -> u64 {
        self.0.empty_at().0.saturating_sub(now.0)
    }
}

/// Remembers failures.
#[derive(Debug)]
pub struct Guesses {
    peers: Shards<Failures>,
    most: u32,
    decay: Duration,
}

impl Guesses {
    /// A peer may have failed so often, and each failure takes `decay` to leak away; `max_peers` are remembered.
    #[must_use]
    pub fn new(most: u32, decay: Duration, max_peers: usize) -> Self {
        Self { peers: Shards::new(max_peers, Sharding::default()), most, decay }
    }

    /// Whether a peer may guess once more.
    #[must_use]
    pub fn may_guess(&self, peer: PeerKey, now: Timestamp) -> bool {
        let mut peers = self.peers.of(peer);
        peers.get_mut(peer).is_none_or(|failures| failures.0.strikes(self.decay, now) < self.most)
    }

    /// A guess was wrong.
    pub fn failed(&self, peer: PeerKey, now: Timestamp) {
        let mut peers = self.peers.of(peer);
        let failures = peers.entry(peer, now);
        failures.0 = failures.0.add(1, self.decay, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    #[test]
    fn a_peer_guesses_so_often_and_again_when_a_failure_has_leaked_away() {
        let guesses = Guesses::new(3, Duration::from_secs(600), 100);
        let [peer, other] = [1, 2].map(|host| PeerKey::from(std::net::Ipv4Addr::new(192, 0, 2, host)));
        for second in 0..3 {
            assert!(guesses.may_guess(peer, at(second)), "{second}");
            guesses.failed(peer, at(second));
        }
        assert!(!guesses.may_guess(peer, at(3)) && !guesses.may_guess(peer, at(599)));
        assert!(guesses.may_guess(other, at(3)), "another peer");
        assert!(guesses.may_guess(peer, at(600)));
        guesses.failed(peer, at(600));
        assert!(!guesses.may_guess(peer, at(601)));
        assert!(guesses.may_guess(peer, at(10_000)));
    }
}
