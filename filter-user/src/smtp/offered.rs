//! What one kind of session is offered: a stranger in the clear, the same over TLS, a host that may speak for others.
//! Decides nothing about who belongs to which kind.

use super::order::Verb;
use super::reply::{self, Reply};
use super::xclient;

/// The extensions that EHLO shows and the commands that go with them; PIPELINING, SIZE and ENHANCEDSTATUSCODES always
/// are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689): to be offered over TLS alone, where the way to the backend keeps what it promises.
    pub require_tls: bool,
    /// STARTTLS (RFC 3207).
    pub tls: TlsOffer,
    /// AUTH (RFC 4954).
    pub auth: AuthOffer,
    /// Nothing is taken from who has not authenticated (RFC 6409 section 4.3).
    pub auth_first: bool,
    /// XCLIENT (Postfix's XCLIENT_README).
    pub xclient: bool,
}

/// Whether TLS can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsOffer {
    /// No.
    #[default]
    Never,
    /// By STARTTLS.
    StartTls,
    /// It is in use.
    InUse,
}

/// Whether a session can authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthOffer {
    /// No: who tries nonetheless guesses passwords.
    #[default]
    Never,
    /// Once TLS is in use.
    OverTls,
    /// Later: nobody who knows can be asked now.
    Unavailable,
    /// By these mechanisms, as EHLO shows them: separated by a space.
    By(String),
}

impl Offered {
    /// Whether a command is offered at all.
    ///
    /// # Errors
    ///
    /// The reply that says why not.
    pub fn offers(&self, verb: Verb) -> Result<(), Reply> {
        match (verb, self.tls, &self.auth) {
            (Verb::StartTls, TlsOffer::Never, _) | (Verb::Auth, _, AuthOffer::Never) => {
                Err(reply::NOT_IMPLEMENTED)
            }
            (Verb::StartTls, TlsOffer::InUse, _) => Err(reply::TLS_IN_USE),
            (Verb::Auth, _, AuthOffer::OverTls) => Err(reply::AUTH_NEEDS_TLS),
            (Verb::Auth, _, AuthOffer::Unavailable) => Err(reply::AUTH_UNAVAILABLE),
            (Verb::Xclient, ..) if !self.xclient => Err(reply::XCLIENT_REFUSED),
            _ => Ok(()),
        }
    }

    /// Whether a mechanism of AUTH is offered, in any case.
    #[must_use]
    pub fn offers_mechanism(&self, name: &str) -> bool {
        match &self.auth {
            AuthOffer::By(mechanisms) => {
                mechanisms.split(' ').any(|offered| offered.eq_ignore_ascii_case(name))
            }
            AuthOffer::Never | AuthOffer::OverTls | AuthOffer::Unavailable => false,
        }
    }

    /// Whether the parameter AUTH of MAIL is known (RFC 4954 section 5).
    #[must_use]
    pub fn auth_parameter(&self) -> bool {
        matches!(self.auth, AuthOffer::By(_))
    }

    /// Appends the lines of EHLO that say so.
    pub(super) fn show(&self, ehlo: &mut String) {
        let mut line = |offered: bool, keyword: &str, parameters: &str| {
            if offered {
                ehlo.extend([
                    "250-",
                    keyword,
                    if parameters.is_empty() { "" } else { " " },
                    parameters,
                    "\r\n",
                ]);
            }
        };
        line(self.eight_bit_mime, "8BITMIME", "");
        line(self.smtputf8, "SMTPUTF8", "");
        line(self.dsn, "DSN", "");
        line(self.tls == TlsOffer::StartTls, "STARTTLS", "");
        line(self.require_tls, "REQUIRETLS", "");
        if let AuthOffer::By(mechanisms) = &self.auth {
            line(true, "AUTH", mechanisms);
        }
        line(self.xclient, "XCLIENT", &xclient::ATTRIBUTES.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_when() {
        let table = [
            (TlsOffer::Never, AuthOffer::Never, [Some(502), Some(502)]),
            (TlsOffer::StartTls, AuthOffer::Never, [None, Some(502)]),
            (TlsOffer::StartTls, AuthOffer::OverTls, [None, Some(538)]),
            (TlsOffer::InUse, AuthOffer::By("PLAIN".to_owned()), [Some(503), None]),
        ];
        for (tls, auth, codes) in table {
            let offered = Offered { tls, auth, ..Offered::default() };
            let said =
                [Verb::StartTls, Verb::Auth].map(|verb| offered.offers(verb).err().map(|reply| reply.code()));
            assert_eq!(said, codes, "{offered:?}");
            assert_eq!(offered.offers(Verb::Mail), Ok(()));
            assert_eq!(offered.offers(Verb::Xclient), Err(reply::XCLIENT_REFUSED));
        }
    }

    #[test]
    fn a_mechanism_is_a_whole_word_in_any_case() {
        let offered = Offered { auth: AuthOffer::By("SCRAM-SHA-256 PLAIN".to_owned()), ..Offered::default() };
        for (name, is) in
            [("plain", true), ("SCRAM-SHA-256", true), ("SCRAM", false), ("", false), ("A B", false)]
        {
            assert_eq!(offered.offers_mechanism(name), is, "{name}");
        }
        assert!(!Offered::default().offers_mechanism("PLAIN"));
    }
}
