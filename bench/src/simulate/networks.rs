//! Networks in which so many peers are blocked that all of them are limited, as the daemon and its kernel program do it,
//! in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;

use filter_common::{PeerKey, PrefixLengths, Rate, Timestamp, gcra};

/// What of an address makes a network: where the daemon's documentation has it too (`network-threshold`).
const NETWORK: PrefixLengths = PrefixLengths { ipv4: 24, ipv6: 48 };

/// A network in which somebody is blocked.
#[derive(Debug, Default)]
struct Known {
    blocked: u32,
    arrival: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Networks {
    threshold: u32,
    peers: PrefixLengths,
    rate: Rate,
    known: HashMap<PeerKey, Known>,
    ends: BinaryHeap<Reverse<(Timestamp, PeerKey)>>,
    /// How many were limited at once, at most.
    peak: usize,
    limited: usize,
}

impl Networks {
    /// Limits networks with more than `threshold` blocked peers to `rate`; none where it is 0. A peer is what `peers`
    /// makes of an address.
    pub(super) fn new(threshold: u32, peers: PrefixLengths, rate: Rate) -> Self {
        let (known, ends) = (HashMap::new(), BinaryHeap::new());
        Self { threshold, peers, rate, known, ends, peak: 0, limited: 0 }
    }

    /// A peer is blocked until then that was not.
    pub(super) fn blocked(&mut self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        self.pass_time(now);
        let Some(key) = self.network_of(peer.address()) else { return };
        let known = self.known.entry(key).or_default();
        known.blocked += 1;
        self.limited += usize::from(known.blocked == self.threshold + 1);
        self.peak = self.peak.max(self.limited);
        self.ends.push(Reverse((until, key)));
    }

    /// Whether a new connection of a peer that is not sanctioned itself passes.
    pub(super) fn passes(&mut self, peer: PeerKey, now: Timestamp) -> bool {
        self.pass_time(now);
        if self.limited == 0 {
            return true;
        }
        let Some(key) = self.network_of(peer.address()) else { return true };
        match self.known.get_mut(&key) {
            Some(known) if known.blocked > self.threshold => {
                match gcra::step(known.arrival, now, self.rate) {
                    Some(arrival) => {
                        known.arrival = arrival;
                        true
                    }
                    None => false,
                }
            }
            _ => true,
        }
    }

    /// How many were limited at once, at most.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    fn pass_time(&mut self, now: Timestamp) {
        while let Some(Reverse((_, key))) = self.ends.peek().filter(|end| end.0.0 <= now).copied() {
            self.ends.pop();
            let Some(known) = self.known.get_mut(&key) else { continue };
            self.limited -= usize::from(known.blocked == self.threshold + 1);
            known.blocked -= 1;
            if known.blocked == 0 {
                self.known.remove(&key);
            }
        }
    }

    fn network_of(&self, address: IpAddr) -> Option<PeerKey> {
        let is_part =
            if address.is_ipv4() { self.peers.ipv4 > NETWORK.ipv4 } else { self.peers.ipv6 > NETWORK.ipv6 };
        (self.threshold > 0 && is_part).then(|| PeerKey::from_ip(address, NETWORK))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    fn peer(address: &str) -> PeerKey {
        PeerKey::from_ip(address.parse().unwrap(), PrefixLengths::default())
    }

    #[test]
    fn a_network_is_limited_while_more_than_so_many_are_blocked() {
        let rate = Rate::new(1, Duration::from_secs(60), 1);
        let mut networks = Networks::new(1, PrefixLengths::default(), rate);
        networks.blocked(peer("192.0.2.1"), at(100), at(0));
        assert!((0..9).all(|_| networks.passes(peer("192.0.2.9"), at(1))));
        networks.blocked(peer("192.0.2.2"), at(200), at(1));
        assert!(networks.passes(peer("192.0.2.9"), at(2)) && !networks.passes(peer("192.0.2.8"), at(3)));
        assert!(networks.passes(peer("198.51.100.1"), at(3)), "another network");
        assert!((0..9).all(|_| networks.passes(peer("192.0.2.9"), at(100))), "one block is over");
        assert_eq!(networks.peak(), 1);
    }

    #[test]
    fn nothing_is_limited_where_it_is_off_or_a_peer_is_a_network() {
        let wide = PrefixLengths { ipv4: 24, ipv6: 64 };
        for (threshold, peers) in [(0, PrefixLengths::default()), (1, wide)] {
            let mut networks = Networks::new(threshold, peers, Rate::new(1, Duration::from_secs(60), 1));
            for host in 1..9 {
                networks.blocked(peer(&format!("192.0.2.{host}")), at(100), at(0));
            }
            assert!((0..9).all(|_| networks.passes(peer("192.0.2.9"), at(1))));
        }
    }
}
