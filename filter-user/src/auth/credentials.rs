//! A login and a password, as PLAIN and LOGIN carry them: read once, into memory that is wiped when they are dropped,
//! and never shown. Knows nobody.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

/// The longest login, in octets.
const MAX_LOGIN: usize = 255;

/// The longest password, in octets. SHA-crypt's work grows with its square.
const MAX_PASSWORD: usize = 1024;

/// A login and a password that is claimed to be its.
pub(super) struct Credentials {
    login: String,
    password: SecretSlice<u8>,
}

impl Credentials {
    /// Of the one message of PLAIN.
    pub(super) fn from_plain(message: &[u8]) -> Option<Self> {
        let (login, password) = plain_parts(message)?;
        Self::new(login, password)
    }

    /// Of the two answers of LOGIN. What no login and no password can be is none.
    pub(super) fn new(login: &[u8], password: &[u8]) -> Option<Self> {
        let login = std::str::from_utf8(login).ok().filter(|login| is_login(login))?;
        let fits = (1..=MAX_PASSWORD).contains(&password.len()) && !password.contains(&0);
        fits.then(|| Self { login: login.to_owned(), password: SecretSlice::new(Box::from(password)) })
    }

    /// The login, as it was sent.
    pub(super) fn login(&self) -> &str {
        &self.login
    }

    /// The password as hashes are made of it; see [`prepared_password`].
    pub(super) fn prepared_password(&self) -> Zeroizing<Vec<u8>> {
        prepared_password(self.password.expose_secret())
    }

    /// The message of PLAIN, in base64.
    pub(super) fn to_plain(&self) -> Zeroizing<String> {
        let password = self.password.expose_secret();
        let mut message = Zeroizing::new(Vec::with_capacity(2 + self.login.len() + password.len()));
        message.push(0);
        message.extend_from_slice(self.login.as_bytes());
        message.push(0);
        message.extend_from_slice(password);
        Zeroizing::new(STANDARD.encode(&message))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("login", &self.login).finish_non_exhaustive()
    }
}

/// Login and password of the one message of PLAIN (RFC 4616): who to act as, login, password. Nobody may act as somebody
/// else.
pub(super) fn plain_parts(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = message.split(|&octet| octet == 0);
    let (act_as, login, password) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && (act_as.is_empty() || act_as == login)).then_some((login, password))
}

/// Whether a text can be a login: not empty, not long, without control characters.
pub(super) fn is_login(text: &str) -> bool {
    (1..=MAX_LOGIN).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A login in the form in which logins are compared: SASLprep (RFC 4013), so that one name typed in two ways is one.
pub(super) fn prepared_login(login: &str) -> Option<String> {
    stringprep::saslprep(login)
        .ok()
        .map(|prepared| prepared.into_owned())
        .filter(|prepared| is_login(prepared))
}

/// A password in the form in which it is hashed: SASLprep, as SCRAM asks for; what is not text stays as it is, for
/// hashes that another program made of it.
pub(super) fn prepared_password(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = std::str::from_utf8(password).ok();
    match text.and_then(|text| stringprep::saslprep(text).ok()) {
        Some(prepared) if !prepared.is_empty() => Zeroizing::new(prepared.into_owned().into_bytes()),
        _ => Zeroizing::new(password.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_three_parts_and_nobody_acts_as_somebody_else() {
        let long = [b"\0user\0".as_slice(), &[b'x'; MAX_PASSWORD + 1]].concat();
        let rows: [(&[u8], Option<&str>); 12] = [
            (b"\0user\0secret", Some("user")),
            (b"user\0user\0secret", Some("user")),
            (b"boss\0user\0secret", None),
            (b"\0user\0secret\0more", None),
            (b"\0user", None),
            (b"", None),
            (b"\0\0secret", None),
            (b"\0user\0", None),
            (b"\0us\ter\0secret", None),
            (b"\0\xff\0secret", None),
            (b"\0user\0\xff", Some("user")),
            (&long, None),
        ];
        for (message, login) in rows {
            let read = Credentials::from_plain(message);
            assert_eq!(read.as_ref().map(Credentials::login), login, "{message:?}");
        }
    }

    #[test]
    fn what_was_read_is_passed_on_whole_and_the_password_is_never_shown() {
        let read = Credentials::from_plain("user\0user\0p\u{e4}ss".as_bytes()).unwrap();
        assert_eq!(STANDARD.decode(read.to_plain().as_bytes()).unwrap(), "\0user\0p\u{e4}ss".as_bytes());
        assert_eq!(format!("{read:?}"), r#"Credentials { login: "user", .. }"#);
    }

    #[test]
    fn one_text_typed_in_two_ways_is_prepared_to_one() {
        assert_eq!(prepared_login("I\u{ad}X").as_deref(), Some("IX"));
        assert_eq!(prepared_login("\u{2168}").as_deref(), Some("IX"));
        assert_eq!(prepared_login("\u{ad}"), None);
        assert_eq!(prepared_login("\u{7}"), None);
        assert_eq!(*prepared_password("a\u{308}".as_bytes()), "\u{e4}".as_bytes());
        assert_eq!(*prepared_password(b"\xff\xfe"), b"\xff\xfe");
    }
}
