//! Where the octets stand that end lines and messages, 64 octets at a time: a bit for each, so that what they mean
//! together is a few operations on numbers, however many there are. Knows nothing of what came before.

use wide::u8x16;

/// The octets of a block.
pub(super) const OCTETS: usize = 64;

/// The octets that matter, of at most [`OCTETS`]: the lowest bit is the first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) crs: u64,
    pub(super) lfs: u64,
    pub(super) dots: u64,
}

impl Block {
    /// Looks at the begin of `input`. What is missing to a whole block is none of the octets that matter.
    #[inline]
    pub(super) fn at_begin(input: &[u8]) -> Self {
        match input.first_chunk() {
            Some(octets) => Self::of(octets),
            None => {
                let mut octets = [0; OCTETS];
                octets[..input.len()].copy_from_slice(input);
                Self::of(&octets)
            }
        }
    }

    #[inline]
    fn of(octets: &[u8; OCTETS]) -> Self {
        let mut block = Self { crs: 0, lfs: 0, dots: 0 };
        let (lanes, _) = octets.as_chunks::<16>();
        for (at, lane) in lanes.iter().enumerate() {
            let lane = u8x16::new(*lane);
            let equal = |octet| u64::from(lane.simd_eq(u8x16::splat(octet)).to_bitmask()) << (at * 16);
            block.crs |= equal(b'\r');
            block.lfs |= equal(b'\n');
            block.dots |= equal(b'.');
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_octet_has_its_bit(input in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..100)) {
            let bits = |octet| (0..OCTETS).filter(|at| input.get(*at) == Some(&octet)).fold(0u64, |bits, at| bits | 1 << at);
            let expected = Block { crs: bits(b'\r'), lfs: bits(b'\n'), dots: bits(b'.') };
            prop_assert_eq!(Block::at_begin(&input), expected);
        }
    }
}
