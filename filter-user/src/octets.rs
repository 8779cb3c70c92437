//! The first octets of an input, looked at all at once: a bit for each of which something is true, so that what they mean
//! together is a few operations on numbers. Knows no grammar.

use wide::u8x16;

/// How many. What is missing to them is a zero octet.
pub(crate) const OCTETS: usize = 64;

/// Those octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Octets([u8x16; OCTETS / 16]);

impl Octets {
    /// Looks at the begin of `input`.
    #[inline]
    pub(crate) fn at_begin(input: &[u8]) -> Self {
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
        let (lanes, _) = octets.as_chunks();
        Self(std::array::from_fn(|at| u8x16::new(lanes[at])))
    }

    /// Those of which `is` makes a lane of ones; the lowest bit is the first octet.
    #[inline]
    pub(crate) fn which(&self, is: impl Fn(u8x16) -> u8x16) -> u64 {
        let bits = |(at, lane): (usize, &u8x16)| u64::from(is(*lane).to_bitmask()) << (at * 16);
        self.0.iter().enumerate().fold(0, |all, lane| all | bits(lane))
    }

    /// Those that are `octet`.
    #[inline]
    pub(crate) fn equal(&self, octet: u8) -> u64 {
        self.which(|lane| lane.simd_eq(u8x16::splat(octet)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_octet_has_its_bit(input in proptest::collection::vec(1u8..=4, 0..100), octet in 1u8..=4) {
            let bits = (0..OCTETS).filter(|at| input.get(*at) == Some(&octet)).fold(0u64, |bits, at| bits | 1 << at);
            prop_assert_eq!(Octets::at_begin(&input).equal(octet), bits);
        }
    }
}
