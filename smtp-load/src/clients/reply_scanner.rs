//! Finds the ends of SMTP replies (RFC 5321 section 4.2) in bytes that come in any pieces. Keeps no text and no
//! buffer, so that a generator with thousands of connections costs little itself.

/// Where in a reply a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyScanner {
    column: u32,
    code: u16,
    not_a_code: bool,
    continues: bool,
}

impl ReplyScanner {
    /// Takes some bytes and calls `reply` with the code of each reply that is complete with them. A line that does
    /// not begin with three digits counts as a reply with the code 0.
    pub fn scan(&mut self, bytes: &[u8], mut reply: impl FnMut(u16)) {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if self.column > 3 {
                // Nothing counts any more but the end of the line.
                match memchr::memchr(b'\n', rest) {
                    Some(end) => rest = &rest[end..],
                    None => return,
                }
                self.end_line(&mut reply);
            } else if byte == b'\n' {
                self.end_line(&mut reply);
            } else {
                self.take_prefix(byte);
            }
            rest = &rest[1..];
        }
    }

    fn take_prefix(&mut self, byte: u8) {
        match (self.column, byte) {
            (0..=2, b'0'..=b'9') => self.code = self.code * 10 + u16::from(byte - b'0'),
            // `250` alone, its CR already here: a whole reply
            (3, b'\r' | b' ') => {}
            (3, b'-') => self.continues = true,
            _ => self.not_a_code = true,
        }
        self.column += 1;
    }

    fn end_line(&mut self, reply: &mut impl FnMut(u16)) {
        let done = std::mem::take(self);
        if done.not_a_code || done.column < 3 {
            reply(0);
        } else if !done.continues {
            reply(done.code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(pieces: &[&[u8]]) -> Vec<u16> {
        let mut scanner = ReplyScanner::default();
        let mut codes = Vec::new();
        for piece in pieces {
            scanner.scan(piece, |code| codes.push(code));
        }
        codes
    }

    #[test]
    fn replies_are_found_wherever_the_bytes_are_cut() {
        let rows: [(&[u8], &[u16]); 7] = [
            (b"220 mail.example ESMTP\r\n", &[220]),
            (b"250-mail.example\r\n250-PIPELINING\r\n250 SIZE\r\n", &[250]),
            (b"250 2.1.0 Ok\r\n550 5.7.1 relaying is prohibited\r\n221 2.0.0 bye\r\n", &[250, 550, 221]),
            (b"250\r\n354\r\n", &[250, 354]),
            (b"250\n", &[250]),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0, 0]),
            (b"25x oh\r\n", &[0]),
        ];
        for (bytes, expected) in rows {
            for cut in 0..=bytes.len() {
                let (a, b) = bytes.split_at(cut);
                assert_eq!(codes(&[a, b]), expected, "{:?} cut at {cut}", String::from_utf8_lossy(bytes));
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(codes(&single), expected);
        }
    }
}
