//! Which peers share an address with an allowed network: the program asks the allow list for those alone.

use filter_common::{PeerKey, PrefixLengths};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The allowed networks.
#[derive(Debug)]
pub(super) struct Allowed {
    networks: Vec<IpNet>,
    lengths: PrefixLengths,
}

impl Allowed {
    pub(super) fn new(networks: Vec<IpNet>, lengths: PrefixLengths) -> Self {
        Self { networks, lengths }
    }

    /// Adds a network, or takes it away.
    pub(super) fn set(&mut self, network: IpNet, allowed: bool) {
        self.networks.retain(|known| *known != network);
        if allowed {
            self.networks.push(network);
        }
    }

    /// Whether an allowed network lies within this peer, or holds it.
    pub(super) fn overlaps(&self, peer: PeerKey) -> bool {
        let peer = match peer.address() {
            std::net::IpAddr::V4(v4) => Ipv4Net::new(v4, self.lengths.ipv4.min(32)).map(IpNet::V4),
            std::net::IpAddr::V6(v6) => Ipv6Net::new(v6, self.lengths.ipv6.min(128)).map(IpNet::V6),
        };
        let Ok(peer) = peer else { return true };
        self.networks.iter().map(as_mapped).any(|network| {
            let peer = as_mapped(&peer);
            network.contains(&peer) || peer.contains(&network)
        })
    }
}

/// A network among all addresses as the program sees them: IPv4 is mapped, so `::/0` holds it too.
fn as_mapped(network: &IpNet) -> Ipv6Net {
    match network {
        IpNet::V4(v4) => Ipv6Net::new(v4.network().to_ipv6_mapped(), v4.prefix_len() + 96)
            .unwrap_or_else(|_| Ipv6Net::default()),
        IpNet::V6(v6) => *v6,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn within_around_or_beside() {
        let networks = ["192.0.2.0/24", "2001:db8::7/128", "2001:db8:8000::/33"];
        let networks = networks.map(|network| network.parse().unwrap()).to_vec();
        let lengths = PrefixLengths::default();
        let allowed = Allowed::new(networks, lengths);
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
        let all = Allowed::new(vec!["::/0".parse().unwrap()], lengths);
        assert!(all.overlaps(PeerKey::from_ip("192.0.2.7".parse().unwrap(), lengths)), "IPv4 is mapped");
    }
}
