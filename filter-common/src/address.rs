//! An IP address as the program handles it: two words, because a machine that compares and hashes words should not meet
//! sixteen octets.

use core::net::IpAddr;

use crate::{PeerKey, PrefixLengths};

/// An address: its 16 octets as two words in the machine's order; an IPv4 address is mapped into `::ffff:0:0/96`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub [u64; 2]);

impl Address {
    /// The IPv4 address of this number.
    #[must_use]
    #[inline(always)]
    pub const fn from_ipv4(address: u32) -> Self {
        Self([0, (0xffff << 32 | address as u64).to_be()])
    }

    /// Its octets.
    #[must_use]
    #[inline(always)]
    pub const fn octets(self) -> [u8; 16] {
        PeerKey::from_words(self.0).octets()
    }

    /// The peer that it belongs to.
    #[must_use]
    #[inline(always)]
    pub const fn peer(self, lengths: PrefixLengths) -> PeerKey {
        let [high, low] = self.0;
        if high == 0 && u64::from_be(low) >> 32 == 0xffff {
            let mask = leading_bits(lengths.ipv4 as u32 + 32);
            return PeerKey::from_words([0, low & mask.to_be()]);
        }
        let (first, second) =
            (leading_bits(lengths.ipv6 as u32), leading_bits((lengths.ipv6 as u32).saturating_sub(64)));
        PeerKey::from_words([high & first.to_be(), low & second.to_be()])
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::from_ipv4(v4.to_bits()),
            IpAddr::V6(v6) => Self(PeerKey::from_octets(v6.octets()).words()),
        }
    }
}

/// A mask of the first `length` bits of 64; all of them where it is longer.
#[inline(always)]
const fn leading_bits(length: u32) -> u64 {
    match length {
        0 => 0,
        1..64 => u64::MAX << (64 - length),
        64.. => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// The same, from the address as one number.
    fn naive(octets: [u8; 16], lengths: PrefixLengths) -> [u8; 16] {
        let length = match Ipv6Addr::from(octets).to_ipv4_mapped() {
            Some(_) => 96 + u32::from(lengths.ipv4),
            None => u32::from(lengths.ipv6),
        };
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        (u128::from_be_bytes(octets) & mask).to_be_bytes()
    }

    proptest! {
        #[test]
        fn its_peer_is_the_peer_of_the_same_address_elsewhere(
            octets: [u8; 16],
            v4: u32,
            ipv4 in 0u8..=32,
            ipv6 in 0u8..=128,
        ) {
            let lengths = PrefixLengths { ipv4, ipv6 };
            let address = Address(PeerKey::from_octets(octets).words());
            prop_assert_eq!(address.octets(), octets);
            prop_assert_eq!(address.peer(lengths).octets(), naive(octets, lengths));
            prop_assert_eq!(address.peer(lengths), PeerKey::from_ipv6(octets, lengths));
            let mapped = Address::from_ipv4(v4);
            prop_assert_eq!(mapped.octets(), Ipv4Addr::from(v4).to_ipv6_mapped().octets());
            prop_assert_eq!(mapped, Address::from(IpAddr::V4(v4.into())));
            prop_assert_eq!(mapped.peer(lengths).octets(), naive(mapped.octets(), lengths));
            prop_assert_eq!(mapped.peer(lengths), PeerKey::from_ip(IpAddr::V4(v4.into()), lengths));
        }
    }
}
