//! The key of a peer: its IPv4 address, or the prefix of its IPv6 address that one subscriber holds.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many leading bits of an address make one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLengths {
    /// For IPv4, 0 to 32.
    pub ipv4: u8,
    /// For IPv6, 0 to 128.
    pub ipv6: u8,
}

impl Default for PrefixLengths {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 64 }
    }
}

/// A peer: 16 bytes, an IPv6 prefix or an IPv4 prefix mapped into `::ffff:0:0/96` (RFC 4291 section 2.5.5.2),
/// host bits zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PeerKey(pub [u8; 16]);

impl PeerKey {
    /// The peer that an IPv4 address belongs to.
    #[must_use]
    pub const fn from_ipv4(address: [u8; 4], lengths: PrefixLengths) -> Self {
        let bits = mask(u32::from_be_bytes(address) as u128, 32, lengths.ipv4);
        Self(((0xffff << 32) | bits).to_be_bytes())
    }

    /// The peer that an IPv6 address belongs to; a mapped IPv4 address is that IPv4 address.
    #[must_use]
    pub const fn from_ipv6(address: [u8; 16], lengths: PrefixLengths) -> Self {
        let bits = u128::from_be_bytes(address);
        if bits >> 32 == 0xffff {
            return Self::from_ipv4((bits as u32).to_be_bytes(), lengths);
        }
        Self(mask(bits, 128, lengths.ipv6).to_be_bytes())
    }

    /// The peer that an address belongs to.
    #[must_use]
    pub const fn from_ip(address: IpAddr, lengths: PrefixLengths) -> Self {
        match address {
            IpAddr::V4(v4) => Self::from_ipv4(v4.octets(), lengths),
            IpAddr::V6(v6) => Self::from_ipv6(v6.octets(), lengths),
        }
    }

    /// The lowest address of this peer.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        let v6 = Ipv6Addr::from_octets(self.0);
        match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(v6),
        }
    }
}

/// Keeps the first `length` of the low `width` bits.
const fn mask(bits: u128, width: u32, length: u8) -> u128 {
    let length = if length as u32 > width { width } else { length as u32 };
    let host = width - length;
    if host == 0 {
        bits
    } else if host >= 128 {
        0
    } else {
        bits & !((1u128 << host) - 1)
    }
}

impl core::fmt::Display for PeerKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.address().fmt(f)
    }
}

impl core::fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

impl From<Ipv4Addr> for PeerKey {
    fn from(address: Ipv4Addr) -> Self {
        Self::from_ipv4(address.octets(), PrefixLengths::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str, lengths: PrefixLengths) -> String {
        PeerKey::from_ip(address.parse().unwrap(), lengths).to_string()
    }

    #[test]
    fn an_ipv6_peer_is_its_64_and_an_ipv4_peer_its_address() {
        let lengths = PrefixLengths::default();
        assert_eq!(key("2001:db8:1:2:3:4:5:6", lengths), "2001:db8:1:2::");
        assert_eq!(key("192.0.2.7", lengths), "192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7", lengths), "192.0.2.7");
    }

    #[test]
    fn prefix_lengths_are_configurable_from_none_to_all() {
        assert_eq!(key("192.0.2.7", PrefixLengths { ipv4: 24, ipv6: 64 }), "192.0.2.0");
        assert_eq!(key("192.0.2.7", PrefixLengths { ipv4: 0, ipv6: 64 }), "0.0.0.0");
        assert_eq!(key("2001:db8::1", PrefixLengths { ipv4: 32, ipv6: 0 }), "::");
        assert_eq!(key("2001:db8::1", PrefixLengths { ipv4: 32, ipv6: 128 }), "2001:db8::1");
    }
}
