//! What other protocols say to a port that they mistake, or make a browser mistake, for theirs. Lists only what no SMTP
//! client would say.

/// First words of a line: HTTP's verbs, and the PROXY header of who is no load balancer of ours.
const WORDS: [&str; 11] =
    ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI", "PROXY"];

/// First octets of a line: a TLS handshake record, SSH's version.
const BEGINS: [&[u8]; 2] = [&[0x16, 0x03], b"SSH-"];

/// Whether the input begins as another protocol does that may never send an end of line.
#[must_use]
pub fn begins(input: &[u8]) -> bool {
    BEGINS.iter().any(|begin| input.starts_with(begin))
}

/// Whether a line, whole or the begin of one, is another protocol's.
#[must_use]
pub fn is_line(line: &[u8]) -> bool {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    begins(line) || WORDS.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(&line[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::order::COMMANDS;

    #[test]
    fn other_protocols_are_known_by_their_first_word() {
        for line in [
            "GET / HTTP/1.1",
            "POST /x HTTP/1.0",
            "PRI * HTTP/2.0",
            "CONNECT mx:25 HTTP/1.1",
            "PROXY TCP4 192.0.2.9 192.0.2.1 9 25",
            "SSH-2.0-x",
        ] {
            assert!(is_line(line.as_bytes()), "{line}");
        }
        assert!(begins(b"\x16\x03\x01\x02\x00"));
        assert!(!begins(b"\x16"));
        for line in ["", "GETTER", "EHLO GET", " GET"] {
            assert!(!is_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn no_command_of_ours_is_among_them() {
        for row in COMMANDS {
            assert!(!is_line(row.name.as_bytes()), "{}", row.name);
        }
    }
}
