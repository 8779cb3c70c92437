//! The key of a peer: its IPv4 address, or the prefix of its IPv6 address that one subscriber holds.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Address;

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

/// A peer: 16 octets, an IPv6 prefix or an IPv4 prefix mapped into `::ffff:0:0/96` (RFC 4291 section 2.5.5.2),
/// host bits zero.
///
/// Held as two words with those octets in order, and never as octets: the kernel program hashes and compares it for
/// every packet, and the compiler would take it apart octet by octet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PeerKey([u64; 2]);

impl PeerKey {
    /// The peer with these octets.
    #[must_use]
    #[inline(always)]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])])
    }

    /// Its octets.
    #[must_use]
    #[inline(always)]
    pub const fn octets(&self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.0[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.0[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The peer that an IPv4 address belongs to.
    #[must_use]
    pub const fn from_ipv4(address: [u8; 4], lengths: PrefixLengths) -> Self {
        Address::from_ipv4(u32::from_be_bytes(address)).peer(lengths)
    }

    /// The peer that an IPv6 address belongs to; a mapped IPv4 address is that IPv4 address.
    #[must_use]
    pub const fn from_ipv6(address: [u8; 16], lengths: PrefixLengths) -> Self {
        Address(Self::from_octets(address).words()).peer(lengths)
    }

    /// The peer that an address belongs to.
    #[must_use]
    pub const fn from_ip(address: IpAddr, lengths: PrefixLengths) -> Self {
        match address {
            IpAddr::V4(v4) => Self::from_ipv4(v4.octets(), lengths),
            IpAddr::V6(v6) => Self::from_ipv6(v6.octets(), lengths),
        }
    }

    /// Its octets as two words, in the machine's order: as the table of hosts holds it.
    #[must_use]
    #[inline(always)]
    pub const fn words(&self) -> [u64; 2] {
        self.0
    }

    /// The peer with these words.
    #[must_use]
    #[inline(always)]
    pub const fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// The lowest address of this peer.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        let v6 = Ipv6Addr::from_octets(self.octets());
        match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(v6),
        }
    }
}

impl Ord for PeerKey {
    /// As their addresses are ordered.
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.octets().cmp(&other.octets())
    }
}

impl PartialOrd for PeerKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
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
    fn a_key_is_its_words() {
        let peer = PeerKey::from_octets(core::array::from_fn(|n| n as u8));
        assert_eq!(PeerKey::from_words(peer.words()), peer);
    }

    #[test]
    fn prefix_lengths_are_configurable_from_none_to_all() {
        assert_eq!(key("192.0.2.7", PrefixLengths { ipv4: 24, ipv6: 64 }), "192.0.2.0");
        assert_eq!(key("192.0.2.7", PrefixLengths { ipv4: 0, ipv6: 64 }), "0.0.0.0");
        assert_eq!(key("2001:db8::1", PrefixLengths { ipv4: 32, ipv6: 0 }), "::");
        assert_eq!(key("2001:db8::1", PrefixLengths { ipv4: 32, ipv6: 128 }), "2001:db8::1");
        assert_eq!(key("2001:db8:ffff:ffff::1", PrefixLengths { ipv4: 32, ipv6: 48 }), "2001:db8:ffff::");
        assert_eq!(key("2001:db8::ffff:ffff", PrefixLengths { ipv4: 32, ipv6: 112 }), "2001:db8::ffff:0");
        assert_eq!(key("255.255.255.255", PrefixLengths { ipv4: 9, ipv6: 1 }), "255.128.0.0");
    }
}
