//! What userspace put into a map of the kernel, and until when: so that it never puts in more than fits, finds what
//! is over without reading the map, and needs no system call to know. Knows no map.

use std::collections::{BTreeSet, HashMap};

use filter_common::{PeerKey, Timestamp};

/// The peers in one map.
#[derive(Debug)]
pub(super) struct Held<V> {
    peers: HashMap<PeerKey, (Timestamp, V)>,
    by_end: BTreeSet<(Timestamp, PeerKey)>,
    capacity: usize,
}

impl<V> Held<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { peers: HashMap::new(), by_end: BTreeSet::new(), capacity }
    }

    /// Whether one more peer fits, or this one is there already.
    pub(super) fn has_room_for(&self, peer: PeerKey) -> bool {
        self.peers.len() < self.capacity || self.peers.contains_key(&peer)
    }

    /// Takes a peer in, or its new end in place of the old.
    pub(super) fn put(&mut self, peer: PeerKey, until: Timestamp, value: V) {
        if let Some((earlier, _)) = self.peers.insert(peer, (until, value)) {
            self.by_end.remove(&(earlier, peer));
        }
        self.by_end.insert((until, peer));
    }

    /// Whether the peer was there.
    pub(super) fn remove(&mut self, peer: PeerKey) -> bool {
        match self.peers.remove(&peer) {
            Some((until, _)) => self.by_end.remove(&(until, peer)),
            None => false,
        }
    }

    /// What is held of a peer, and until when.
    pub(super) fn get(&self, peer: PeerKey) -> Option<&(Timestamp, V)> {
        self.peers.get(&peer)
    }

    /// Takes out one peer whose time is over.
    pub(super) fn take_over(&mut self, now: Timestamp) -> Option<PeerKey> {
        let (until, peer) = *self.by_end.first()?;
        if until > now {
            return None;
        }
        self.by_end.pop_first();
        self.peers.remove(&peer);
        Some(peer)
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn peer(n: u32) -> PeerKey {
        PeerKey::from(Ipv4Addr::from(n))
    }

    #[test]
    fn what_is_over_leaves_first_and_nothing_else_leaves() {
        let mut held = Held::new(10);
        for (n, until) in [(1, 50), (2, 20), (3, 90), (2, 60)] {
            held.put(peer(n), Timestamp(until), ());
        }
        assert_eq!(held.take_over(Timestamp(49)), None, "peer 2 stays longer now");
        assert_eq!(held.take_over(Timestamp(60)), Some(peer(1)));
        assert_eq!(held.take_over(Timestamp(60)), Some(peer(2)));
        assert_eq!(held.take_over(Timestamp(60)), None);
        assert!(held.remove(peer(3)) && !held.remove(peer(3)));
        assert_eq!((held.len(), held.by_end.len()), (0, 0));
    }

    #[test]
    fn it_is_full_at_its_bound_for_all_but_those_inside() {
        let mut held = Held::new(2);
        held.put(peer(1), Timestamp(5), ());
        assert!(held.has_room_for(peer(2)));
        held.put(peer(2), Timestamp(5), ());
        assert!(!held.has_room_for(peer(3)) && held.has_room_for(peer(1)));
    }
}
