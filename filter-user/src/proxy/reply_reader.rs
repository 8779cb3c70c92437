//! Reads the backend's replies (RFC 5321 section 4.2), bounded in every direction: what the backend sends is no more
//! to be trusted than what a client sends. Knows no socket.

use memchr::memchr;

use crate::smtp::BackendReply;

/// Octets of one reply line, CR LF included (RFC 5321 section 4.5.3.1.5 asks for 512; Postfix sends more).
const MAX_LINE: usize = 4096;
/// Octets of a whole reply.
const MAX_REPLY: usize = 64 * 1024;

/// What is not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GarbledReply {
    /// A line has no end.
    #[error("a reply line longer than {MAX_LINE} octets")]
    LineTooLong,
    /// The lines have no end.
    #[error("a reply longer than {MAX_REPLY} octets")]
    ReplyTooLong,
    /// No three digits, or nothing sensible behind them.
    #[error("a line that is no reply line")]
    NoCode,
    /// The lines of one reply disagree.
    #[error("a reply whose lines have different codes")]
    MixedCodes,
    /// It came before anything was asked.
    #[error("octets that nobody had asked for")]
    Unasked,
    /// A CR or LF that ends no line, or a NUL.
    #[error("a bare CR, LF or NUL in a reply")]
    BareControl,
}

/// A whole reply, with text of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnedReply {
    /// Its code.
    pub code: u16,
    /// Its lines, each with CR LF.
    pub lines: Vec<u8>,
}

impl OwnedReply {
    /// Whether it says yes.
    #[must_use]
    pub(super) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// A view of it, to be handed on.
    #[must_use]
    pub(super) fn as_answer(&self) -> BackendReply<'_> {
        BackendReply { code: self.code, lines: &self.lines }
    }

    /// The texts behind code and separator, line by line.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines
            .split(|octet| *octet == b'\n')
            .filter_map(|line| line.strip_suffix(b"\r"))
            .map(|line| std::str::from_utf8(line.get(4..).unwrap_or_default()).unwrap_or_default())
    }

    /// The first line, for logs.
    #[must_use]
    pub(super) fn summary(&self) -> String {
        let line = self.lines.split(|octet| *octet == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned()
    }
}

/// Takes one whole reply from the front of what was received; nothing while it is not complete.
pub(super) fn take_reply(received: &mut Vec<u8>) -> Result<Option<OwnedReply>, GarbledReply> {
    let mut at = 0;
    let mut code = None;
    loop {
        let rest = &received[at..];
        let Some(end) = memchr(b'\n', rest) else {
            return if rest.len() > MAX_LINE {
                Err(GarbledReply::LineTooLong)
            } else if received.len() > MAX_REPLY {
                Err(GarbledReply::ReplyTooLong)
            } else {
                Ok(None)
            };
        };
        if end >= MAX_LINE {
            return Err(GarbledReply::LineTooLong);
        }
        let (this, last) = line(&rest[..=end])?;
        if *code.get_or_insert(this) != this {
            return Err(GarbledReply::MixedCodes);
        }
        at += end + 1;
        if at > MAX_REPLY {
            return Err(GarbledReply::ReplyTooLong);
        }
        if last {
            let lines = received.drain(..at).collect();
            return Ok(Some(OwnedReply { code: this, lines }));
        }
    }
}

/// Code of a line, and whether it is the last.
fn line(line: &[u8]) -> Result<(u16, bool), GarbledReply> {
    let text = line.strip_suffix(b"\r\n").ok_or(GarbledReply::BareControl)?;
    if text.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return Err(GarbledReply::BareControl);
    }
    let (digits, rest) = text.split_at_checked(3).ok_or(GarbledReply::NoCode)?;
    let [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = *digits else {
        return Err(GarbledReply::NoCode);
    };
    let code = [first, second, third].into_iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.first() {
        None | Some(b' ') => Ok((code, true)),
        Some(b'-') => Ok((code, false)),
        Some(_) => Err(GarbledReply::NoCode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &[u8]) -> Result<Option<(u16, usize)>, GarbledReply> {
        let mut received = text.to_vec();
        Ok(take_reply(&mut received)?.map(|reply| (reply.code, received.len())))
    }

    #[test]
    fn whole_replies_and_what_is_left_behind_them() {
        let table: [(&[u8], _); 6] = [
            (b"250 ok\r\n", Some((250, 0))),
            (b"250-a\r\n250-b\r\n250 c\r\n354 go\r\n", Some((250, 8))),
            (b"250\r\n", Some((250, 0))),
            (b"250-a\r\n", None),
            (b"250 o", None),
            (b"", None),
        ];
        for (text, expected) in table {
            assert_eq!(take(text), Ok(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_reply() {
        let table: [(&[u8], _); 8] = [
            (b"hello\r\n", GarbledReply::NoCode),
            (b"199 no\r\n", GarbledReply::NoCode),
            (b"25\r\n", GarbledReply::NoCode),
            (b"250_ok\r\n", GarbledReply::NoCode),
            (b"250 ok\n", GarbledReply::BareControl),
            (b"250 o\rk\r\n", GarbledReply::BareControl),
            (b"250 o\0k\r\n", GarbledReply::BareControl),
            (b"250-a\r\n251 b\r\n", GarbledReply::MixedCodes),
        ];
        for (text, expected) in table {
            assert_eq!(take(text), Err(expected), "{}", text.escape_ascii());
        }
        assert_eq!(take(&[b'2'; MAX_LINE + 1]), Err(GarbledReply::LineTooLong));
        assert_eq!(take(&b"250-again and again\r\n".repeat(4000)), Err(GarbledReply::ReplyTooLong));
    }

    #[test]
    fn the_texts_of_a_reply() {
        let mut received = b"250-mail.example\r\n250-SIZE 1000\r\n250 XCLIENT NAME ADDR\r\n".to_vec();
        let reply = take_reply(&mut received).unwrap().unwrap();
        assert_eq!(reply.texts().collect::<Vec<_>>(), ["mail.example", "SIZE 1000", "XCLIENT NAME ADDR"]);
        assert_eq!(reply.summary(), "250-mail.example");
    }
}
