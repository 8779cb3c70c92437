//! Networks in which so many peers are blocked that all of it is limited: an IPv4 /24, an IPv6 /48. Counts blocked peers
//! as the table of hosts gains and loses them; knows of the kernel only where a network is put in and taken out.

use std::collections::HashMap;
use std::fmt;
use std::io;

use filter_common::{PeerKey, PrefixLengths, Timestamp};
use ipnet::IpNet;

use crate::telemetry::field;

/// Bits of an address that make a network. Fewer peers than one would be a peer itself, and is not counted.
const IPV4_NETWORK: u8 = 24;
const IPV6_NETWORK: u8 = 48;

/// The map `NETWORKS`.
pub(super) trait LimitedNetworks: fmt::Debug + Send {
    /// Limits a network until then, in place of an earlier time.
    fn put(&mut self, network: IpNet, until: Timestamp) -> io::Result<()>;
    /// Lets go of it.
    fn remove(&mut self, network: IpNet) -> io::Result<()>;
}

/// What is known of a network in which somebody is blocked.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    blocked: u32,
    /// When the last of the blocks that were ever counted ends.
    until: Timestamp,
    /// Until when the kernel limits it; the default where it does not.
    limited_until: Timestamp,
}

/// All of them: as many as peers are blocked, at most.
#[derive(Debug)]
pub(super) struct Aggregates {
    threshold: u32,
    prefixes: PrefixLengths,
    known: HashMap<PeerKey, Known, foldhash::quality::RandomState>,
    limited: usize,
    kernel: Box<dyn LimitedNetworks>,
    has_failed: bool,
}

impl Aggregates {
    /// Limits networks with more than `threshold` blocked peers; none where it is 0.
    pub(super) fn new(threshold: u32, prefixes: PrefixLengths, kernel: Box<dyn LimitedNetworks>) -> Self {
        Self { threshold, prefixes, known: HashMap::default(), limited: 0, kernel, has_failed: false }
    }

    /// How many are limited.
    pub(super) fn limited(&self) -> usize {
        self.limited
    }

    /// A peer is blocked now that was not.
    pub(super) fn blocked(&mut self, peer: PeerKey, until: Timestamp) {
        let Some(key) = self.network_of(peer) else { return };
        let known = self.known.entry(key).or_default();
        known.blocked += 1;
        known.until = known.until.max(until);
        let (blocked, until, limited_until) = (known.blocked, known.until, known.limited_until);
        if blocked <= self.threshold || until <= limited_until {
            return;
        }
        let network = named(key);
        if let Err(error) = self.kernel.put(network, until) {
            // Once: that there are more, the gauge tells, which stays behind.
            if !std::mem::replace(&mut self.has_failed, true) {
                tracing::warn!({ field::ERROR } = %error, %network, "the kernel does not take a network that is to be limited");
            }
            return;
        }
        if limited_until == Timestamp::default() {
            self.limited += 1;
            tracing::warn!(
                %network,
                blocked,
                "so many peers of this network are blocked that new connections of all of it are limited"
            );
        }
        if let Some(known) = self.known.get_mut(&key) {
            known.limited_until = until;
        }
    }

    /// A peer is not blocked any more that was.
    pub(super) fn unblocked(&mut self, peer: PeerKey) {
        let Some(key) = self.network_of(peer) else { return };
        let Some(known) = self.known.get_mut(&key) else { return };
        known.blocked = known.blocked.saturating_sub(1);
        let (blocked, is_limited) = (known.blocked, known.limited_until > Timestamp::default());
        if is_limited && blocked <= self.threshold {
            known.limited_until = Timestamp::default();
            self.limited = self.limited.saturating_sub(1);
            let network = named(key);
            // What the kernel keeps of it ends by itself.
            let left = self.kernel.remove(network);
            tracing::info!(%network, kept = ?left.err(), "new connections of this network are not limited any more");
        }
        if blocked == 0 {
            self.known.remove(&key);
        }
    }

    /// The network that a peer is a part of, as the key of its lowest address.
    fn network_of(&self, peer: PeerKey) -> Option<PeerKey> {
        let networks = PrefixLengths { ipv4: IPV4_NETWORK, ipv6: IPV6_NETWORK };
        let address = peer.address();
        let is_part = if address.is_ipv4() {
            self.prefixes.ipv4 > networks.ipv4
        } else {
            self.prefixes.ipv6 > networks.ipv6
        };
        (self.threshold > 0 && is_part).then(|| PeerKey::from_ip(address, networks))
    }
}

