//! The end of message data: CR LF . CR LF and nothing else (RFC 5321 section 4.1.1.4), in octets that come in any
//! pieces. Changes no octet.

/// The last octets that were seen; the line end of the DATA command counts as the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataEnd {
    tail: [u8; 4],
}

impl Default for DataEnd {
    fn default() -> Self {
        Self { tail: *b"\0\0\r\n" }
    }
}

impl DataEnd {
    /// Takes some octets; says how many of them belong to the message and its terminator, if that is among them.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for newline in memchr::memchr_iter(b'\n', bytes) {
            if self.before(bytes, newline) == *b"\r\n.\r" {
                return Some(newline + 1);
            }
        }
        self.tail = self.before(bytes, bytes.len());
        None
    }

    /// The four octets before `end`.
    fn before(&self, bytes: &[u8], end: usize) -> [u8; 4] {
        let mut four = [0; 4];
        for (back, slot) in (1..=4).zip(four.iter_mut().rev()) {
            *slot = if back <= end { bytes[end - back] } else { self.tail[4 + end - back] };
        }
        four
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_dot_crlf_ends_a_message_wherever_it_is_cut() {
        let rows: [(&[u8], Option<usize>); 9] = [
            (b".\r\nQUIT\r\n", Some(3)),
            (b"text\r\n.\r\nMAIL", Some(9)),
            (b"a\r\n..\r\n.\r\n", Some(10)),
            (b"a\n.\n", None),
            (b"a\r\n.\n", None),
            (b"a\n.\r\n", None),
            (b"a\r.\r\n", None),
            (b"a\r\n.", None),
            (b"\r\n\r\n.\r\n", Some(7)),
        ];
        for (bytes, expected) in rows {
            for cut in 0..=bytes.len() {
                let mut end = DataEnd::default();
                let found = end.find(&bytes[..cut]).or_else(|| end.find(&bytes[cut..]).map(|at| cut + at));
                assert_eq!(found, expected, "{:?} cut at {cut}", String::from_utf8_lossy(bytes));
            }
            let mut end = DataEnd::default();
            let found = bytes.iter().position(|&byte| end.find(&[byte]).is_some()).map(|at| at + 1);
            assert_eq!(found, expected, "{:?} octet by octet", String::from_utf8_lossy(bytes));
        }
    }
}
