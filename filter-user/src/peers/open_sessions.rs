//! How many sessions each peer has open now, and the bound on it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use filter_common::PeerKey;
use foldhash::quality::RandomState;

use super::bounded::{SHARDS, Sharding};

/// The count. Bounded by the number of sessions in all, which the caller bounds.
#[derive(Debug)]
pub struct OpenSessions {
    shards: Box<[Mutex<HashMap<PeerKey, u32, RandomState>>]>,
    sharding: Sharding,
    per_peer: u32,
}

impl OpenSessions {
    /// At most `per_peer` sessions of one peer.
    #[must_use]
    pub fn new(per_peer: u32) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, sharding: Sharding::default(), per_peer }
    }

    /// Counts one more, unless the peer has as many as it may.
    #[must_use]
    pub fn open(&self, peer: PeerKey) -> bool {
        let mut counts = self.of(peer);
        let count = counts.entry(peer).or_insert(0);
        if *count >= self.per_peer {
            return false;
        }
        *count += 1;
        true
    }

    /// Counts one less.
    pub fn close(&self, peer: PeerKey) {
        let mut counts = self.of(peer);
        if let Some(count) = counts.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&peer);
            }
        }
    }

    /// How many a peer has.
    #[must_use]
    pub fn count(&self, peer: PeerKey) -> u32 {
        self.of(peer).get(&peer).copied().unwrap_or(0)
    }

    fn of(&self, peer: PeerKey) -> MutexGuard<'_, HashMap<PeerKey, u32, RandomState>> {
        // Counts are plain numbers: a panic elsewhere cannot leave one half-written.
        self.shards[self.sharding.shard(peer)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_peer_has_at_most_its_bound_and_others_are_untouched() {
        let sessions = OpenSessions::new(2);
        let (one, other) =
            (PeerKey::from(Ipv4Addr::new(192, 0, 2, 1)), PeerKey::from(Ipv4Addr::new(192, 0, 2, 2)));
        assert!(sessions.open(one) && sessions.open(one));
        assert!(!sessions.open(one));
        assert!(sessions.open(other));
        sessions.close(one);
        assert_eq!(sessions.count(one), 1);
        assert!(sessions.open(one));
    }
}
