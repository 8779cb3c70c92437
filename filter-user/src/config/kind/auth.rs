//! Settings of authentication: who knows the logins, and a mechanism. Opens and connects nothing.

use std::path::PathBuf;

use super::Kind;
use crate::config::auth::AuthBackend;
use crate::config::stream_address::StreamAddress;

/// One that knows logins.
#[derive(Debug)]
pub struct Knower;

impl Kind for Knower {
    type Value = AuthBackend;

    fn parse(&self, text: &str) -> Option<AuthBackend> {
        let path = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
        match text.split_once(':')? {
            ("file", file) => path(file).map(AuthBackend::File),
            ("dovecot", address) => StreamAddress::parse(address).map(AuthBackend::Dovecot),
            ("backend", "") => Some(AuthBackend::PassThrough),
            _ => None,
        }
    }

    fn placeholder(&self) -> &'static str {
        "WHO"
    }

    fn expected(&self) -> String {
        "file:PATH, dovecot:unix:PATH, dovecot:inet:HOST:PORT, or backend: for the mail server behind"
            .to_owned()
    }
}

/// A SASL mechanism; becomes upper case.
#[derive(Debug)]
pub struct MechanismName;

impl Kind for MechanismName {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        // RFC 4422 section 3.1.
        let valid = (1..=20).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
        // It lets anybody in: whoever means that has relay-network.
        (valid && !text.eq_ignore_ascii_case("ANONYMOUS")).then(|| text.to_ascii_uppercase())
    }

    fn placeholder(&self) -> &'static str {
        "MECHANISM"
    }

    fn expected(&self) -> String {
        "the name of a SASL mechanism, such as PLAIN or SCRAM-SHA-256; never ANONYMOUS".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_logins_is_written_as_it_is_shown() {
        for text in ["unix:/run/dovecot/auth", "inet:mail.example:12345", "inet:[::1]:12345"] {
            let Some(AuthBackend::Dovecot(address)) = Knower.parse(&format!("dovecot:{text}")) else {
                panic!("{text} is not taken");
            };
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(Knower.parse("file:/etc/passwords"), Some(AuthBackend::File("/etc/passwords".into())));
        assert_eq!(Knower.parse("backend:"), Some(AuthBackend::PassThrough));
        let wrong = [
            "file:",
            "file",
            "dovecot:/run/auth",
            "dovecot:unix:",
            "dovecot:inet:sink:",
            "dovecot:inet:h",
            "backend:x",
            "ldap:x",
        ];
        for text in wrong {
            assert_eq!(Knower.parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_mechanism_is_a_name_and_not_anonymous() {
        assert_eq!(MechanismName.parse("scram-sha-256").as_deref(), Some("SCRAM-SHA-256"));
        for text in ["", "A B", "anonymous", "A-NAME-OF-21-LETTERS-", "\u{e4}"] {
            assert_eq!(MechanismName.parse(text), None, "{text}");
        }
    }
}
