//! The networks that the kernel never drops from: the map `ALLOW`, and which peers share an address with one of them, for
//! the program looks into the map for those alone.

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::sync::{Mutex, PoisonError};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{MapData, MapError};
use filter_common::{PeerKey, PrefixLengths};
use ipnet::{IpNet, Ipv6Net};
use prefix_trie::PrefixSet;

use super::KernelError;
use crate::peers::NotExempted;

/// Where networks are put that nothing is dropped from.
pub(super) trait AllowList: std::fmt::Debug + Send + Sync {
    /// Adds a network, or takes it away.
    fn set(&self, network: IpNet, exempt: bool) -> Result<(), NotExempted>;
}

/// The map.
pub(super) struct AllowMap(Mutex<LpmTrie<MapData, [u8; 16], u8>>);

impl std::fmt::Debug for AllowMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AllowMap").finish_non_exhaustive()
    }
}

impl AllowMap {
    /// Holds these from the start.
    pub(super) fn new(
        mut trie: LpmTrie<MapData, [u8; 16], u8>,
        networks: &[IpNet],
    ) -> Result<Self, KernelError> {
        // What an earlier process has left there may be allowed no longer.
        let wanted: HashSet<_> = networks.iter().map(mapped).collect();
        let left: Vec<_> = trie.keys().filter_map(Result::ok).collect();
        for key in left.iter().filter(|key| !network_of(key).is_some_and(|left| wanted.contains(&left))) {
            trie.remove(key).map_err(KernelError::map("ALLOW"))?;
        }
        for network in networks {
            trie.insert(&key(network), 1, 0).map_err(KernelError::map("ALLOW"))?;
        }
        Ok(Self(Mutex::new(trie)))
    }
}

impl AllowList for AllowMap {
    fn set(&self, network: IpNet, exempt: bool) -> Result<(), NotExempted> {
        let mut trie = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
}

/// The same networks, asked which peers they overlap.
#[derive(Debug)]
pub(super) struct Allowed {
    networks: PrefixSet<Ipv6Net>,
    lengths: PrefixLengths,
}

impl Allowed {
    pub(super) fn new(networks: &[IpNet], lengths: PrefixLengths) -> Self {
        let mut allowed = Self { networks: PrefixSet::new(), lengths };
        networks.iter().for_each(|network| allowed.set(*network, true));
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
