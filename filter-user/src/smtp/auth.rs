//! The octets of AUTH (RFC 4954 section 4): the command's arguments, and which lines are base64. What the mechanisms
//! say to each other is not read here.

use super::command::Refusal;
use super::offered::Offered;
use super::question::{AuthCommand, Said};
use super::reply;

/// RFC 4954 section 4: an initial response of no octets.
const EMPTY: &[u8] = b"=";

/// Reads the arguments of AUTH.
pub(super) fn command<'a>(arguments: &'a [u8], offered: &Offered) -> Result<AuthCommand<'a>, Refusal> {
    let mut words = arguments.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let (mechanism, initial) = match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => (mechanism, initial),
        _ => return Err(reply::AUTH_SYNTAX.into()),
    };
    let mechanism = std::str::from_utf8(mechanism).map_err(|_| reply::AUTH_SYNTAX)?;
    if !offered.offers_mechanism(mechanism) {
        return Err(reply::MECHANISM_UNKNOWN.into());
    }
    let initial = match initial {
        Some(EMPTY) => Some(Said(b"")),
        Some(text) if !is_base64(text) => return Err(reply::AUTH_NOT_BASE64.into()),
        initial => initial.map(Said),
    };
    Ok(AuthCommand { mechanism, initial })
}

/// RFC 4648 section 4: groups of four, padded.
pub(super) fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|&&b| b == b'=').count();
    let symbols = &text[..text.len() - padding];
    text.len().is_multiple_of(4)
        && padding <= 2
        && symbols.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::offered::AuthOffer;

    fn read(arguments: &str) -> Result<AuthCommand<'_>, Refusal> {
        let offered = Offered { auth: AuthOffer::By("PLAIN LOGIN".to_owned()), ..Offered::default() };
        command(arguments.as_bytes(), &offered)
    }

    #[test]
    fn a_mechanism_and_perhaps_a_response() {
        let row = |mechanism, initial: Option<&'static str>| {
            Ok(AuthCommand { mechanism, initial: initial.map(|text| Said(text.as_bytes())) })
        };
        assert_eq!(read(" PLAIN AGEAYg=="), row("PLAIN", Some("AGEAYg==")));
        assert_eq!(read("  login "), row("login", None));
        assert_eq!(read(" PLAIN ="), row("PLAIN", Some("")));
        for (arguments, refusal) in [
            ("", reply::AUTH_SYNTAX),
            (" ", reply::AUTH_SYNTAX),
            (" PLAIN a b", reply::AUTH_SYNTAX),
            (" CRAM-MD5", reply::MECHANISM_UNKNOWN),
            (" PLAIN*", reply::MECHANISM_UNKNOWN),
            (" PLAIN *", reply::AUTH_NOT_BASE64),
            (" PLAIN AGEAYg", reply::AUTH_NOT_BASE64),
        ] {
            assert_eq!(read(arguments), Err(Refusal::Reply(refusal)), "{arguments}");
        }
    }

    #[test]
    fn base64_is_groups_of_four() {
        for text in ["", "AAAA", "AAA=", "AA==", "a+/9"] {
            assert!(is_base64(text.as_bytes()), "{text}");
        }
        for text in ["A", "AA", "AAA", "A===", "====", "=AAA", "AA=A", "AA-_", "AAA\0", "AAA ", "*"] {
            assert!(!is_base64(text.as_bytes()), "{text}");
        }
    }
}
