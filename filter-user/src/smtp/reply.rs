//! Every reply that we can send: code, enhanced code (RFC 3463), text and when; bytes ready-made. Only six are made
//! elsewhere: the greeting and the answers to HELO and EHLO, which carry our name, and to HELP, which lists what is offered
//! (`service`); the refusal of a bad path (`command`), which carries its fault; and the challenges of AUTH (`session`).

/// A reply of ours: one line, ready-made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The whole line, CR LF included.
    pub line: &'static str,
}

/// A row of [`Reply::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The constant's name.
    pub name: &'static str,
    /// The reply.
    pub reply: Reply,
    /// When it is said.
    pub when: &'static str,
}

impl Reply {
    /// The reply code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.line.bytes().take(3).fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')))
    }

    /// Appends the line to `out`.
    pub fn say(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line.as_bytes());
    }
}

macro_rules! replies {
    ($($name:ident $line:literal, $when:literal;)*) => {
        $(
            #[doc = $when]
            pub const $name: Reply = Reply { line: concat!($line, "\r\n") };
        )*
        impl Reply {
            /// Every reply, with its name and when it is said.
            pub const ALL: &'static [Listed] = &[
                $(Listed { name: stringify!($name), reply: $name, when: $when },)*
            ];
        }
    };
}

replies! {
    // what went well
    START_TLS "220 2.0.0 ready for TLS", "STARTTLS that was accepted.";
    CLOSING "221 2.0.0 closing", "QUIT.";
    AUTHENTICATED "235 2.7.0 authenticated", "AUTH that succeeded.";
    DONE "250 2.0.0 ok", "NOOP; RSET.";
    SENDER_TAKEN "250 2.1.0 sender ok", "MAIL that was accepted.";
    RECIPIENT_TAKEN "250 2.1.5 recipient ok", "RCPT that was accepted, and no backend said so itself.";
    CANNOT_VERIFY "252 2.5.0 not verified; RCPT TO tells", "VRFY: it would only serve harvesters.";
    START_MESSAGE "354 end the message with <CR><LF>.<CR><LF>", "DATA that was accepted, and no backend said so itself.";

    // the session ends
    SHUTTING_DOWN "421 4.3.2 service is shutting down", "We were told to stop.";
    TOO_MANY_SESSIONS "421 4.3.2 too many sessions, try again later", "All sessions that we may hold are open.";
    TOO_MANY_SESSIONS_OF_PEER "421 4.7.0 too many sessions from your address", "The peer has all the sessions that it may have.";
    PEER_LIMITED "421 4.7.0 too many offences from your address, try again later", "The peer is limited, and came too soon.";
    TOO_MANY_ERRORS "421 4.7.0 too many errors", "The session erred as often as it may.";
    TOO_MANY_COMMANDS "421 4.7.0 too many commands in one session", "The session said as many commands as it may.";
    TOO_MANY_AUTH_ATTEMPTS "421 4.7.0 too many failed attempts to authenticate", "The session failed as often as it may.";
    TOO_MANY_UNKNOWN_RECIPIENTS "421 4.7.0 too many unknown recipients", "The session named as many recipients that nobody knows as it may.";
    TIMED_OUT "421 4.4.2 timed out", "Nothing came in time, or the session is too old.";
    PEER_BLOCKED "554 5.7.1 your address is blocked for its offences", "The peer is blocked, and the kernel does not drop it.";
    EARLY_TALK "554 5.5.1 talked before the banner", "In place of the banner, to who did not wait for it.";
    TALK_BEFORE_TLS "554 5.5.1 talked before TLS", "Behind STARTTLS, to who did not wait for the handshake. The session ends.";
    NOT_SMTP "554 5.5.1 this is SMTP", "An HTTP verb, a TLS handshake and the like.";

    // the line itself
    UNKNOWN_COMMAND "500 5.5.1 unknown command, HELP lists those known", "A verb that is not in the table of commands.";
    NOT_IMPLEMENTED "502 5.5.1 not implemented", "EXPN and BDAT; STARTTLS and AUTH where they are not offered.";
    LINE_TOO_LONG "500 5.5.2 line too long", "A command line beyond its bound; its rest was swallowed.";
    AUTH_LINE_TOO_LONG "500 5.5.6 response is too long", "A response in an AUTH exchange beyond its bound; its rest was swallowed, and the exchange is over.";
    LINE_WITHOUT_END "500 5.5.2 line has no end", "An over-long line whose end did not come in time to be swallowed. The session ends.";
    BARE_NEWLINE_IN_COMMAND "500 5.5.2 bare CR or LF, only CR LF ends a line", "A CR without LF or an LF without CR in a command. The session ends.";
    NUL_IN_COMMAND "500 5.5.2 NUL in command", "A command line with a NUL.";

    // the order of commands
    HELLO_FIRST "503 5.5.1 HELO or EHLO first", "MAIL before the client introduced itself.";
    NESTED_MAIL "503 5.5.1 sender is already given, RSET begins anew", "A second MAIL in one transaction.";
    IN_TRANSACTION "503 5.5.1 not within a transaction, RSET ends it", "STARTTLS, AUTH or XCLIENT after MAIL.";
    MAIL_FIRST "503 5.5.1 MAIL first", "RCPT or DATA without a transaction.";
    RCPT_FIRST "503 5.5.1 RCPT first", "DATA in a transaction without any RCPT.";
    NO_VALID_RECIPIENTS "554 5.5.1 no valid recipients", "DATA after every RCPT was refused.";
    TLS_IN_USE "503 5.5.1 TLS is in use already", "STARTTLS over TLS.";
    AUTHENTICATED_ALREADY "503 5.5.1 authenticated already", "AUTH after one that succeeded.";

    // who must prove themselves first
    STARTTLS_FIRST "530 5.7.0 STARTTLS first", "MAIL where only who authenticated may send, which needs TLS.";
    AUTH_FIRST "530 5.7.0 authentication required", "MAIL where only who authenticated may send.";
    AUTH_NEEDS_TLS "538 5.7.11 authentication needs TLS, STARTTLS first", "AUTH in the clear, where it is offered over TLS.";
    AUTH_FAILED "535 5.7.8 authentication failed", "AUTH with credentials that are not right.";
    AUTH_CANCELLED "501 5.7.0 authentication cancelled", "A response of `*`.";
    AUTH_NOT_BASE64 "501 5.5.2 response is not base64", "A response in an AUTH exchange, or an initial one, that is not base64.";
    MECHANISM_UNKNOWN "504 5.5.4 mechanism is not offered", "AUTH with a mechanism that EHLO did not show.";
    AUTH_UNAVAILABLE "454 4.7.0 authentication is not available, try again later", "What knows the credentials cannot be asked.";
    TLS_UNAVAILABLE "454 4.7.0 TLS is not available, try again later", "STARTTLS that cannot be served now.";
    XCLIENT_REFUSED "550 5.7.0 XCLIENT is taken from listed hosts alone", "XCLIENT from a host that is not in `xclient-from`.";

    // the grammar of commands
    HELO_SYNTAX "501 5.5.4 syntax: HELO hostname", "HELO without a name, or with something that is none.";
    EHLO_SYNTAX "501 5.5.4 syntax: EHLO hostname", "EHLO without a name, or with something that is none.";
    MAIL_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> [parameters]", "MAIL that is not this.";
    RCPT_SYNTAX "501 5.5.4 syntax: RCPT TO:<forward-path> [parameters]", "RCPT that is not this.";
    DATA_SYNTAX "501 5.5.4 syntax: DATA", "DATA with something behind it.";
    RSET_SYNTAX "501 5.5.4 syntax: RSET", "RSET with something behind it.";
    VRFY_SYNTAX "501 5.5.4 syntax: VRFY string", "VRFY without a string.";
    QUIT_SYNTAX "501 5.5.4 syntax: QUIT", "QUIT with something behind it.";
    STARTTLS_SYNTAX "501 5.5.4 syntax: STARTTLS", "STARTTLS with something behind it.";
    AUTH_SYNTAX "501 5.5.4 syntax: AUTH mechanism [initial-response]", "AUTH that is not this.";
    XCLIENT_SYNTAX "501 5.5.4 syntax: XCLIENT attribute=value ..., each once", "XCLIENT that is not this.";
    SIZE_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> SIZE=octets, once", "SIZE that is not this.";
    BODY_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> BODY=7BIT or 8BITMIME, once", "BODY that is not this.";
    SMTPUTF8_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> SMTPUTF8, once, without a value", "SMTPUTF8 that is not this.";
    RET_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> RET=FULL or HDRS, once", "RET that is not this.";
    ENVID_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> ENVID=xtext, once, up to 100 octets", "ENVID that is not this.";
    REQUIRETLS_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> REQUIRETLS, once, without a value", "REQUIRETLS that is not this.";
    AUTH_PARAMETER_SYNTAX "501 5.5.4 syntax: MAIL FROM:<reverse-path> AUTH=<> or xtext, once", "The parameter AUTH that is not this.";
    NOTIFY_SYNTAX "501 5.5.4 syntax: RCPT TO:<forward-path> NOTIFY=NEVER or a list of SUCCESS,FAILURE,DELAY, once", "NOTIFY that is not this.";
    ORCPT_SYNTAX "501 5.5.4 syntax: RCPT TO:<forward-path> ORCPT=addr-type;xtext, once, up to 500 octets", "ORCPT that is not this.";
    MAIL_PARAMETER_UNKNOWN "555 5.5.4 MAIL parameter is not known or not offered", "A parameter of MAIL whose extension EHLO did not show.";
    RCPT_PARAMETER_UNKNOWN "555 5.5.4 RCPT parameter is not known or not offered", "A parameter of RCPT whose extension EHLO did not show.";

    // what the session itself bounds
    TOO_MANY_RECIPIENTS "452 4.5.3 too many recipients in one message", "RCPT when the message has all the recipients that it may have.";
    MESSAGE_TOO_BIG "552 5.3.4 message is too big", "MAIL with too big a SIZE; or the end of a message that grew too big.";
    BARE_NEWLINE_IN_DATA "554 5.6.0 message has a bare CR or LF, only CR LF ends a line", "The end of such a message, where they are to be refused.";

    // what policy and directory say
    RELAYING_PROHIBITED "550 5.7.1 relaying is prohibited", "The recipient is not local and the peer has no grant.";
    UNKNOWN_RECIPIENT "550 5.1.1 unknown recipient", "The domain is ours, and the directory does not know the mailbox.";
    DIRECTORY_UNAVAILABLE "451 4.3.0 directory is not available, try again later", "The directory cannot say whether it knows the mailbox.";

    // what the way to the backend says
    BACKEND_UNAVAILABLE "451 4.4.1 mail server is not available, try again later", "The backend did not take our connection.";
    BACKEND_TIMED_OUT "451 4.4.1 mail server does not answer, try again later", "The backend kept silent.";
    BACKEND_LOST "451 4.4.2 mail server was lost, try again later", "The backend's connection ended in the middle of a transaction.";
    BACKEND_GARBLED "451 4.4.0 mail server does not speak SMTP, try again later", "The backend said something that is no reply.";
    ANOTHER_DESTINATION "451 4.5.3 recipient is of another mail server than those before it, send it by itself", "The first accepted recipient has chosen where the message goes.";
    DOMAIN_TAKES_NO_MAIL "556 5.1.10 domain takes no mail", "The mail hosts of a domain are looked up, and it has a null MX (RFC 7505).";
    CONVERSION_REFUSED "554 5.6.3 mail server does not take 8-bit messages", "BODY=8BITMIME, and the backend does not offer 8BITMIME.";
    REQUIRETLS_REFUSED "550 5.7.30 mail server cannot keep REQUIRETLS", "REQUIRETLS, and the way to the backend is not protected.";
    SMTPUTF8_REFUSED "550 5.6.7 mail server does not take SMTPUTF8", "SMTPUTF8, and the backend does not offer it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_is_one_printable_line_with_codes_that_agree() {
        for Listed { name, reply, when } in Reply::ALL {
            let text = reply.line.strip_suffix("\r\n").unwrap();
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}");
            // RFC 5321 section 4.5.3.1.5
            assert!(reply.line.len() <= 512, "{name}");
            assert_eq!(reply.code().to_string(), text[..3], "{name}");
            assert!(when.ends_with('.'), "{name}");
            let mut words = text.splitn(3, ' ');
            let (code, enhanced) = (words.next().unwrap(), words.next().unwrap());
            // 354 is the one reply that RFC 2034 gives no enhanced code
            if code != "354" {
                let parts: Vec<&str> = enhanced.split('.').collect();
                assert_eq!(parts.len(), 3, "{name}");
                assert_eq!(parts[0], &code[..1], "{name}");
                assert!(parts.iter().all(|part| part.parse::<u16>().is_ok()), "{name}");
            }
        }
    }

    #[test]
    fn no_reply_is_listed_twice() {
        for (at, one) in Reply::ALL.iter().enumerate() {
            for other in &Reply::ALL[at + 1..] {
                assert_ne!(one.reply, other.reply, "{} and {}", one.name, other.name);
            }
        }
    }

    #[test]
    fn a_syntax_refusal_names_the_grammar() {
        for Listed { name, reply, .. } in Reply::ALL {
            assert_eq!(reply.line.starts_with("501 5.5.4 syntax: "), name.ends_with("_SYNTAX"), "{name}");
        }
    }
}
