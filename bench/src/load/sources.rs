//! The addresses that hosts come from. Binds nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::ensure;
use ipnet::IpNet;

/// The addresses of some hosts: spread evenly over networks, each network from its second address on.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    networks: Vec<IpNet>,
}

impl Sources {
    /// Addresses of `networks` for `hosts` that connect to `target`; they are to be enough, and fit the target.
    pub(super) fn new(networks: &[IpNet], hosts: u64, target: SocketAddr) -> anyhow::Result<Self> {
        for network in networks {
            let fits = network.addr().is_ipv4() == target.is_ipv4()
                && network.network().is_loopback() == target.ip().is_loopback();
            ensure!(
                fits,
                "hosts of {network} cannot connect to {target}: give networks of this machine that can, with --source"
            );
            let each = hosts.div_ceil(networks.len() as u64);
            ensure!(
                u128::from(each) <= addresses(network),
                "{network} has {} addresses for hosts, and {each} are to come from it: give more with --source",
                addresses(network)
            );
        }
        Ok(Self { networks: networks.to_vec() })
    }

    /// The address of host `number`; none, where the kernel is to choose.
    pub(super) fn of(&self, number: u64) -> Option<IpAddr> {
        let count = self.networks.len() as u64;
        let network = self.networks.get(usize::try_from(number.checked_rem(count)?).ok()?)?;
        let at = number / count + skipped(network);
        Some(match network.network() {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(at as u32)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits().wrapping_add(u128::from(at))).into(),
        })
    }
}

/// The first address is the network's own, except where there is hardly another.
fn skipped(network: &IpNet) -> u64 {
    u64::from(network.max_prefix_len() - network.prefix_len() > 1)
}

/// Addresses for hosts: without the network's own, and without the last, which may be for all of them.
fn addresses(network: &IpNet) -> u128 {
    let bits = u32::from(network.max_prefix_len() - network.prefix_len());
    1u128.checked_shl(bits).unwrap_or(u128::MAX) - 2 * u128::from(skipped(network))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_spread_over_the_networks() {
        let rows: [(&[&str], &[&str]); 4] = [
            (&["127.16.0.0/12"], &["127.16.0.1", "127.16.0.2", "127.16.0.3"]),
            (&["127.1.0.0/24", "127.2.0.0/24"], &["127.1.0.1", "127.2.0.1", "127.1.0.2", "127.2.0.2"]),
            (&["127.0.0.9/32"], &["127.0.0.9"]),
            (&[], &["-", "-"]),
        ];
        for (networks, expected) in rows {
            let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
            let target = "127.0.0.1:25".parse().unwrap();
            let sources = Sources::new(&networks, expected.len() as u64, target).unwrap();
            let found = (0..expected.len() as u64).map(|number| sources.of(number));
            let found: Vec<String> =
                found.map(|address| address.map_or("-".to_owned(), |address| address.to_string())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let rows = [
            ("10.0.0.0/8", 1, "127.0.0.1:25", "cannot connect to 127.0.0.1:25"),
            ("127.0.0.0/8", 1, "10.1.1.1:25", "cannot connect to 10.1.1.1:25"),
            ("127.0.0.0/8", 1, "[::1]:25", "cannot connect to [::1]:25"),
            ("127.9.0.0/30", 3, "127.0.0.1:25", "has 2 addresses for hosts, and 3 are to come"),
            ("::1/128", 2, "[::1]:25", "has 1 addresses for hosts, and 2 are to come"),
        ];
        for (network, hosts, target, expected) in rows {
            let made = Sources::new(&[network.parse().unwrap()], hosts, target.parse().unwrap());
            let error = made.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(
            Sources::new(&["fd00::/8".parse().unwrap()], 1 << 40, "[fd00::1]:25".parse().unwrap()).is_ok()
        );
    }
}
