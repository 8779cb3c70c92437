//! Who a client claims to be, in an exchange that somebody else judges: read from what it says as it passes. Proves
//! nothing until that somebody has said yes. What could be said of two at once names nobody: who judges may mean the one,
//! and we the other.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::credentials::{plain_parts, prepared_login};
use super::exchange::Step;
use super::scram::{ClientFirst, unescaped};
use crate::policy::Login;

/// How a mechanism names the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `act-as NUL login NUL password`, and nobody acts as somebody else: many servers ignore whom.
    Plain,
    /// The first answer is it.
    Login,
    /// `n,,n=login,r=nonce`.
    Scram,
    /// `user=login SOH auth=Bearer token SOH SOH`. That the token is that user's is for who judges to see to.
    Xoauth2,
    /// `n,a=login,SOH…` (RFC 7628). That the token is that login's is for who judges to see to.
    Oauthbearer,
    /// `login digest`, the only answer (RFC 2195).
    CramMd5,
}

/// What one client has claimed so far.
pub struct Claim {
    form: Form,
    heard: bool,
    login: Option<String>,
}

impl Claim {
    /// For a mechanism, in any case; none where it does not show who it is about.
    #[must_use]
    pub fn by(mechanism: &str) -> Option<Self> {
        let form = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => Form::Plain,
            "LOGIN" => Form::Login,
            "SCRAM-SHA-1" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => Form::Scram,
            "XOAUTH2" => Form::Xoauth2,
            "OAUTHBEARER" => Form::Oauthbearer,
            "CRAM-MD5" => Form::CramMd5,
            _ => return None,
        };
        Some(Self { form, heard: false, login: None })
    }

    /// Takes note of what the client says, in base64. Only its first word names it: what follows is secret.
    pub fn hear(&mut self, response: &[u8]) {
        if std::mem::replace(&mut self.heard, true) {
            return;
        }
        let Ok(octets) = STANDARD.decode(response).map(Zeroizing::new) else { return };
        self.login = named(self.form, &octets);
    }

    /// Whether it has named nobody where it had to: no answer of who judges could be believed then.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        self.heard && self.login.is_none()
    }

    /// Whoever judged has said yes: the client is who it claimed to be, if it claimed to be anybody.
    #[must_use]
    pub fn believed(&self) -> Option<Login> {
        match Step::proven(self.login.as_deref()?) {
            Step::Proven(login) => Some(login),
            _ => None,
        }
    }

    /// Who it claims to be.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }
}

/// The login, prepared. Of PLAIN it alone is text: a password may be any octets.
fn named(form: Form, octets: &[u8]) -> Option<String> {
    let text = || std::str::from_utf8(octets).ok();
    match form {
        Form::Plain => prepared_login(std::str::from_utf8(plain_parts(octets)?.0).ok()?),
        Form::Login => prepared_login(text()?),
        Form::Scram => ClientFirst::read(octets).map(|first| first.login),
        Form::Xoauth2 => prepared_login(only_user(text()?)?),
        Form::Oauthbearer => {
            let name = text()?.split(',').nth(1)?.strip_prefix("a=")?;
            prepared_login(&unescaped(name)?)
        }
        Form::CramMd5 => prepared_login(text()?.rsplit_once(' ')?.0),
    }
}

/// The value of `user=`, in any case, if there is one alone.
fn only_user(text: &str) -> Option<&str> {
    let mut users = text.split('\u{1}').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.eq_ignore_ascii_case("user").then_some(value)
    });
    users.next().filter(|_| users.next().is_none())
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("form", &self.form).field("login", &self.login).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mechanism_shows_who_it_is_about() {
        let rows: [(&str, &[&str], Option<&str>); 20] = [
            ("PLAIN", &["\0user\0secret"], Some("user")),
            ("plain", &["user\0user\0secret"], Some("user")),
            ("PLAIN", &["boss\0user\0secret"], None),
            ("PLAIN", &["\0user\0secret\0more"], None),
            ("PLAIN", &["secret"], None),
            ("LOGIN", &["user", "secret"], Some("user")),
            ("LOGIN", &["us\u{7}er", "secret"], None),
            ("SCRAM-SHA-256", &["n,,n=us=2Cer,r=nonce", "c=biws,r=nonce,p=proof"], Some("us,er")),
            ("SCRAM-SHA-256", &["n,,n"], None),
            (
                "XOAUTH2",
                &["user=user@example.test\u{1}auth=Bearer token\u{1}\u{1}"],
                Some("user@example.test"),
            ),
            ("XOAUTH2", &["auth=Bearer token\u{1}\u{1}"], None),
            ("OAUTHBEARER", &["n,a=user,\u{1}auth=Bearer token\u{1}\u{1}"], Some("user")),
            ("OAUTHBEARER", &["n,a=us=2Cer=3D,\u{1}auth=Bearer token\u{1}\u{1}"], Some("us,er=")),
            ("OAUTHBEARER", &["n,a=us=er,\u{1}auth=Bearer token\u{1}\u{1}"], None),
            ("XOAUTH2", &["user=a\u{1}User=b\u{1}auth=Bearer token\u{1}\u{1}"], None),
            ("SCRAM-SHA-256", &["n,a=boss,n=user,r=nonce"], None),
            ("OAUTHBEARER", &["n,,\u{1}auth=Bearer token\u{1}\u{1}"], None),
            ("CRAM-MD5", &["the user 0123456789abcdef"], Some("the user")),
            ("CRAM-MD5", &["user"], None),
            ("PLAIN", &[], None),
        ];
        for (mechanism, responses, wanted) in rows {
            let mut claim = Claim::by(mechanism).unwrap();
            for response in responses {
                claim.hear(STANDARD.encode(response).as_bytes());
            }
            assert_eq!(claim.login(), wanted, "{mechanism} {responses:?}");
            assert_eq!(claim.is_nobodys(), wanted.is_none() && !responses.is_empty());
            assert_eq!(claim.believed().as_ref().map(Login::name), wanted);
            assert!(!format!("{claim:?}").contains("secret"));
        }
        assert!(Claim::by("GSSAPI").is_none() && Claim::by("SCRAM-SHA-256-PLUS").is_none());
    }

    #[test]
    fn a_password_that_is_no_text_hides_no_login() {
        let mut claim = Claim::by("PLAIN").unwrap();
        claim.hear(STANDARD.encode(b"\0user\0p\xe4ss").as_bytes());
        assert_eq!(claim.login(), Some("user"));
    }

    #[test]
    fn what_is_not_base64_names_nobody() {
        let mut claim = Claim::by("LOGIN").unwrap();
        claim.hear(b"not base64");
        assert_eq!(claim.login(), None);
    }
}
