//! IPv4 and IPv6 networks with something kept for each, asked for the narrowest one that holds an address.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

/// Some networks. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is its IPv4 address, in the map as in the
/// question: a dual-stack socket shows an IPv4 peer that way. So `::/0` is all of IPv6 and nothing of IPv4.
#[derive(Clone, Debug)]
pub(crate) struct NetworkMap<T> {
    ipv4: PrefixMap<Ipv4Net, T>,
    ipv6: PrefixMap<Ipv6Net, T>,
}

impl<T> NetworkMap<T> {
    pub(crate) fn new() -> Self {
        Self { ipv4: PrefixMap::new(), ipv6: PrefixMap::new() }
    }

    /// Keeps this for exactly this network, unless something is kept for it.
    pub(crate) fn insert_first(&mut self, network: IpNet, kept: T) {
        if self.get(network).is_none() {
            self.insert(network, kept);
        }
    }

    /// Keeps this for exactly this network, in place of what was.
    pub(crate) fn insert(&mut self, network: IpNet, kept: T) {
        match canonical(network) {
            IpNet::V4(network) => _ = self.ipv4.insert(network, kept),
            IpNet::V6(network) => _ = self.ipv6.insert(network, kept),
        }
    }

    /// What is kept for exactly this network.
    pub(crate) fn get(&self, network: IpNet) -> Option<&T> {
        match canonical(network) {
            IpNet::V4(network) => self.ipv4.get(&network),
            IpNet::V6(network) => self.ipv6.get(&network),
        }
    }

    /// Keeps nothing for exactly this network any more; returns what was.
    pub(crate) fn remove(&mut self, network: IpNet) -> Option<T> {
        match canonical(network) {
            IpNet::V4(network) => self.ipv4.remove(&network),
            IpNet::V6(network) => self.ipv6.remove(&network),
        }
    }

    /// All that is kept.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.ipv4.iter().map(|(_, kept)| kept).chain(self.ipv6.iter().map(|(_, kept)| kept))
    }

    /// The narrowest network that holds this address, and what is kept for it.
    pub(crate) fn find(&self, address: IpAddr) -> Option<(IpNet, &T)> {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                self.ipv4.get_lpm(&address.into()).map(|(network, kept)| (IpNet::V4(network), kept))
            }
            IpAddr::V6(address) => {
                self.ipv6.get_lpm(&address.into()).map(|(network, kept)| (IpNet::V6(network), kept))
            }
        }
    }
}

/// A network as it compares: without host bits, and `::ffff:a.b.c.d/(96 + n)` as `a.b.c.d/n`.
pub(crate) fn canonical(network: IpNet) -> IpNet {
    let network = network.trunc();
    if let IpNet::V6(ipv6) = network
        && let (Some(address), Some(length)) =
            (ipv6.addr().to_ipv4_mapped(), ipv6.prefix_len().checked_sub(96))
        && let Ok(ipv4) = Ipv4Net::new(address, length)
    {
        return ipv4.into();
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(networks: &[&str]) -> NetworkMap<usize> {
        let mut map = NetworkMap::new();
        for (number, network) in networks.iter().enumerate() {
            map.insert_first(network.parse().unwrap(), number);
        }
        map
    }

    #[test]
    fn an_address_is_found_in_the_narrowest_network() {
        let map = map(&["10.0.0.0/8", "10.6.6.6/24", "2001:db8::/32", "::ffff:192.0.2.0/120", "10.0.0.0/8"]);
        for (address, found) in [
            ("10.1.1.1", Some(("10.0.0.0/8", 0))),
            ("10.6.6.1", Some(("10.6.6.0/24", 1))),
            ("::ffff:10.6.6.1", Some(("10.6.6.0/24", 1))),
            ("11.0.0.0", None),
            ("2001:db8::1", Some(("2001:db8::/32", 2))),
            ("2001:db9::1", None),
            ("192.0.2.9", Some(("192.0.2.0/24", 3))),
            ("::ffff:192.0.2.9", Some(("192.0.2.0/24", 3))),
            ("::192.0.2.9", None),
        ] {
            let found = found.map(|(network, number): (&str, usize)| (network.parse().unwrap(), number));
            let asked = map.find(address.parse().unwrap()).map(|(network, number)| (network, *number));
            assert_eq!(asked, found, "{address}");
        }
    }

    #[test]
    fn all_of_one_family_is_nothing_of_the_other() {
        let ipv6 = map(&["::/0"]);
        assert!(ipv6.find("::1".parse().unwrap()).is_some());
        assert!(ipv6.find("192.0.2.1".parse().unwrap()).is_none());
        let mapped = map(&["::ffff:0:0/96"]);
        assert!(mapped.find("192.0.2.1".parse().unwrap()).is_some());
        assert!(mapped.find("::1".parse().unwrap()).is_none());
    }
}
