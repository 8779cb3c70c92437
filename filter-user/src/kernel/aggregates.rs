//! Networks in which so many peers are blocked that all of it is limited: an IPv4 /24, an IPv6 /48. Counts blocked peers
//! as the table of hosts gains and loses them; knows of the kernel only where a network is put in and taken out.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::time::Duration;

use filter_common::{PeerKey, PrefixLengths, Timestamp};
use ipnet::IpNet;

use crate::telemetry::field;

/// Bits of an address that make a network. Fewer peers than one would be a peer itself, and is not counted.
const IPV4_NETWORK: u8 = 24;
const IPV6_NETWORK: u8 = 48;

/// How long the kernel limits a network without hearing of it again. A limit hits honest neighbours too, and ends when
/// enough of the blocks have: that somebody has to count. Where this process is gone nobody does, and the limit shall not
/// go on until the longest block is over. Long enough for a restart and an upgrade.
const LIMITED_FOR: Duration = Duration::from_secs(600);

/// How long a limit has left when it is renewed, at least.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);

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
    /// Where the kernel limits it.
    limit: Option<Limit>,
}

/// A network's limit, as the kernel has it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    until: Timestamp,
    /// When it is looked at again.
    due: Timestamp,
}

/// All of them: as many as peers are blocked, at most.
#[derive(Debug)]
pub(super) struct Aggregates {
    threshold: u32,
    prefixes: PrefixLengths,
    known: HashMap<PeerKey, Known, foldhash::quality::RandomState>,
    /// Those that are limited, by when they are due.
    due: BTreeSet<(Timestamp, PeerKey)>,
    kernel: Box<dyn LimitedNetworks>,
    has_failed: bool,
}

impl Aggregates {
    /// Limits networks with more than `threshold` blocked peers; none where it is 0.
    pub(super) fn new(threshold: u32, prefixes: PrefixLengths, kernel: Box<dyn LimitedNetworks>) -> Self {
        Self {
            threshold,
            prefixes,
            known: HashMap::default(),
            due: BTreeSet::new(),
            kernel,
            has_failed: false,
        }
    }

    /// How many are limited.
    pub(super) fn limited(&self) -> usize {
        self.due.len()
    }

    /// The network of a peer, where that is limited at `now`.
    pub(super) fn limited_network(&self, peer: PeerKey, now: Timestamp) -> Option<IpNet> {
        let key = self.network_of(peer)?;
        let limit = self.known.get(&key)?.limit?;
        (limit.until > now).then(|| named(key))
    }

    /// A peer is blocked now that was not.
    pub(super) fn blocked(&mut self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        let Some(key) = self.network_of(peer) else { return };
        let known = self.known.entry(key).or_default();
        known.blocked += 1;
        known.until = known.until.max(until);
        self.limit(key, now);
    }

    /// A peer that is blocked is so until then.
    pub(super) fn prolonged(&mut self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        let Some(key) = self.network_of(peer) else { return };
        if let Some(known) = self.known.get_mut(&key) {
            known.until = known.until.max(until);
            self.limit(key, now);
        }
    }

    /// Renews the limits that are due, as many as that; whether others are left. To be called every second or so.
    pub(super) fn renew(&mut self, most: usize, now: Timestamp) -> bool {
        for _ in 0..most {
            match self.due.first() {
                Some(&(due, key)) if due <= now => {
                    self.limit(key, now);
                    self.set_due(key, now);
                }
                _ => return false,
            }
        }
        true
    }

