//! Who is exempt from sanctions in the kernel, by the time at which that ends: so many and no more, and how far use may
//! prolong it. Knows no map and no clock.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use filter_common::{PeerKey, Timestamp};

/// An authentication.
#[derive(Clone, Copy, Debug)]
struct Authentication {
    until: Timestamp,
    /// What one use prolongs it by.
    length: Duration,
    /// Beyond this only the next authentication prolongs it.
    at_most_until: Timestamp,
}

/// Authenticated peers.
#[derive(Debug)]
pub(super) struct Authenticated {
    peers: HashMap<PeerKey, Authentication>,
    by_end: BTreeSet<(Timestamp, PeerKey)>,
    capacity: usize,
    longest: Duration,
}

impl Authenticated {
    /// At most `capacity`; use prolongs nobody's beyond `longest` after it authenticated.
    pub(super) fn new(capacity: usize, longest: Duration) -> Self {
        Self { peers: HashMap::new(), by_end: BTreeSet::new(), capacity: capacity.max(1), longest }
    }

    /// Takes a peer in that authenticates now. Returns who has to go for it: the one that ends first, which may be itself.
    pub(super) fn authenticate(
        &mut self,
        peer: PeerKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Option<PeerKey> {
        let at_most_until = now.plus(self.longest).max(until);
        self.put(peer, Authentication { until, length: until.since(now), at_most_until });
        self.one_too_many()
    }

    /// Takes a peer in whose authentication an earlier process knew: when it authenticated is not known any more, so use
    /// does not prolong it.
    pub(super) fn inherit(&mut self, peer: PeerKey, until: Timestamp) -> Option<PeerKey> {
        self.put(peer, Authentication { until, length: Duration::ZERO, at_most_until: until });
        self.one_too_many()
    }

    fn put(&mut self, peer: PeerKey, authentication: Authentication) {
        if let Some(earlier) = self.peers.insert(peer, authentication) {
            self.by_end.remove(&(earlier.until, peer));
        }
        self.by_end.insert((authentication.until, peer));
    }

    fn one_too_many(&mut self) -> Option<PeerKey> {
        if self.peers.len() <= self.capacity {
            return None;
        }
        let (_, first) = self.by_end.pop_first()?;
        self.peers.remove(&first);
        Some(first)
    }

    /// A peer has used its exemption: until when it has it now, where that is longer than before.
    pub(super) fn used(&mut self, peer: PeerKey, now: Timestamp) -> Option<Timestamp> {
        let authentication = *self.peers.get(&peer)?;
        let until = now.plus(authentication.length).min(authentication.at_most_until);
        if until <= authentication.until {
            return None;
        }
        self.put(peer, Authentication { until, ..authentication });
        Some(until)
    }

    /// Until when a peer is exempt, whether that is over or not.
    pub(super) fn until(&self, peer: PeerKey) -> Option<Timestamp> {
        self.peers.get(&peer).map(|authentication| authentication.until)
    }

    /// Whether one more would fit.
    pub(super) fn has_room(&self) -> bool {
        self.peers.len() < self.capacity
    }

    /// Lets go of a peer.
    pub(super) fn remove(&mut self, peer: PeerKey) {
        if let Some(authentication) = self.peers.remove(&peer) {
            self.by_end.remove(&(authentication.until, peer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn peer(n: u32) -> PeerKey {
        PeerKey::from(Ipv4Addr::from(n))
    }

    fn minute(n: u32) -> Timestamp {
        Timestamp::default().plus(n * MINUTE)
    }

    #[test]
    fn the_one_that_ends_first_goes_even_if_it_came_last() {
        let mut peers = Authenticated::new(2, 60 * MINUTE);
        assert_eq!(peers.authenticate(peer(1), minute(50), minute(0)), None);
        assert_eq!(peers.authenticate(peer(2), minute(20), minute(0)), None);
        assert_eq!(peers.authenticate(peer(2), minute(60), minute(1)), None, "one of those inside");
        assert_eq!(peers.authenticate(peer(3), minute(55), minute(1)), Some(peer(1)));
        assert_eq!(peers.authenticate(peer(4), minute(10), minute(1)), Some(peer(4)));
        assert!(!peers.has_room() && peers.until(peer(4)).is_none());
        peers.remove(peer(2));
        peers.remove(peer(2));
        assert!(peers.has_room() && peers.until(peer(3)) == Some(minute(55)));
        assert_eq!(peers.by_end.len(), peers.peers.len());
    }

    #[test]
    fn use_prolongs_by_the_first_length_and_not_for_ever() {
        let mut peers = Authenticated::new(2, 30 * MINUTE);
        peers.authenticate(peer(1), minute(10), minute(0));
        assert_eq!(peers.used(peer(1), minute(0)), None, "no longer than it is");
        assert_eq!(peers.used(peer(1), minute(9)), Some(minute(19)));
        assert_eq!(peers.used(peer(1), minute(18)), Some(minute(28)));
        assert_eq!(peers.used(peer(1), minute(27)), Some(minute(30)), "authenticated half an hour ago");
        assert_eq!(peers.used(peer(1), minute(29)), None);
        peers.authenticate(peer(1), minute(39), minute(29));
        assert_eq!(peers.used(peer(1), minute(30)), Some(minute(40)), "and again");
        assert_eq!(peers.used(peer(2), minute(30)), None, "nobody");
    }

    #[test]
    fn an_authentication_longer_than_use_may_prolong_keeps_its_length() {
        let mut peers = Authenticated::new(2, MINUTE);
        peers.authenticate(peer(1), minute(10), minute(0));
        assert_eq!((peers.until(peer(1)), peers.used(peer(1), minute(5))), (Some(minute(10)), None));
        peers.inherit(peer(2), minute(7));
        assert_eq!((peers.until(peer(2)), peers.used(peer(2), minute(5))), (Some(minute(7)), None));
    }
}
