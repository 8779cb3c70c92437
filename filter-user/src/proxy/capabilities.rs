//! What a backend can do, as its EHLO reply said; learnt when relaygate starts and again at every dial, so that our own
//! EHLO offers nothing that a backend would refuse.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::reply_reader::OwnedReply;

/// The extensions of a backend that matter to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// SIZE (RFC 1870): offered, and the bound if there is one.
    pub size: Option<Option<u64>>,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// The mechanisms of AUTH (RFC 4954), upper case; empty where it is not offered.
    pub auth: Vec<String>,
    /// REQUIRETLS (RFC 8689), on a connection that keeps what it asks for: encrypted, to a server that was verified.
    pub require_tls: bool,
    /// The attributes of XCLIENT, upper case; empty where it is not offered.
    pub xclient: Vec<String>,
}

impl Capabilities {
    /// Reads an EHLO reply.
    #[must_use]
    pub(super) fn from_ehlo(reply: &OwnedReply) -> Self {
        let mut found = Self::default();
        for text in reply.texts().skip(1) {
            let mut words = text.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit_mime = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "DSN" => found.dsn = true,
                "STARTTLS" => found.starttls = true,
                "REQUIRETLS" => found.require_tls = true,
                "SIZE" => {
                    found.size = Some(
                        words.next().and_then(|octets| octets.parse().ok()).filter(|&octets| octets > 0),
                    );
                }
                "AUTH" => found.auth = words.map(str::to_ascii_uppercase).collect(),
                "XCLIENT" => found.xclient = words.map(str::to_ascii_uppercase).collect(),
                _ => {}
            }
        }
        found
    }

    /// What both can do; the smaller bound of both.
    #[must_use]
    pub(super) fn and(&self, other: &Self) -> Self {
        let bound = match (self.size.flatten(), other.size.flatten()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            pipelining: self.pipelining && other.pipelining,
            eight_bit_mime: self.eight_bit_mime && other.eight_bit_mime,
            smtputf8: self.smtputf8 && other.smtputf8,
            dsn: self.dsn && other.dsn,
            starttls: self.starttls && other.starttls,
            require_tls: self.require_tls && other.require_tls,
            size: bound.map_or(self.size.and(other.size), |bound| Some(Some(bound))),
            auth: self.auth.iter().filter(|name| other.auth.contains(name)).cloned().collect(),
            xclient: self.xclient.iter().filter(|name| other.takes(name)).cloned().collect(),
        }
    }

    /// Whether XCLIENT takes this attribute.
    #[must_use]
    pub(super) fn takes(&self, attribute: &str) -> bool {
        self.xclient.iter().any(|name| name == attribute)
    }
}

/// What is known now; shared by all workers.
#[derive(Debug, Default)]
pub(super) struct KnownCapabilities {
    known: ArcSwap<Capabilities>,
}

impl KnownCapabilities {
    /// The newest.
    #[must_use]
    pub(super) fn load(&self) -> Arc<Capabilities> {
        self.known.load_full()
    }

    /// Whether these are still the newest; costs no reference count.
    #[must_use]
    pub(super) fn is_current(&self, seen: &Arc<Capabilities>) -> bool {
        Arc::ptr_eq(&self.known.load(), seen)
    }

    /// Remembers what was learnt.
    pub(super) fn learn(&self, found: Capabilities) {
        if **self.known.load() != found {
            self.known.store(Arc::new(found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ehlo_reply_is_read() {
        let lines = b"250-mail.example\r\n250-pipelining\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250-DSN\r\n\
            250-XCLIENT NAME ADDR PROTO HELO PORT\r\n250 X-UNKNOWN a b\r\n";
        let found = Capabilities::from_ehlo(&OwnedReply { code: 250, lines: lines.to_vec() });
        assert!(found.pipelining && found.eight_bit_mime && found.dsn && !found.smtputf8);
        assert_eq!(found.size, Some(Some(10_240_000)));
        assert!(found.takes("HELO") && !found.takes("DESTADDR"));
    }

    #[test]
    fn a_size_of_zero_or_none_is_no_bound() {
        for text in ["250-m\r\n250 SIZE\r\n", "250-m\r\n250 SIZE 0\r\n"] {
            let reply = OwnedReply { code: 250, lines: text.as_bytes().to_vec() };
            assert_eq!(Capabilities::from_ehlo(&reply).size, Some(None), "{text}");
        }
    }

    #[test]
    fn the_first_line_is_the_name_and_no_extension() {
        let reply = OwnedReply { code: 250, lines: b"250 DSN\r\n".to_vec() };
        assert!(!Capabilities::from_ehlo(&reply).dsn);
    }
}
