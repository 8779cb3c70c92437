//! Finds the end of message data, in one reading only (RFC 5321 sections 4.1.1.4 and 4.5.2): CR LF . CR LF, and nothing
//! else. What has no bare CR or LF is passed as it lies, dot-stuffing and all. A bare CR or LF becomes CR LF, and the
//! line that then begins is dot-stuffed anew, so that it can never end a message behind us. Whether a message with bare
//! ones is wanted at all, and how big it may be, is the session's matter.

use super::block::{self, Block};

/// What the begin of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned<'b> {
    /// Message data, as it is to be passed on.
    Pass(&'b [u8]),
    /// Message data that is passed on in place of what was consumed.
    Insert(&'static [u8]),
    /// All input is consumed; the message goes on.
    Read,
    /// The message ended: CR LF . CR LF, of which the first CR LF was passed as data.
    End,
}

/// What stands right before the next octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// CR LF, or nothing at all.
    LineEnd,
    /// A CR LF that we made of a bare CR or LF: the client did not stuff what follows.
    MadeLineEnd,
    /// Some text.
    Text,
    /// A CR that is not passed yet.
    Cr,
    /// CR LF and a dot that is not passed yet.
    Dot,
    /// CR LF, a dot and a CR that are not passed yet.
    DotCr,
}

const CRLF: &[u8] = b"\r\n";
const DOT: &[u8] = b".";
/// As many as the octets of one block can become.
static MADE_LINE_ENDS: [[u8; 2]; block::OCTETS] = [*b"\r\n"; block::OCTETS];

/// The scanner of one message: what it needs to know between two pieces of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataScanner {
    behind: Behind,
    met_bare_newline: bool,
}

impl Default for DataScanner {
    fn default() -> Self {
        Self { behind: Behind::LineEnd, met_bare_newline: false }
    }
}

impl DataScanner {
    /// Whether the message had a bare CR or LF so far.
    #[must_use]
    pub fn met_bare_newline(&self) -> bool {
        self.met_bare_newline
    }

    /// Scans up to the next octet that cannot be passed as it lies. Says how many octets it consumed and what they are;
    /// says `Read` when there are none left.
    pub fn scan<'b>(&mut self, input: &'b [u8]) -> (usize, Scanned<'b>) {
        match self.behind {
            Behind::LineEnd | Behind::MadeLineEnd | Behind::Text => self.scan_lines(input),
            Behind::Cr | Behind::Dot | Behind::DotCr => self.scan_held(input),
        }
    }

    /// Scans where something is held back: what follows says what it was.
    fn scan_held<'b>(&mut self, input: &'b [u8]) -> (usize, Scanned<'b>) {
        let Some(&next) = input.first() else {
            return (0, Scanned::Read);
        };
        match (self.behind, next) {
            (Behind::DotCr, b'\n') => {
                self.behind = Behind::LineEnd;
                (1, Scanned::End)
            }
            (Behind::Cr, b'\n') => self.insert(1, CRLF, Behind::LineEnd),
            (Behind::Dot, b'\r') => self.hold(Behind::DotCr, input),
            // A dot that begins a line with more on it was put there to be taken away (RFC 5321 section 4.5.2). What is
            // left of the line is a bare CR or LF: with its dot it would be the end of the message for some.
            (Behind::Dot, b'\n') => self.make_line_end(1),
            (Behind::Dot, _) => self.insert(0, DOT, Behind::Text),
            _ => self.make_line_end(0),
        }
    }

    /// Scans where nothing is held back: as far as the octets can be passed as they lie.
    fn scan_lines<'b>(&mut self, input: &'b [u8]) -> (usize, Scanned<'b>) {
        let Some(&first) = input.first() else {
            return (0, Scanned::Read);
        };
        if self.behind == Behind::MadeLineEnd && first == b'.' {
            return self.insert(0, DOT, Behind::Text);
        }
        let passable = passable(input, self.behind == Behind::LineEnd);
        if passable > 0 {
            let passed = &input[..passable];
            self.behind = if passed.ends_with(CRLF) { Behind::LineEnd } else { Behind::Text };
            return (passable, Scanned::Pass(passed));
        }
        match input {
            [b'.', ..] => self.hold(Behind::Dot, input),
            b"\r" => self.hold(Behind::Cr, input),
            _ => self.make_line_ends(input),
        }
    }

    /// What stands at the begin is a bare CR or LF, or several: all that are made line ends alike are done at once, or each
    /// octet of a message of them would cost as much as a line.
    fn make_line_ends<'b>(&mut self, input: &'b [u8]) -> (usize, Scanned<'b>) {
        let Block { crs, lfs, .. } = Block::at_begin(input);
        // the last of several CRs may have its LF
        let bare = lfs.trailing_ones().max((crs & crs >> 1).trailing_ones()).max(1) as usize;
        self.make_line_end(bare);
        (bare, Scanned::Insert(MADE_LINE_ENDS[..bare].as_flattened()))
    }

    /// Holds back the first octet, and goes on behind it.
    fn hold<'b>(&mut self, behind: Behind, input: &'b [u8]) -> (usize, Scanned<'b>) {
        self.behind = behind;
        let (consumed, scanned) = self.scan_held(&input[1..]);
        (consumed + 1, scanned)
    }

    fn insert<'b>(&mut self, consumed: usize, octets: &'static [u8], behind: Behind) -> (usize, Scanned<'b>) {
        self.behind = behind;
        (consumed, Scanned::Insert(octets))
    }

    /// What was held back, or is consumed, is a bare CR or LF.
    fn make_line_end<'b>(&mut self, consumed: usize) -> (usize, Scanned<'b>) {
        self.met_bare_newline = true;
        self.insert(consumed, CRLF, Behind::MadeLineEnd)
    }
}

