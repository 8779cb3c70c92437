//! Finds the end of a command line (RFC 5321 section 2.3.8): CR LF, and nothing else. Knows nothing of what the line
//! says.

use memchr::memchr2;

/// What stands at the begin of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'b> {
    /// A line, without its CR LF.
    Complete(&'b [u8]),
    /// The begin of one.
    Partial,
    /// No CR LF within the limit.
    TooLong,
    /// A CR without LF, or an LF without CR, and what stands before it.
    BareNewline(&'b [u8]),
}

/// Looks at no more than `limit` octets, CR LF included. Where the input was cut does not matter: what is not
/// `Partial` stays what it is, whatever comes behind it.
#[must_use]
pub fn find(input: &[u8], limit: usize) -> Line<'_> {
    let window = &input[..input.len().min(limit)];
    let Some(at) = memchr2(b'\r', b'\n', window) else {
        return if input.len() >= limit { Line::TooLong } else { Line::Partial };
    };
    if window[at] == b'\r' {
        if at + 2 > limit {
            return Line::TooLong;
        }
        match window.get(at + 1) {
            None => return Line::Partial,
            Some(b'\n') => return Line::Complete(&window[..at]),
            Some(_) => {}
        }
    }
    Line::BareNewline(&window[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, octet by octet.
    fn naive(input: &[u8], limit: usize) -> Line<'_> {
        for at in 0..limit {
            match (input.get(at), input.get(at + 1)) {
                (None, _) => return Line::Partial,
                (Some(b'\r'), _) if at + 1 == limit => return Line::TooLong,
                (Some(b'\r'), None) => return Line::Partial,
                (Some(b'\r'), Some(b'\n')) => return Line::Complete(&input[..at]),
                (Some(b'\r' | b'\n'), _) => return Line::BareNewline(&input[..at]),
                _ => {}
            }
        }
        Line::TooLong
    }

    #[test]
    fn only_cr_lf_ends_a_line() {
        let table: &[(&[u8], Line<'_>)] = &[
            (b"", Line::Partial),
            (b"NOOP", Line::Partial),
            (b"NOOP\r", Line::Partial),
            (b"NOOP\r\n", Line::Complete(b"NOOP")),
            (b"\r\n", Line::Complete(b"")),
            (b"NOOP\r\nQUIT\n", Line::Complete(b"NOOP")),
            (b"NOOP\n", Line::BareNewline(b"NOOP")),
            (b"NOOP\rQ", Line::BareNewline(b"NOOP")),
            (b"NOOP\r\r\n", Line::BareNewline(b"NOOP")),
            (b"\n\r\n", Line::BareNewline(b"")),
            (b"12345678\r\n", Line::Complete(b"12345678")),
            (b"123456789\r\n", Line::TooLong),
            (b"123456789\n", Line::BareNewline(b"123456789")),
            (b"1234567890\r\n", Line::TooLong),
            (b"123456789", Line::Partial),
            (b"1234567890", Line::TooLong),
        ];
        for (input, line) in table {
            assert_eq!(find(input, 10), *line, "{}", input.escape_ascii());
        }
    }

    /// Octets that matter, and a few that do not.
    fn octets() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..40)
    }

    proptest! {
        #[test]
        fn it_agrees_with_its_naive_twin_at_every_cut(input in octets(), limit in 2_usize..30) {
            let whole = find(&input, limit);
            for cut in 0..=input.len() {
                let part = find(&input[..cut], limit);
                prop_assert_eq!(part, naive(&input[..cut], limit));
                prop_assert!(part == Line::Partial || part == whole);
            }
        }
    }
}