    /// Lets the kernel limit a network with too many blocked peers for some time, where it does not already.
    fn limit(&mut self, key: PeerKey, now: Timestamp) {
        let Some(Known { blocked, until, limit }) = self.known.get(&key).copied() else { return };
        let limited_until = limit.map_or(Timestamp::default(), |limit| limit.until);
        let until = until.min(now.plus(LIMITED_FOR));
        if blocked <= self.threshold || until <= limited_until || now.plus(RENEWED_BEFORE) < limited_until {
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
        if limit.is_none() {
            tracing::warn!(
                %network,
                blocked,
                "so many peers of this network are blocked that new connections of all of it are limited"
            );
        }
        if let Some(known) = self.known.get_mut(&key) {
            known.limit = Some(Limit { until, due: limit.map_or(now, |limit| limit.due) });
        }
        self.set_due(key, now);
    }

    /// It is looked at again long before its limit could end.
    fn set_due(&mut self, key: PeerKey, now: Timestamp) {
        if let Some(limit) = self.known.get_mut(&key).and_then(|known| known.limit.as_mut()) {
            self.due.remove(&(limit.due, key));
            limit.due = now.plus(LIMITED_FOR - RENEWED_BEFORE);
            self.due.insert((limit.due, key));
        }
    }

    /// A peer is not blocked any more that was.
    pub(super) fn unblocked(&mut self, peer: PeerKey) {
        let Some(key) = self.network_of(peer) else { return };
        let Some(known) = self.known.get_mut(&key) else { return };
        known.blocked = known.blocked.saturating_sub(1);
        let blocked = known.blocked;
        if let Some(limit) = known.limit.take_if(|_| blocked <= self.threshold) {
            self.due.remove(&(limit.due, key));
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
        networks.blocked(peer("192.0.2.1"), Timestamp(50), Timestamp(0));
        networks.blocked(peer("192.0.2.2"), Timestamp(70), Timestamp(0));
        networks.blocked(peer("198.51.100.1"), Timestamp(99), Timestamp(0));
        assert_eq!((held(&kernel), networks.limited()), (vec![], 0));
        networks.blocked(peer("192.0.2.3"), Timestamp(60), Timestamp(0));
        assert_eq!(held(&kernel), [("192.0.2.0/24".to_owned(), 70)], "until the last block in it ends");
        networks.blocked(peer("192.0.2.4"), Timestamp(80), Timestamp(0));
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
        networks.blocked(peer("2001:db8:1:1::1"), Timestamp(50), Timestamp(0));
        networks.blocked(peer("2001:db8:1:2::1"), Timestamp(40), Timestamp(0));
        networks.blocked(peer("2001:db8:2:1::1"), Timestamp(90), Timestamp(0));
        assert_eq!(held(&kernel), [("2001:db8:1::/48".to_owned(), 50)]);
    }

    #[test]
    fn peers_as_large_as_a_network_are_not_counted_and_neither_is_anybody_where_it_is_off() {
        for (threshold, ipv4) in [(1, 24), (1, 16), (0, 32)] {
            let (mut networks, kernel) = networks(threshold, 9, PrefixLengths { ipv4, ipv6: 48 });
            for n in 1..9 {
                networks.blocked(
                    PeerKey::from(std::net::Ipv4Addr::new(192, 0, 2, n)),
                    Timestamp(50),
                    Timestamp(0),
                );
                networks.blocked(peer(&format!("2001:db8:{n}::")), Timestamp(50), Timestamp(0));
            }
            assert!(held(&kernel).is_empty() && networks.known.is_empty());
        }
    }

    #[test]
    fn what_the_kernel_does_not_take_is_not_counted_as_limited() {
        let (mut networks, kernel) = networks(1, 1, PrefixLengths::default());
        for network in ["192.0.2", "198.51.100"] {
            for n in 1..4 {
                networks.blocked(peer(&format!("{network}.{n}")), Timestamp(50), Timestamp(0));
            }
        }
        assert_eq!((held(&kernel).len(), networks.limited()), (1, 1));
    }

    fn minute(n: u64) -> Timestamp {
        Timestamp(n * 60_000_000_000)
    }

    /// Three blocked peers of one network, one more than may be.
    fn limited(until: Timestamp) -> (Aggregates, InKernel) {
        let (mut networks, kernel) = networks(2, 9, PrefixLengths::default());
        for n in 1..4 {
            networks.blocked(peer(&format!("192.0.2.{n}")), until, minute(1));
        }
        (networks, kernel)
    }

    fn until(kernel: &InKernel) -> Timestamp {
        Timestamp(held(kernel)[0].1)
    }

    #[test]
    fn a_limit_lasts_while_somebody_counts_and_not_for_hours_when_nobody_does() {
        let (mut networks, kernel) = limited(minute(600));
        assert_eq!(until(&kernel), minute(11), "ten minutes, though the blocks last for hours");
        for now in 1..600 {
            while networks.renew(1, minute(now)) {}
            assert!(until(&kernel) >= minute(600.min(now + 5)), "at {now}");
            assert!(until(&kernel) <= minute(600.min(now + 10)), "at {now}");
        }
        assert_eq!((until(&kernel), networks.limited()), (minute(600), 1));
        networks.unblocked(peer("192.0.2.1"));
        assert_eq!((held(&kernel), networks.limited(), networks.due.len()), (vec![], 0, 0));
        assert!(!networks.renew(9, minute(700)) && held(&kernel).is_empty(), "it is not renewed any more");
    }

    #[test]
    fn a_longer_block_lets_the_limit_last_longer() {
        let (mut networks, kernel) = limited(minute(3));
        assert_eq!(until(&kernel), minute(3), "the blocks end before ten minutes are over");
        networks.prolonged(peer("192.0.2.2"), minute(8), minute(2));
        assert_eq!(until(&kernel), minute(8));
        networks.blocked(peer("192.0.2.9"), minute(90), minute(3));
        assert_eq!(until(&kernel), minute(13));
        networks.prolonged(peer("198.51.100.1"), minute(90), minute(3));
        assert_eq!(held(&kernel).len(), 1, "nobody is blocked there");
    }

    #[test]
    fn one_renewal_does_not_go_over_all() {
        let (mut networks, kernel) = networks(1, 100, PrefixLengths::default());
        for n in 0..100 {
            for host in 1..3 {
                networks.blocked(peer(&format!("10.0.{n}.{host}")), minute(600), minute(1));
            }
        }
        assert!(networks.renew(60, minute(6)) && !networks.renew(60, minute(6)));
        assert!(held(&kernel).iter().all(|(_, until)| *until == minute(16).0));
    }
}
