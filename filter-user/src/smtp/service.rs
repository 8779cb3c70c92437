//! What the server offers: its name, its extensions, its bounds; with the greeting and the replies to EHLO and HELP
//! ready-made. Built once for a configuration and shared by all sessions of a worker.

use super::offered::Offered;
use super::order::{COMMANDS, When};
use super::{Deadlines, Limits};

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
    pub offered: Offered,
    greeting: String,
    helo: String,
    ehlo: String,
    help: String,
}

impl Service {
    /// Makes the greeting and the replies to EHLO and HELP ready.
    #[must_use]
    pub fn new(hostname: &str, limits: Limits, deadlines: Deadlines, offered: Offered) -> Self {
        let mut ehlo = format!("250-{hostname}\r\n250-PIPELINING\r\n250-SIZE {}\r\n", limits.message_size);
        offered.show(&mut ehlo);
        ehlo.push_str("250 ENHANCEDSTATUSCODES\r\n");
        let mut help = "214 2.0.0 commands:".to_owned();
        for row in COMMANDS.iter().filter(|row| row.when != When::Never && offered.offers(row.verb).is_ok()) {
            help.extend([" ", row.name]);
        }
        help.push_str("\r\n");
        Self {
            hostname: hostname.to_owned(),
            limits,
            deadlines,
            offered,
            greeting: format!("220 {hostname} ESMTP relaygate\r\n"),
            helo: format!("250 {hostname}\r\n"),
            ehlo,
            help,
        }
    }

    /// The banner.
    #[must_use]
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// The answer to HELP: every command that is offered.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
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
    use crate::smtp::offered::{AuthOffer, TlsOffer};
    use std::time::Duration;

    fn service(offered: Offered) -> Service {
        let limits = Limits {
            command_line: 2048,
            commands: 100,
            errors: 10,
            recipients: 100,
            message_size: 1000,
            auth_line: 12_288,
            auth_attempts: 3,
            unknown_recipients: 10,
            bare_newline: BareNewline::Normalise,
        };
        let deadlines = Deadlines {
            command: Duration::from_secs(300),
            data: Duration::from_secs(180),
            session: Duration::from_secs(3600),
        };
        Service::new("mx.example.org", limits, deadlines, offered)
    }

    #[test]
    fn ehlo_and_help_show_what_is_offered_and_nothing_else() {
        let nothing = service(Offered::default());
        assert_eq!(
            nothing.hello(true),
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 ENHANCEDSTATUSCODES\r\n"
        );
        assert_eq!(
            nothing.help(),
            "214 2.0.0 commands: RCPT MAIL EHLO QUIT DATA HELO RSET NOOP VRFY HELP\r\n"
        );
        let all = service(Offered {
            eight_bit_mime: true,
            smtputf8: true,
            dsn: true,
            require_tls: true,
            tls: TlsOffer::StartTls,
            auth: AuthOffer::By("SCRAM-SHA-256 PLAIN".to_owned()),
            auth_first: true,
            xclient: true,
        });
        assert_eq!(
            all.hello(true),
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n\
             250-STARTTLS\r\n250-REQUIRETLS\r\n250-AUTH SCRAM-SHA-256 PLAIN\r\n\
             250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n250 ENHANCEDSTATUSCODES\r\n"
        );
        assert!(all.help().ends_with(" HELP STARTTLS AUTH XCLIENT\r\n"), "{}", all.help());
        assert_eq!(all.hello(false), "250 mx.example.org\r\n");
        assert_eq!(all.greeting(), "220 mx.example.org ESMTP relaygate\r\n");
    }

    #[test]
    fn over_tls_nobody_is_asked_to_start_it() {
        let over_tls = service(Offered { tls: TlsOffer::InUse, ..Offered::default() });
        assert!(!over_tls.hello(true).contains("STARTTLS") && !over_tls.help().contains("STARTTLS"));
    }
}
