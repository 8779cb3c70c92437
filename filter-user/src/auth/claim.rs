//! Who a client claims to be, in an exchange that somebody else judges: read from what it says as it passes. Proves
//! nothing until that somebody has said yes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::credentials::prepared_login;
use super::exchange::Step;
use super::scram::ClientFirst;
use crate::policy::Login;

/// How a mechanism names the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `act-as NUL login NUL password`.
    Plain,
    /// The first answer is it.
    Login,
    /// `n,,n=login,r=nonce`.
    Scram,
    /// `user=login SOH auth=Bearer token SOH SOH`.
    Xoauth2,
    /// `n,a=login,SOH…` (RFC 7628).
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
        if let Form::Scram = self.form {
            self.login = ClientFirst::read(&octets).map(|first| first.login);
            return;
        }
        let Ok(text) = std::str::from_utf8(&octets) else { return };
        self.login = named(self.form, text).and_then(prepared_login);
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

fn named(form: Form, text: &str) -> Option<&str> {
    match form {
        Form::Plain => {
            let mut parts = text.split('\0');
            let (act_as, login) = (parts.next()?, parts.next()?);
            Some(if act_as.is_empty() { login } else { act_as })
        }
        Form::Login => Some(text),
        Form::Xoauth2 => text.split('\u{1}').find_map(|part| part.strip_prefix("user=")),
        Form::Oauthbearer => text.split(',').nth(1)?.strip_prefix("a="),
        Form::CramMd5 => text.rsplit_once(' ').map(|(login, _)| login),
        Form::Scram => None,
    }
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
        let rows: [(&str, &[&str], Option<&str>); 14] = [
            ("PLAIN", &["\0user\0secret"], Some("user")),
            ("plain", &["boss\0user\0secret"], Some("boss")),
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
            assert_eq!(claim.believed().as_ref().map(Login::name), wanted);
            assert!(!format!("{claim:?}").contains("secret"));
        }
        assert!(Claim::by("GSSAPI").is_none() && Claim::by("SCRAM-SHA-256-PLUS").is_none());
    }

    #[test]
    fn what_is_not_base64_names_nobody() {
        let mut claim = Claim::by("LOGIN").unwrap();
        claim.hear(b"not base64");
        assert_eq!(claim.login(), None);
    }
}
