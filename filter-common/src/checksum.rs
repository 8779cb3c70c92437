//! The internet checksum (RFC 1071), over words of 32 bits as they lie in memory: the sum comes out in the same order.

/// A sum that is not folded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Of nothing.
    pub const EMPTY: Self = Self(0);

    /// The sum and these words more.
    #[must_use]
    #[inline(always)]
    pub const fn words<const N: usize>(mut self, words: &[u32; N]) -> Self {
        let mut at = 0;
        while at < N {
            self.0 += words[at] as u64;
            at += 1;
        }
        self
    }

    /// The sum and one number of 16 bits more.
    #[must_use]
    #[inline(always)]
    pub const fn number(self, number: u16) -> Self {
        Self(self.0 + number.to_be() as u64)
    }

    /// What goes into the checksum's field, as it lies in memory, where hardware, or whoever has the packet next, sums up
    /// the rest.
    #[must_use]
    #[inline(always)]
    pub const fn folded(self) -> u16 {
        // From 64 bits to 33, to 18, to 17, to 16.
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    /// What goes into the checksum's field, as it lies in memory.
    #[must_use]
    #[inline(always)]
    pub const fn checksum(self) -> u16 {
        !self.folded()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the words of RFC 1071, section 1, have it: ones' complement, each carry added at once.
    fn by_the_book(octets: &[u8]) -> u16 {
        octets.chunks(2).fold(0u16, |sum, pair| {
            let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], pair[1]]));
            sum + u16::from(carry)
        })
    }

    fn octets(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn the_example_of_the_rfc() {
        let words = [[0x00, 0x01, 0xf2, 0x03], [0xf4, 0xf5, 0xf6, 0xf7]].map(u32::from_ne_bytes);
        let sum = Sum::EMPTY.words(&words);
        assert_eq!((u16::from_be(sum.folded()), u16::from_be(sum.checksum())), (0xddf2, !0xddf2));
    }

    proptest! {
        #[test]
        fn any_words_sum_up_as_the_book_says(words: [u32; 10], number: u16) {
            let sum = Sum::EMPTY.words(&words).number(number);
            let all = [octets(&words), number.to_be_bytes().to_vec()].concat();
            prop_assert_eq!(u16::from_be(sum.folded()), by_the_book(&all));
        }

        #[test]
        fn what_carries_its_checksum_sums_up_to_all_ones(words: [u32; 5]) {
            let sum = Sum::EMPTY.words(&words);
            prop_assert_eq!(sum.words(&[u32::from(sum.checksum())]).folded(), 0xffff);
        }
    }

    #[test]
    fn it_carries_as_often_as_it_must() {
        let sum = Sum::EMPTY.words(&[u32::MAX; 10]).number(u16::MAX);
        assert_eq!(sum.folded(), 0xffff);
        assert_eq!(Sum(u64::MAX).folded(), 0xffff);
        assert_eq!(Sum(0).folded(), 0);
    }
}
