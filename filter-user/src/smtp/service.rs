//! What the server offers: its name, its extensions, its bounds; with the greeting and the EHLO reply ready-made.
//! Built once for a configuration and shared by all sessions of a worker.

use super::{Deadlines, Limits};

/// The extensions shown in EHLO; PIPELINING, SIZE and ENHANCEDSTATUSCODES always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
}

/// What one kind of session is offered.
#[derive(Clone, Debug)]
pub struct Service {
    /// Our name.
    pub hostname: String,
    /// Bounds.
    pub limits: Limits,
    /// Time-outs.
    pub deadlines: Deadlines,
    /// Extensions.
    pub extensions: Extensions,
    greeting: String,
    helo: String,
    ehlo: String,
}

impl Service {
    /// Makes the greeting and the EHLO reply ready.
    #[must_use]
    pub fn new(hostname: &str, limits: Limits, deadlines: Deadlines, extensions: Extensions) -> Self {
        let mut ehlo = format!("250-{hostname}\r\n250-PIPELINING\r\n250-SIZE {}\r\n", limits.message_size);
        for (offered, keyword) in [
            (extensions.eight_bit_mime, "8BITMIME"),
            (extensions.smtputf8, "SMTPUTF8"),
            (extensions.dsn, "DSN"),
        ] {
            if offered {
                ehlo.push_str("250-");
                ehlo.push_str(keyword);
                ehlo.push_str("\r\n");
            }
        }
        ehlo.push_str("250 ENHANCEDSTATUSCODES\r\n");
        Self {
            hostname: hostname.to_owned(),
            limits,
            deadlines,
            extensions,
            greeting: format!("220 {hostname} ESMTP relaygate\r\n"),
            helo: format!("250 {hostname}\r\n"),
            ehlo,
        }
    }

    /// The banner.
    #[must_use]
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// The answer to HELO, or to EHLO where `extended`.
    #[must_use]
    pub fn hello(&self, extended: bool) -> &str {
        if extended { &self.ehlo } else { &self.helo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::BareNewline;
    use std::time::Duration;

    fn service(extensions: Extensions) -> Service {
        let limits = Limits {
            command_line: 2048,
            commands: 100,
            errors: 10,
            recipients: 100,
            message_size: 1000,
            bare_newline: BareNewline::Normalise,
        };
        let deadlines = Deadlines {
            command: Duration::from_secs(300),
            data: Duration::from_secs(180),
            session: Duration::from_secs(3600),
        };
        Service::new("mx.example.org", limits, deadlines, extensions)
    }

    #[test]
    fn ehlo_shows_what_is_offered_and_nothing_else() {
        assert_eq!(
            service(Extensions::default()).hello(true),
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 ENHANCEDSTATUSCODES\r\n"
        );
        let all = Extensions { eight_bit_mime: true, smtputf8: true, dsn: true };
        assert_eq!(
            service(all).hello(true),
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n\
             250 ENHANCEDSTATUSCODES\r\n"
        );
        assert_eq!(service(all).hello(false), "250 mx.example.org\r\n");
        assert_eq!(service(all).greeting(), "220 mx.example.org ESMTP relaygate\r\n");
    }
}
