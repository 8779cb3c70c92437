//! Where relaygate itself listens, to tell a destination that leads back to it: its mail would go round in circles.

use std::net::{IpAddr, SocketAddr};

/// Our own listeners.
#[derive(Clone, Debug, Default)]
pub struct OwnListeners {
    bound: Vec<SocketAddr>,
    /// All addresses of this host, where a listener is on every one.
    addresses: Vec<IpAddr>,
}

impl OwnListeners {
    /// Where we listen, and the addresses that this host has.
    #[must_use]
    pub fn new(bound: &[SocketAddr], addresses: &[IpAddr]) -> Self {
        let addresses = addresses.iter().map(IpAddr::to_canonical).collect();
        Self { bound: bound.to_vec(), addresses }
    }

    /// Whether who connects there connects to us.
    #[must_use]
    pub fn include(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.bound.iter().any(|bound| {
            let is_there = match bound.ip() {
                // A wildcard listener is IPv4 or IPv6, never both.
                wildcard if wildcard.is_unspecified() => {
                    wildcard.is_ipv4() == ip.is_ipv4() && self.is_of_this_host(ip)
                }
                // Who connects to the wildcard address is led to this host's own.
                own => {
                    own == ip || (ip.is_unspecified() && own.is_loopback() && own.is_ipv4() == ip.is_ipv4())
                }
            };
            is_there && bound.port() == address.port()
        })
    }

    fn is_of_this_host(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || ip.is_unspecified() || self.addresses.contains(&ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_that_is_ourselves_is_known() {
        let rows = [
            ("192.0.2.1:25", "192.0.2.1:25", true),
            ("192.0.2.1:25", "[::ffff:192.0.2.1]:25", true),
            ("192.0.2.1:25", "192.0.2.1:26", false),
            ("192.0.2.1:25", "192.0.2.2:25", false),
            ("192.0.2.1:25", "127.0.0.1:25", false),
            ("127.0.0.1:25", "0.0.0.0:25", true),
            ("0.0.0.0:25", "192.0.2.1:25", true),
            ("0.0.0.0:25", "192.0.2.9:25", false),
            ("0.0.0.0:25", "127.7.7.7:25", true),
            ("0.0.0.0:25", "0.0.0.0:25", true),
            ("0.0.0.0:25", "[::1]:25", false),
            ("[::]:25", "[::1]:25", true),
            ("[::]:25", "[2001:db8::1]:25", true),
            ("[::]:25", "[2001:db8::9]:25", false),
            ("[::]:25", "192.0.2.1:25", false),
        ];
        let addresses = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        for (bound, address, wanted) in rows {
            let own = OwnListeners::new(&[bound.parse().unwrap()], &addresses);
            assert_eq!(own.include(address.parse().unwrap()), wanted, "{bound} {address}");
        }
    }
}
