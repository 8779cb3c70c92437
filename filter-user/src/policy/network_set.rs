//! IPv4 and IPv6 networks, asked for the narrowest one that holds an address.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixSet;

/// Some networks. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is its IPv4 address, in the set as in the
/// question: a dual-stack socket shows an IPv4 peer that way. So `::/0` is all of IPv6 and nothing of IPv4.
#[derive(Clone, Debug, Default)]
pub(super) struct NetworkSet {
    ipv4: PrefixSet<Ipv4Net>,
    ipv6: PrefixSet<Ipv6Net>,
}

impl NetworkSet {
    pub(super) fn new(networks: &[IpNet]) -> Self {
        let mut set = Self::default();
        for network in networks {
            match unmapped(network.trunc()) {
                IpNet::V4(network) => set.ipv4.insert(network),
                IpNet::V6(network) => set.ipv6.insert(network),
            };
        }
        set
    }

    /// The narrowest network that holds this address.
    pub(super) fn find(&self, address: IpAddr) -> Option<IpNet> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.ipv4.get_lpm(&address.into()).map(IpNet::V4),
            IpAddr::V6(address) => self.ipv6.get_lpm(&address.into()).map(IpNet::V6),
        }
    }
}

/// `::ffff:a.b.c.d/(96 + n)` as `a.b.c.d/n`.
fn unmapped(network: IpNet) -> IpNet {
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

    #[test]
    fn an_address_is_found_in_the_narrowest_network() {
        let networks = ["10.0.0.0/8", "10.6.6.6/24", "2001:db8::/32", "::ffff:192.0.2.0/120"];
        let set = NetworkSet::new(&networks.map(|network| network.parse().unwrap()));
        for (address, network) in [
            ("10.1.1.1", Some("10.0.0.0/8")),
            ("10.6.6.1", Some("10.6.6.0/24")),
            ("::ffff:10.6.6.1", Some("10.6.6.0/24")),
            ("11.0.0.0", None),
            ("2001:db8::1", Some("2001:db8::/32")),
            ("2001:db9::1", None),
            ("192.0.2.9", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.9", Some("192.0.2.0/24")),
            ("::192.0.2.9", None),
        ] {
            let network = network.map(|network| network.parse().unwrap());
            assert_eq!(set.find(address.parse().unwrap()), network, "{address}");
        }
    }

    #[test]
    fn all_of_one_family_is_nothing_of_the_other() {
        let ipv6 = NetworkSet::new(&["::/0".parse().unwrap()]);
        assert!(ipv6.find("::1".parse().unwrap()).is_some());
        assert!(ipv6.find("192.0.2.1".parse().unwrap()).is_none());
        let mapped = NetworkSet::new(&["::ffff:0:0/96".parse().unwrap()]);
        assert!(mapped.find("192.0.2.1".parse().unwrap()).is_some());
        assert!(mapped.find("::1".parse().unwrap()).is_none());
    }
}
