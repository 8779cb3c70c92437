//! The networks that the kernel never drops from: the map `ALLOW`.

use std::sync::{Mutex, PoisonError};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{MapData, MapError};
use ipnet::IpNet;

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
        let wanted: Vec<_> = networks.iter().map(mapped).collect();
        let left: Vec<_> = trie.keys().filter_map(Result::ok).collect();
        for key in left.iter().filter(|key| !wanted.contains(&(key.prefix_len(), key.data()))) {
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

/// A network as the trie holds it: IPv4 in `::ffff:0:0/96`.
pub(super) fn key(network: &IpNet) -> Key<[u8; 16]> {
    let (length, address) = mapped(network);
    Key::new(length, address)
}

fn mapped(network: &IpNet) -> (u32, [u8; 16]) {
    match network {
        IpNet::V4(v4) => (u32::from(v4.prefix_len()) + 96, v4.network().to_ipv6_mapped().octets()),
        IpNet::V6(v6) => (u32::from(v6.prefix_len()), v6.network().octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_networks_are_mapped() {
        let (length, address) = mapped(&"192.0.2.77/24".parse().unwrap());
        assert_eq!((length, &address[10..]), (120, &[0xff, 0xff, 192, 0, 2, 0][..]));
        let (length, address) = mapped(&"2001:db8::1/32".parse().unwrap());
        assert_eq!((length, &address[..5]), (32, &[0x20, 0x01, 0x0d, 0xb8, 0][..]));
    }
}
