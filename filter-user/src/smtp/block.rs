//! Where the octets stand that end lines and messages, 64 octets at a time. Knows nothing of what came before.

use crate::octets::Octets;

/// The octets of a block.
pub(super) const OCTETS: usize = crate::octets::OCTETS;

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
        let octets = Octets::at_begin(input);
        Self { crs: octets.equal(b'\r'), lfs: octets.equal(b'\n'), dots: octets.equal(b'.') }
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
