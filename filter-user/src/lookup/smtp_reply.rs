//! A mail server's reply to a callout: its code and enhanced code. The text is only for the log.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::error::DirectoryError;

/// The longest line, in octets: what RFC 5321 section 4.5.3.1.5 allows, twice.
const LINE: u64 = 1024;
/// The most lines of a reply.
const LINES: usize = 100;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SmtpReply {
    /// Its three digits.
    pub(super) code: u16,
    /// What stands behind the code, all lines of it.
    pub(super) text: String,
}

impl SmtpReply {
    /// Reads one.
    pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Self, DirectoryError> {
        let garbled = || DirectoryError::Garbled("what it said is no SMTP reply".to_owned());
        let mut text = String::new();
        let mut octets = Vec::new();
        for _ in 0..LINES {
            octets.clear();
            let read = (&mut *stream).take(LINE).read_until(b'\n', &mut octets).await;
            read.map_err(|source| DirectoryError::Lost { doing: "reading a reply", source })?;
            if octets.is_empty() {
                let source = std::io::ErrorKind::UnexpectedEof.into();
                return Err(DirectoryError::Lost { doing: "reading a reply", source });
            }
            let line = std::str::from_utf8(&octets).ok().and_then(|line| line.strip_suffix('\n'));
            let line = line.ok_or_else(garbled)?.trim_end_matches('\r');
            let code = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
            let code: u16 = code.and_then(|code| code.parse().ok()).ok_or_else(garbled)?;
            if !(200..600).contains(&code) {
                return Err(garbled());
            }
            let (more, behind) = match line[3..].chars().next() {
                None => (false, ""),
                Some(' ') => (false, &line[4..]),
                Some('-') => (true, &line[4..]),
                Some(_) => return Err(garbled()),
            };
            text.push_str(behind);
            text.push('\n');
            if !more {
                return Ok(Self { code, text });
            }
        }
        Err(garbled())
    }

    /// Whether it says yes.
    pub(super) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it says that there is no such mailbox. A refusal for another reason, such as a rule that our probe breaks,
    /// says nothing of the mailbox: its sender would be refused for good, and earn strikes.
    pub(super) fn says_unknown(&self) -> bool {
        let enhanced = self.text.split_whitespace().next().filter(|word| is_enhanced(word));
        match (self.code, enhanced) {
            // RFC 3463: addressing, and a mailbox that is disabled; 5.4.1 is what Exchange Online says of unknown ones.
            // Of the addresses, two are the sender's: it is the probe's that is not liked.
            (500..600, Some("5.1.7" | "5.1.8")) => false,
            (500..600, Some(code)) => code.starts_with("5.1.") || ["5.2.1", "5.4.1"].contains(&code),
            (550 | 551 | 553, None) => true,
            _ => false,
        }
    }

    /// For the log.
    pub(super) fn shown(&self) -> String {
        let line = self.text.lines().next().unwrap_or_default();
        format!("{} {}", self.code, line.chars().take(200).flat_map(char::escape_debug).collect::<String>())
    }
}

/// `5.1.1` and the like (RFC 3463).
fn is_enhanced(word: &str) -> bool {
    let mut parts = word.split('.');
    let numbers = parts
        .by_ref()
        .take(3)
        .filter(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
    numbers.count() == 3 && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &str) -> Result<SmtpReply, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = octets.as_bytes();
        runtime.block_on(SmtpReply::read(&mut stream)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_reply_of_several_lines_is_one() {
        let reply = read("250-mail.example\r\n250-SMTPUTF8\r\n250 DSN\r\n220 next").unwrap();
        assert_eq!((reply.code, reply.text.as_str()), (250, "mail.example\nSMTPUTF8\nDSN\n"));
        assert_eq!(read("250\n").unwrap().code, 250);
    }

    #[test]
    fn what_is_no_reply_is_none() {
        let long = format!("250 {}\r\n", "x".repeat(2000));
        for octets in
            ["", "250 cut", "25 x\r\n", "999 x\r\n", "250_x\r\n", "\u{e4}50 x\r\n", "HTTP/1.0 400\r\n", &long]
        {
            assert!(read(octets).is_err(), "{octets}");
        }
        assert!(read(&"250-x\r\n".repeat(101)).is_err());
    }

    #[test]
    fn only_what_is_said_of_the_mailbox_is_a_no() {
        for (reply, unknown) in [
            ("550 5.1.1 user unknown", true),
            ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", true),
            ("550 5.4.1 Recipient address rejected: Access denied", true),
            ("550 no such user here", true),
            ("553 sorry, no such mailbox", true),
            ("550 5.2.1 mailbox disabled", true),
            ("554 5.7.1 Client host rejected: Access denied", false),
            ("550 5.7.1 relaying denied", false),
            ("552 5.2.2 mailbox full", false),
            ("503 5.5.1 MAIL first", false),
            ("554 no service", false),
            ("450 4.1.1 greylisted", false),
            ("250 2.1.5 ok", false),
        ] {
            assert_eq!(read(&format!("{reply}\r\n")).unwrap().says_unknown(), unknown, "{reply}");
        }
    }
}
