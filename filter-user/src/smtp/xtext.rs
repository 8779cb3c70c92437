//! xtext (RFC 3461 section 4): printable ASCII, with everything else, `+` and `=` as `+` and two capital hexadecimal
//! digits. Knows no parameter that is written so.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A value in xtext that decodes to text without control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xtext<'b>(&'b str);

impl<'b> Xtext<'b> {
    /// Reads one.
    #[must_use]
    pub fn parse(value: &'b [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok().filter(|_| is_xtext(value))?;
        let decoded = decode(text)?;
        (!decoded.chars().any(char::is_control)).then_some(Self(text))
    }

    /// What it says; allocates where something had to be encoded.
    #[must_use]
    pub fn text(self) -> Cow<'b, str> {
        // `parse` has decoded it once.
        decode(self.0).unwrap_or(Cow::Borrowed(self.0))
    }
}

/// Writes a text in xtext.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'!'..=b'~' if octet != b'+' && octet != b'=' => encoded.push(char::from(octet)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "+{octet:02X}");
            }
        }
    }
    encoded
}

/// Whether a value is xtext, and not empty.
#[must_use]
pub fn is_xtext(value: &[u8]) -> bool {
    let mut rest = value;
    while let [first, behind @ ..] = rest {
        rest = match (first, behind) {
            (b'+', [a, b, behind @ ..]) if is_hexchar(*a) && is_hexchar(*b) => behind,
            (b'+' | b'=', _) => return false,
            (b'!'..=b'~', behind) => behind,
            _ => return false,
        };
    }
    !value.is_empty()
}

fn is_hexchar(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'A'..=b'F')
}

/// Nothing where the octets are no UTF-8.
fn decode(xtext: &str) -> Option<Cow<'_, str>> {
    if !xtext.contains('+') {
        return Some(Cow::Borrowed(xtext));
    }
    let mut octets = Vec::with_capacity(xtext.len());
    let mut rest = xtext;
    while let Some((plain, encoded)) = rest.split_once('+') {
        octets.extend_from_slice(plain.as_bytes());
        let (digits, behind) = encoded.split_at_checked(2)?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    octets.extend_from_slice(rest.as_bytes());
    String::from_utf8(octets).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_text_is_taken() {
        for (value, text) in [("a", "a"), ("host+2B1+20x", "host+1 x"), ("m+C3+BCller", "m\u{fc}ller")] {
            assert_eq!(Xtext::parse(value.as_bytes()).unwrap().text(), text, "{value}");
        }
        for value in ["", "a=b", "+", "+2", "+2b", "+GG", "a b", "+00", "a+0D+0A", "+FF", "+C3", "\u{fc}"] {
            assert_eq!(Xtext::parse(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same(text in "[^\\p{Cc}]{1,20}") {
            let encoded = encode(&text);
            let value = Xtext::parse(encoded.as_bytes());
            prop_assert_eq!(value.map(|value| value.text().into_owned()), Some(text));
        }

        #[test]
        fn no_octets_panic(value in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = Xtext::parse(&value).map(|value| value.text().len());
        }
    }
}