fn named(key: PeerKey) -> IpNet {
    let address = key.address();
    let length = if address.is_ipv4() { IPV4_NETWORK } else { IPV6_NETWORK };
    // Neither length is more than an address has.
    IpNet::new(address, length).unwrap_or_else(|_| IpNet::from(address))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    type InKernel = Arc<Mutex<HashMap<IpNet, Timestamp>>>;

    #[derive(Debug)]
    struct Fake(InKernel, usize);

    impl LimitedNetworks for Fake {
        fn put(&mut self, network: IpNet, until: Timestamp) -> io::Result<()> {
            let mut held = self.0.lock().unwrap();
            if held.len() >= self.1 && !held.contains_key(&network) {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            held.insert(network, until);
            Ok(())
        }
        fn remove(&mut self, network: IpNet) -> io::Result<()> {
            self.0.lock().unwrap().remove(&network).map(drop).ok_or(io::ErrorKind::NotFound.into())
        }
    }

    fn networks(threshold: u32, room: usize, prefixes: PrefixLengths) -> (Aggregates, InKernel) {
        let held = InKernel::default();
        (Aggregates::new(threshold, prefixes, Box::new(Fake(held.clone(), room))), held)
    }

    fn peer(address: &str) -> PeerKey {
        PeerKey::from_ip(address.parse().unwrap(), PrefixLengths::default())
    }

    fn held(kernel: &InKernel) -> Vec<(String, u64)> {
        let mut held: Vec<_> =
            kernel.lock().unwrap().iter().map(|(network, until)| (network.to_string(), until.0)).collect();
        held.sort();
        held
    }

    #[test]
    fn a_network_is_limited_beyond_the_threshold_and_until_it_falls_back() {
        let (mut networks, kernel) = networks(2, 9, PrefixLengths::default());
        networks.blocked(peer("192.0.2.1"), Timestamp(50));
        networks.blocked(peer("192.0.2.2"), Timestamp(70));
        networks.blocked(peer("198.51.100.1"), Timestamp(99));
        assert_eq!((held(&kernel), networks.limited()), (vec![], 0));
        networks.blocked(peer("192.0.2.3"), Timestamp(60));
        assert_eq!(held(&kernel), [("192.0.2.0/24".to_owned(), 70)], "until the last block in it ends");
        networks.blocked(peer("192.0.2.4"), Timestamp(80));
        assert_eq!(held(&kernel), [("192.0.2.0/24".to_owned(), 80)]);
        networks.unblocked(peer("192.0.2.1"));
        assert_eq!(networks.limited(), 1);
        networks.unblocked(peer("192.0.2.2"));
        assert_eq!((held(&kernel), networks.limited()), (vec![], 0));
        for left in ["192.0.2.3", "192.0.2.4", "198.51.100.1", "203.0.113.1"] {
            networks.unblocked(peer(left));
        }
        assert!(networks.known.is_empty(), "nothing is left behind");
    }

    #[test]
    fn an_ipv6_network_is_a_48() {
        let (mut networks, kernel) = networks(1, 9, PrefixLengths::default());
        networks.blocked(peer("2001:db8:1:1::1"), Timestamp(50));
        networks.blocked(peer("2001:db8:1:2::1"), Timestamp(40));
        networks.blocked(peer("2001:db8:2:1::1"), Timestamp(90));
        assert_eq!(held(&kernel), [("2001:db8:1::/48".to_owned(), 50)]);
    }

    #[test]
    fn peers_as_large_as_a_network_are_not_counted_and_neither_is_anybody_where_it_is_off() {
        for (threshold, ipv4) in [(1, 24), (1, 16), (0, 32)] {
            let (mut networks, kernel) = networks(threshold, 9, PrefixLengths { ipv4, ipv6: 48 });
            for n in 1..9 {
                networks.blocked(PeerKey::from(std::net::Ipv4Addr::new(192, 0, 2, n)), Timestamp(50));
                networks.blocked(peer(&format!("2001:db8:{n}::")), Timestamp(50));
            }
            assert!(held(&kernel).is_empty() && networks.known.is_empty());
        }
    }

    #[test]
    fn what_the_kernel_does_not_take_is_not_counted_as_limited() {
        let (mut networks, kernel) = networks(1, 1, PrefixLengths::default());
        for network in ["192.0.2", "198.51.100"] {
            for n in 1..4 {
                networks.blocked(peer(&format!("{network}.{n}")), Timestamp(50));
            }
        }
        assert_eq!((held(&kernel).len(), networks.limited()), (1, 1));
    }
}