/// How many octets can be passed as they lie, up to a bare CR or LF, a CR whose next octet is not here yet, and a dot that
/// may be alone on its line. `line_begins`: the first octet begins a line that the client began.
fn passable(input: &[u8], mut line_begins: bool) -> usize {
    let mut behind_cr = false;
    for at in (0..input.len()).step_by(block::OCTETS) {
        let rest = &input[at..];
        let Block { crs, lfs, dots } = Block::at_begin(rest);
        let behind_crs = crs << 1 | u64::from(behind_cr);
        if behind_cr && lfs & 1 == 0 {
            // the CR that ended the last block
            return at - 1;
        }
        let line_ends = lfs & behind_crs;
        let first_dots = dots & (line_ends << 1 | u64::from(line_begins));
        // The last octet's next is in another block or not here yet: no newline could be seen of it.
        let last = 1 << (rest.len().min(block::OCTETS) - 1);
        let ends_next = !matches!(rest.get(block::OCTETS), Some(next) if !matches!(next, b'\r' | b'\n'));
        let before_newlines = (crs | lfs) >> 1 | if ends_next { last } else { 0 };
        let not_passable = (lfs & !behind_crs) | (behind_crs & !lfs) >> 1 | (first_dots & before_newlines);
        if not_passable != 0 {
            return at + not_passable.trailing_zeros() as usize;
        }
        behind_cr = crs >> (block::OCTETS - 1) != 0;
        line_begins = line_ends >> (block::OCTETS - 1) != 0;
    }
    input.len() - usize::from(behind_cr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a message became: the octets that were passed, how many were consumed, whether it ended.
    #[derive(Debug, PartialEq, Eq)]
    struct Became {
        passed: Vec<u8>,
        consumed: usize,
        ended: bool,
        met_bare_newline: bool,
    }

    /// Scans a message that arrives in pieces.
    fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Became {
        let mut scanner = DataScanner::default();
        let mut became = Became { passed: Vec::new(), consumed: 0, ended: false, met_bare_newline: false };
        'pieces: for piece in pieces {
            let mut rest = piece;
            loop {
                let (consumed, scanned) = scanner.scan(rest);
                rest = &rest[consumed..];
                became.consumed += consumed;
                match scanned {
                    Scanned::Pass(octets) => {
                        assert!(consumed == octets.len() && consumed > 0);
                        became.passed.extend_from_slice(octets);
                    }
                    Scanned::Insert(octets) => became.passed.extend_from_slice(octets),
                    Scanned::Read => {
                        assert!(rest.is_empty(), "only an empty rest needs more");
                        break;
                    }
                    Scanned::End => {
                        became.ended = true;
                        break 'pieces;
                    }
                }
            }
        }
        became.met_bare_newline = scanner.met_bare_newline();
        became
    }

    /// The content of what was sent, read the plain way: lines end at CR LF, a line that is a dot alone is the end, a
    /// leading dot is taken away, what a line still has of CR and LF breaks it too. Says where the end was, if it came.
    fn naive(sent: &[u8]) -> (Vec<Vec<u8>>, Option<usize>) {
        let mut content = Vec::new();
        let mut begin = 0;
        while let Some(len) = sent[begin..].windows(2).position(|pair| pair == CRLF) {
            let line = &sent[begin..begin + len];
            begin += len + 2;
            if line == DOT {
                return (content, Some(begin));
            }
            let line = line.strip_prefix(DOT).unwrap_or(line);
            content.extend(line.split(|b| matches!(b, b'\r' | b'\n')).map(<[u8]>::to_vec));
        }
        (content, None)
    }

    /// The same octets whole, one by one, and cut in two at every position.
    fn check(sent: &[u8]) -> Became {
        let whole = scan([sent]);
        assert_eq!(scan(sent.chunks(1)).passed_and_end(), whole.passed_and_end(), "{}", sent.escape_ascii());
        for cut in 0..=sent.len() {
            let (first, second) = sent.split_at(cut);
            let cut = scan([first, second]);
            assert_eq!(cut.passed_and_end(), whole.passed_and_end(), "{}", sent.escape_ascii());
        }
        whole
    }

    impl Became {
        fn passed_and_end(&self) -> (&[u8], usize, bool, bool) {
            (&self.passed, self.consumed, self.ended, self.met_bare_newline)
        }
    }

    #[test]
    fn what_is_regular_is_passed_as_it_lies() {
        let sent = b"Subject: x\r\n\r\n..stuffed\r\n.odd\r\nlast\r\n.\r\nNOOP\r\n";
        let became = check(sent);
        assert_eq!(became.passed, b"Subject: x\r\n\r\n..stuffed\r\n.odd\r\nlast\r\n");
        assert!(became.ended && !became.met_bare_newline);
        assert_eq!(&sent[became.consumed..], b"NOOP\r\n");
        let mut scanner = DataScanner::default();
        assert_eq!(scanner.scan(sent).0, became.passed.len(), "in one piece");
    }

    #[test]
    fn the_dot_may_be_the_first_line() {
        let became = check(b".\r\n");
        assert_eq!((became.passed.as_slice(), became.ended), (&b""[..], true));
    }

    /// What is sent, and what is passed on. None of these ends a message.
    #[test]
    fn smuggled_ends_end_nothing_and_are_not_passed_on() {
        let table: &[(&[u8], &[u8])] = &[
            (b"a\n.\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\r\n.\nb\r\n", b"a\r\n\r\nb\r\n"),
            (b"a\r.\rb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\r.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\r\n.\rb\r\n", b"a\r\n\r\nb\r\n"),
            (b"a\r\n.\r\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n"),
            (b"a\r\r.\r\nb\r\n", b"a\r\n\r\n..\r\nb\r\n"),
            (b"a\n\r.\r\nb\r\n", b"a\r\n\r\n..\r\nb\r\n"),
            (b"a\n\n.\r\nb\r\n", b"a\r\n\r\n..\r\nb\r\n"),
            (b"a\r\n.\n\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n"),
            (b"a\r\n.\0\r\nb\r\n", b"a\r\n.\0\r\nb\r\n"),
            (b"a\r\0\n.\r\nb\r\n", b"a\r\n\0\r\n..\r\nb\r\n"),
            (b"a\r\n..\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\r\n. \r\nb\r\n", b"a\r\n. \r\nb\r\n"),
            (b"\n.\r\nb\r\n", b"\r\n..\r\nb\r\n"),
            (b".\nb\r\n", b"\r\nb\r\n"),
            (b".\rb\r\n", b"\r\nb\r\n"),
        ];
        for (sent, passed) in table {
            let became = check(sent);
            assert!(!became.ended, "{}", sent.escape_ascii());
            assert_eq!(
                became.passed.escape_ascii().to_string(),
                passed.escape_ascii().to_string(),
                "{}",
                sent.escape_ascii()
            );
        }
    }

    #[test]
    fn a_bare_cr_before_the_true_end_hides_nothing() {
        let became = check(b"a\r\r\n.\r\nNOOP\r\n");
        assert_eq!((became.passed.as_slice(), became.ended), (&b"a\r\n\r\n"[..], true));
        assert!(became.met_bare_newline);
    }

    /// Octets that matter, at the begin of a message or where two blocks meet.
    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![4 => Just(b'\r'), 4 => Just(b'\n'), 4 => Just(b'.'), 2 => Just(b'a'), 1 => any::<u8>()];
        let text = prop_oneof![Just(0), block::OCTETS - 20..=block::OCTETS];
        (text, proptest::collection::vec(octet, 0..50))
            .prop_map(|(text, octets)| [vec![b'a'; text], octets].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(800))]

        #[test]
        fn it_agrees_with_its_naive_twin_at_every_cut(mut sent in octets(), ends: bool) {
            if ends {
                sent.extend_from_slice(b"\r\n.\r\n");
            }
            let became = check(&sent);
            let (content, end) = naive(&sent);
            prop_assert_eq!(became.ended.then_some(became.consumed), end);
            if !became.ended {
                return Ok(());
            }
            // what the backend reads when the driver ends the message
            let mut passed = became.passed;
            passed.extend_from_slice(b".\r\n");
            let (read, end) = naive(&passed);
            prop_assert_eq!(end, Some(passed.len()), "the end that we send is the only one");
            if !became.met_bare_newline {
                prop_assert_eq!(&passed[..], &sent[..became.consumed], "untouched");
            }
            prop_assert_eq!(read, content);
        }

        #[test]
        fn no_bare_newline_and_no_end_is_ever_passed(sent in octets()) {
            let passed = check(&sent).passed;
            let plain: Vec<u8> = String::from_utf8_lossy(&passed).replace("\r\n", "").into_bytes();
            prop_assert!(!plain.contains(&b'\r') && !plain.contains(&b'\n'));
            prop_assert!(!passed.windows(5).any(|window| window == b"\r\n.\r\n") && !passed.starts_with(b".\r\n"));
        }
    }
}
