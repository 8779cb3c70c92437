//! The usual mailbox: a dot-string of letters, digits and a few others, `@` and a domain name, in ASCII and short. Looks at
//! all of its octets at once, a bit for each, so that what the grammar wants of them is a few operations on numbers.
//! Whatever else a path may be, and what is wrong with one, `path` says: this only takes the commonest off it.

use wide::u8x16;

use super::{Domain, Mailbox};
use crate::octets::Octets;

/// Reads the mailbox at the begin of `input`, which stands behind a `<`, and gives what stands behind its `>`. Nothing
/// where it is not of the usual kind. One that ends within the octets that are looked at breaks none of the limits of lengths: 64
/// octets for the local-part, 63 for a label, more for all else (RFC 5321 section 4.5.3.1, RFC 1035 section 2.3.4).
pub(super) fn mailbox(input: &[u8]) -> Option<(Mailbox<'_>, &[u8])> {
    let Kinds { alphanumerics, hyphens, others, dots, ats, closing } = Kinds::at_begin(input);
    let inside = lowest(closing).checked_sub(1)?;
    let (dots, ats) = (dots & inside, ats & inside);
    if !ats.is_power_of_two() {
        return None;
    }
    let local_part = ats - 1;
    let domain = inside & !local_part & !ats;
    let allowed = alphanumerics | hyphens | dots | others & local_part | ats;
    // Atoms and labels begin and end where these stand between them.
    let between = dots | ats;
    let begins = between << 1 | 1;
    let ends = (between | lowest(closing)) >> 1;
    let misplaced = between & (begins | ends) | hyphens & domain & (begins | ends);
    if inside & !allowed != 0 || misplaced != 0 {
        return None;
    }
    let end = closing.trailing_zeros() as usize;
    let text = std::str::from_utf8(&input[..end]).ok()?;
    let (local_part, domain) = text.split_at(ats.trailing_zeros() as usize);
    Some((Mailbox { local_part, domain: Domain::Name(&domain[1..]), text }, &input[end + 1..]))
}

/// The lowest bit that is set, alone.
fn lowest(bits: u64) -> u64 {
    bits & bits.wrapping_neg()
}

/// Where each kind of octet stands; the lowest bit is the first octet.
#[derive(Clone, Copy, Debug)]
struct Kinds {
    alphanumerics: u64,
    hyphens: u64,
    /// What else is in usual local-parts. The rest of atext goes the long way: `%` and `!` are for the relay policy to
    /// worry about, not to be quick with.
    others: u64,
    dots: u64,
    ats: u64,
    closing: u64,
}

impl Kinds {
    #[inline]
    fn at_begin(input: &[u8]) -> Self {
        let octets = Octets::at_begin(input);
        Self {
            // in lower case; what is no letter becomes none
            alphanumerics: octets
                .which(|lane| up_to(lane | u8x16::splat(0x20), b'a', b'z') | up_to(lane, b'0', b'9')),
            hyphens: octets.equal(b'-'),
            others: octets.equal(b'_') | octets.equal(b'+') | octets.equal(b'='),
            dots: octets.equal(b'.'),
            ats: octets.equal(b'@'),
            closing: octets.equal(b'>'),
        }
    }
}

/// Which octets are from `first` to `last`.
#[inline]
fn up_to(lane: u8x16, first: u8, last: u8) -> u8x16 {
    // what stands before the first becomes a large number
    let distance = lane - u8x16::splat(first);
    distance.min(u8x16::splat(last - first)).simd_eq(distance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::path::mailbox_the_long_way;
    use proptest::prelude::*;

    #[test]
    fn each_octet_has_its_kind_alone() {
        for octet in 0..=u8::MAX {
            let mut input = [0; 64];
            input[37] = octet;
            let Kinds { alphanumerics, hyphens, others, dots, ats, closing } = Kinds::at_begin(&input);
            let found = [alphanumerics, hyphens, others, dots, ats, closing].map(|bits| bits == 1 << 37);
            let is = [
                octet.is_ascii_alphanumeric(),
                octet == b'-',
                b"_+=".contains(&octet),
                octet == b'.',
                octet == b'@',
                octet == b'>',
            ];
            assert_eq!(found, is, "{}", octet.escape_ascii());
        }
    }

    #[test]
    fn mailboxes_of_real_mail_are_usual() {
        for usual in [
            "a@b>",
            "someone@example.org>",
            "bounce+1234.5678-someone=example.org@lists.example.com> SIZE=123456",
            "-a-@xn--bcher-kva.example>",
            "First_Last@MAIL.EXAMPLE>>",
            "12345678901234567890123456789012345678901234567890@123456789012>",
        ] {
            let (mailbox, rest) = mailbox(usual.as_bytes()).unwrap_or_else(|| panic!("{usual}"));
            let (text, behind) = usual.split_once('>').unwrap();
            let (local_part, domain) = text.split_once('@').unwrap();
            assert_eq!(mailbox, Mailbox { local_part, domain: Domain::Name(domain), text });
            assert_eq!(rest, behind.as_bytes());
        }
    }

    /// Paths of pieces, good and bad, with enough text that some are too long for one look.
    fn path() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[a-z0-9]{1,12}".prop_map(String::into_bytes),
            4 => prop::sample::select(&b"@.->+_=%!\"\\[]:, \xc3\xa4\r\0/"[..]).prop_map(|octet| vec![octet]),
            3 => Just(b"@".to_vec()),
            3 => Just(b".".to_vec()),
            1 => "[a-z]{40,70}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| [b"<", &pieces.concat()[..], b">"].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn what_is_usual_is_what_the_long_way_reads(path in path(), smtputf8: bool) {
            if let Some(usual) = mailbox(&path[1..]) {
                prop_assert_eq!(mailbox_the_long_way(&path, smtputf8), Ok(usual));
            }
        }
    }
}
