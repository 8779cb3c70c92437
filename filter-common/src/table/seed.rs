//! Where a host lies: a seeded hash of its key, so that nobody who does not know the seed can aim at a bucket.

use crate::PeerKey;

/// Four secret words.
///
/// The hash is NH (RFC 4418, section 5.2) over the key's four words of 32 bits: two keys that were chosen without knowing
/// the seed have the same 64 bits with a probability of at most 2^-32. A bijection then spreads those over all bits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Seed(pub [u32; 4]);

/// The multipliers of the bijection (MurmurHash3's finaliser), and of the tag (2^64 over the golden ratio).
const MIX: [u64; 2] = [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53];
const TAG_MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// What goes into the table's stamp.
pub(crate) const LAYOUT: [u64; 4] = [MIX[0], MIX[1], TAG_MIX, Seed::TAG_BITS as u64];

/// Where a host may lie, in a table of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    hash: u64,
    /// What its slot is marked with, so that most others are told apart without a look at their key.
    pub tag: u16,
}

impl Seed {
    /// Bits of a tag.
    pub const TAG_BITS: u32 = 13;

    /// Where a key's host may lie.
    #[must_use]
    #[inline(always)]
    pub const fn place(&self, peer: PeerKey) -> Place {
        let [high, low] = peer.words();
        let [a, b, c, d] = self.0;
        let mut hash = product(high as u32, a, (high >> 32) as u32, b).wrapping_add(product(
            low as u32,
            c,
            (low >> 32) as u32,
            d,
        ));
        hash = (hash ^ hash >> 33).wrapping_mul(MIX[0]);
        hash = (hash ^ hash >> 33).wrapping_mul(MIX[1]);
        hash ^= hash >> 33;
        Place { hash, tag: (hash.wrapping_mul(TAG_MIX) >> (u64::BITS - Self::TAG_BITS)) as u16 }
    }
}

#[inline(always)]
const fn product(word: u32, secret: u32, next: u32, next_secret: u32) -> u64 {
    (word.wrapping_add(secret) as u64).wrapping_mul(next.wrapping_add(next_secret) as u64)
}

impl Place {
    /// The first bucket to look into, of 2^`generation`.
    #[must_use]
    #[inline(always)]
    pub const fn first(self, generation: u32) -> u32 {
        self.hash as u32 & mask(generation)
    }

    /// The second.
    #[must_use]
    #[inline(always)]
    pub const fn second(self, generation: u32) -> u32 {
        (self.hash >> 32) as u32 & mask(generation)
    }
}

#[inline(always)]
const fn mask(generation: u32) -> u32 {
    // Of 32 bits, so that no number of generations shifts too far.
    (1 << (generation & 31)) - 1
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // A secret: who reads a log must not learn it.
        f.write_str("Seed(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::Ipv4Addr;

    use super::*;

    const SEED: Seed = Seed([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);

    #[test]
    fn neighbours_spread_over_all_buckets() {
        // A /16 into 2^10 buckets: 64 each, first and second alike.
        for bucket in [Place::first, Place::second] {
            let mut counts = [0u32; 1024];
            for n in 0..65_536 {
                counts[bucket(SEED.place(Ipv4Addr::from(0x0a00_0000 + n).into()), 10) as usize] += 1;
            }
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(*least > 25 && *most < 110, "{least} to {most} of 64");
        }
    }

    #[test]
    fn the_two_buckets_and_the_tag_know_nothing_of_each_other() {
        let mut together: HashMap<(u32, u32, u16), u32> = HashMap::new();
        for n in 0..65_536u32 {
            let place = SEED.place(Ipv4Addr::from(n << 16).into());
            *together.entry((place.first(4), place.second(4), place.tag >> 9)).or_default() += 1;
        }
        assert_eq!(together.len(), 16 * 16 * 16, "every combination comes");
        assert!(together.values().all(|count| *count < 50), "16 on average");
    }

    #[test]
    fn another_seed_is_another_order() {
        let other = Seed([1, 2, 3, 4]);
        let same = (0..65_536u32)
            .filter(|n| {
                let peer = Ipv4Addr::from(0xc000_0200 + n).into();
                SEED.place(peer).first(10) == other.place(peer).first(10)
            })
            .count();
        assert!(same < 150, "{same} of 65,536 lie alike; 64 by chance");
    }

    #[test]
    fn who_is_ipv6_differs_in_the_other_half() {
        let peers = (0..65_536u64).map(|n| PeerKey::from_words([n.to_be(), 0]));
        let different: std::collections::HashSet<_> = peers.map(|peer| SEED.place(peer).hash).collect();
        assert_eq!(different.len(), 65_536);
    }
}
