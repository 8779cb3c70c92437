//! The networks that the kernel never drops from: the map `ALLOW`, and which peers share an address with one of them, for
//! the program looks into the map for those alone.

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::sync::{Mutex, PoisonError};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Map, MapData, MapError};
use filter_common::{PeerKey, PrefixLengths};
use ipnet::{IpNet, Ipv6Net};
use prefix_trie::PrefixSet;

use super::KernelError;
use super::pin::Pins;
use crate::peers::{MAX_ALLOWANCES, NotExempted};

/// The map of networks that nothing is dropped from.
pub(super) const ALLOW: &str = "ALLOW";

/// Where networks are put that nothing is dropped from.
pub(super) trait AllowList: std::fmt::Debug + Send + Sync {
    /// Adds a network, or takes it away.
    fn set(&self, network: IpNet, exempt: bool) -> Result<(), NotExempted>;
    /// Networks that an earlier process had here, and that are not in the settings: they may have been allowed by hand.
    fn left(&self) -> &[IpNet];
}

type Trie = LpmTrie<MapData, [u8; 16], u8>;

/// The map.
pub(super) struct AllowMap {
    trie: Mutex<Trie>,
    left: Vec<IpNet>,
}

impl std::fmt::Debug for AllowMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AllowMap").finish_non_exhaustive()
    }
}

impl AllowMap {
    /// Holds these from the start, and what an earlier process has left until somebody knows what of that still counts.
    pub(super) fn new(mut trie: Trie, networks: &[IpNet], left: Vec<IpNet>) -> Result<Self, KernelError> {
        for network in networks.iter().chain(&left) {
            trie.insert(&key(network), 1, 0).map_err(KernelError::map(ALLOW))?;
        }
        Ok(Self { trie: Mutex::new(trie), left })
    }
}

/// What an earlier process has exempt beside the networks of these settings: as many as can be allowed by hand.
pub(super) fn left(pins: &Pins, networks: &[IpNet]) -> Vec<IpNet> {
    // Where there is none, or one that was laid out otherwise, nothing goes on.
    let pinned = MapData::from_pin(pins.of(ALLOW)).and_then(Map::from_map_data).and_then(Trie::try_from);
    let Ok(trie) = pinned else { return Vec::new() };
    let known: HashSet<_> = networks.iter().map(mapped).collect();
    let left = trie.keys().filter_map(Result::ok).filter_map(|key| network_of(&key));
    left.filter(|network| !known.contains(network)).map(unmapped).take(MAX_ALLOWANCES).collect()
}

impl AllowList for AllowMap {
    fn set(&self, network: IpNet, exempt: bool) -> Result<(), NotExempted> {
        let mut trie = self.trie.lock().unwrap_or_else(PoisonError::into_inner);
        let done = match exempt {
            true => trie.insert(&key(&network), 1, 0),
            false => trie.remove(&key(&network)),
        };
        match done {
            // Absent is what it shall be.
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(NotExempted { network, reason: error.to_string() }),
        }
    }

    fn left(&self) -> &[IpNet] {
        &self.left
    }
}

/// The same networks, asked which peers they overlap.
#[derive(Debug)]
pub(super) struct Allowed {
    networks: PrefixSet<Ipv6Net>,
    lengths: PrefixLengths,
}

impl Allowed {
    pub(super) fn new<'a>(networks: impl IntoIterator<Item = &'a IpNet>, lengths: PrefixLengths) -> Self {
        let mut allowed = Self { networks: PrefixSet::new(), lengths };
        networks.into_iter().for_each(|network| allowed.set(*network, true));
        allowed
    }

    /// Adds a network, or takes it away.
    pub(super) fn set(&mut self, network: IpNet, allowed: bool) {
        if allowed {
            self.networks.insert(mapped(&network));
        } else {
            self.networks.remove(&mapped(&network));
        }
    }

    /// Whether an allowed network lies within this peer, or holds it.
    pub(super) fn overlaps(&self, peer: PeerKey) -> bool {
        let length =
            if peer.address().is_ipv4() { self.lengths.ipv4.saturating_add(96) } else { self.lengths.ipv6 };
        let Ok(peer) = Ipv6Net::new(Ipv6Addr::from_octets(peer.octets()), length) else { return true };
        self.networks.get_lpm(&peer).is_some() || self.networks.children(&peer).next().is_some()
    }
}

/// A network as the trie holds it.
pub(super) fn key(network: &IpNet) -> Key<[u8; 16]> {
    let network = mapped(network);
    Key::new(network.prefix_len().into(), network.network().octets())
}

fn network_of(key: &Key<[u8; 16]>) -> Option<Ipv6Net> {
    Ipv6Net::new(Ipv6Addr::from_octets(key.data()), u8::try_from(key.prefix_len()).ok()?).ok()
}

/// A network among all addresses as the program sees them, without host bits: IPv4 is in `::ffff:0:0/96`, so `::/0` holds
/// it too.
fn mapped(network: &IpNet) -> Ipv6Net {
    match network {
        // Never more than an address has.
        IpNet::V4(v4) => Ipv6Net::new(v4.network().to_ipv6_mapped(), v4.prefix_len() + 96)
            .unwrap_or_else(|_| v4.network().to_ipv6_mapped().into()),
        IpNet::V6(v6) => v6.trunc(),
    }
}

/// The same network, as people name it.
fn unmapped(network: Ipv6Net) -> IpNet {
    let v4 = network.network().to_ipv4_mapped().zip(network.prefix_len().checked_sub(96));
    // Never more than an address has.
    let v4 = v4.and_then(|(address, length)| IpNet::new(address.into(), length).ok());
    v4.unwrap_or(IpNet::V6(network))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn ipv4_networks_are_mapped() {
        let network = key(&"192.0.2.77/24".parse().unwrap());
        assert_eq!((network.prefix_len(), &network.data()[10..]), (120, &[0xff, 0xff, 192, 0, 2, 0][..]));
        let network = key(&"2001:db8::1/32".parse().unwrap());
        assert_eq!((network.prefix_len(), &network.data()[..5]), (32, &[0x20, 0x01, 0x0d, 0xb8, 0][..]));
    }

    #[test]
    fn a_network_comes_back_as_it_was_named() {
        for named in ["192.0.2.0/24", "0.0.0.0/0", "192.0.2.7/32", "2001:db8::/32", "2001:db8::7/128", "::/0"]
        {
            let named: IpNet = named.parse().unwrap();
            assert_eq!(network_of(&key(&named)).map(unmapped), Some(named));
        }
    }

    #[test]
    fn within_around_or_beside() {
        let networks = ["192.0.2.0/24", "2001:db8::7/128", "2001:db8:8000::/33"];
        let networks = networks.map(|network| network.parse().unwrap());
        let lengths = PrefixLengths::default();
        let allowed = Allowed::new(&networks, lengths);
        for (address, expected) in [
            ("192.0.2.7", true),
            ("192.0.3.7", false),
            ("2001:db8::9", true),
            ("2001:db8:0:1::9", false),
            ("2001:db8:8000:1::9", true),
        ] {
            let peer = PeerKey::from_ip(address.parse::<IpAddr>().unwrap(), lengths);
            assert_eq!(allowed.overlaps(peer), expected, "{address}");
        }
        let all = Allowed::new(&["::/0".parse().unwrap()], lengths);
        assert!(all.overlaps(PeerKey::from_ip("192.0.2.7".parse().unwrap(), lengths)), "IPv4 is mapped");
    }
}
