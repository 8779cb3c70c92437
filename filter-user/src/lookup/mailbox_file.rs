//! A directory from a file: one address or local-part a line, `@domain` for all of a domain, `#` for comments. Read
//! once and then in memory; who reads it again, and when, is not decided here.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::mailbox_line::{MAX_LOCAL_PART, MailboxLine};
use crate::address::disguise::unquoted;
use crate::address::{Domain, Mailbox};
use crate::policy::{DirectoryAnswer, DomainSet};

/// The longest line, in octets: an address of the longest kind, and a comment.
const MAX_LINE: usize = 1024;

/// Why a mailbox file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum MailboxFileError {
    /// The file as a whole.
    #[error(
        "mailbox file {}: cannot be read: {source}; check the path, and that relaygate's user may read it",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// At a reload: nothing is in the file any more.
    #[error(
        "mailbox file {}: has no entries any more, which would refuse every recipient; if that is meant, restart",
        path.display()
    )]
    Emptied {
        /// The file.
        path: PathBuf,
    },
    /// A line, maybe of something that is not text.
    #[error("mailbox file {}, line {line}: longer than {MAX_LINE} octets; shorten it", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// A line in another encoding.
    #[error("mailbox file {}, line {line}: `{text}` is not UTF-8; save the file as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The line's beginning, escaped.
        text: String,
    },
    /// A line that has none of the forms.
    #[error("mailbox file {}, line {line}: `{text}`: {wrong}; correct the line or put # before it", path.display())]
    NotAMailbox {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The line's beginning, escaped.
        text: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// A mailbox that can never be asked for.
    #[error(
        "mailbox file {}, line {line}: `{text}` is not of a local domain; remove the line, or give its domain with \
         --local-domain",
        path.display()
    )]
    NotLocal {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The line's beginning, escaped.
        text: String,
    },
}

/// The mailboxes of a file, in memory.
#[derive(Debug)]
pub struct MailboxFile {
    domains: DomainSet,
    case_sensitive: bool,
    /// Which domains, by their number, are taken whole.
    whole: Vec<bool>,
    /// See [`Key`].
    mailboxes: HashSet<Box<[u8]>>,
}

impl MailboxFile {
    /// Reads a file. A line without `@` is that local-part in every one of `local_domains`. An empty file is allowed:
    /// then nobody is known.
    pub fn load(
        path: &Path,
        local_domains: &[String],
        case_sensitive: bool,
    ) -> Result<Self, MailboxFileError> {
        let unreadable = |source| MailboxFileError::Unreadable { path: path.to_owned(), source };
        // Opening a pipe would wait for its other end, and there would be nothing to read again.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
        let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut read = Self::new(local_domains, case_sensitive);
        let mut octets = Vec::with_capacity(MAX_LINE);
        for line in 1.. {
            octets.clear();
            let limit = (MAX_LINE + 1) as u64;
            if reader.by_ref().take(limit).read_until(b'\n', &mut octets).map_err(unreadable)? == 0 {
                break;
            }
            read.add_line(path, line, &octets)?;
        }
        Ok(read)
    }

    fn new(local_domains: &[String], case_sensitive: bool) -> Self {
        let domains = DomainSet::new(local_domains);
        let whole = vec![false; domains.len()];
        Self { domains, case_sensitive, whole, mailboxes: HashSet::new() }
    }

    fn add_line(&mut self, path: &Path, line: usize, octets: &[u8]) -> Result<(), MailboxFileError> {
        let path = || path.to_owned();
        let text = || excerpt(octets);
        if octets.len() > MAX_LINE {
            return Err(MailboxFileError::LineTooLong { path: path(), line });
        }
        let Ok(content) = std::str::from_utf8(octets) else {
            return Err(MailboxFileError::NotUtf8 { path: path(), line, text: text() });
        };
        // Some editors begin a file with a byte order mark.
        let content = if line == 1 { content.trim_start_matches('\u{feff}') } else { content };
        let not_a_mailbox = |wrong| MailboxFileError::NotAMailbox { path: path(), line, text: text(), wrong };
        let number = |domain| {
            let number = self.domains.index_of(domain);
            number.ok_or_else(|| MailboxFileError::NotLocal { path: path(), line, text: text() })
        };
        let (local_part, number) = match MailboxLine::parse(content).map_err(not_a_mailbox)? {
            MailboxLine::Blank => return Ok(()),
            MailboxLine::WholeDomain(domain) => {
                let number = number(domain)?;
                self.whole[number] = true;
                return Ok(());
            }
            MailboxLine::LocalPart(local_part) => (local_part, None),
            MailboxLine::Mailbox { local_part, domain } => (local_part, Some(number(domain)?)),
        };
        let mut key = Key::new(local_part, self.case_sensitive)
            .ok_or_else(|| not_a_mailbox("the local-part becomes too long in lower case"))?;
        self.mailboxes.insert(key.of(number).into());
        Ok(())
    }

    /// Whether the file holds exactly this mailbox, or all of its domain. Allocates nothing for an ASCII mailbox.
    #[must_use]
    pub fn answer(&self, mailbox: &Mailbox<'_>) -> DirectoryAnswer {
        let Domain::Name(domain) = mailbox.domain else { return DirectoryAnswer::Unknown };
        let Some(number) = self.domains.index_of(domain) else { return DirectoryAnswer::Unknown };
        // What has no key is longer than anything that the file can hold.
        let known = Key::new(mailbox.local_part, self.case_sensitive).is_some_and(|mut key| {
            self.mailboxes.contains(key.of(Some(number))) || self.mailboxes.contains(key.of(None))
        });
        match (known, self.whole[number]) {
            (true, _) => DirectoryAnswer::Known,
            (false, true) => DirectoryAnswer::WholeDomain,
            (false, false) => DirectoryAnswer::Unknown,
        }
    }

    /// How many entries it has, whole domains included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mailboxes.len() + self.whole.iter().filter(|&&whole| whole).count()
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a mailbox is kept under: the number of its domain in four octets, then the local-part without quotes and, as
/// configured, in lower case. Code points are compared as they are, without Unicode normalisation.
struct Key {
    octets: [u8; Self::PREFIX + Self::MAX_FOLDED],
    end: usize,
}

impl Key {
    const PREFIX: usize = size_of::<u32>();
    /// Lower case can be longer: two octets can become three.
    const MAX_FOLDED: usize = 2 * MAX_LOCAL_PART;

    fn new(local_part: &str, case_sensitive: bool) -> Option<Self> {
        let mut key = Self { octets: [0; Self::PREFIX + Self::MAX_FOLDED], end: Self::PREFIX };
        for character in unquoted(local_part) {
            if case_sensitive {
                key.push(character)?;
            } else if character.is_ascii() {
                key.push(character.to_ascii_lowercase())?;
            } else {
                character.to_lowercase().try_for_each(|lower| key.push(lower))?;
            }
        }
        Some(key)
    }

    fn push(&mut self, character: char) -> Option<()> {
        let room = self.octets.get_mut(self.end..self.end + character.len_utf8())?;
        character.encode_utf8(room);
        self.end += character.len_utf8();
        Some(())
    }

    /// The octets, for the domain of this number or for every domain.
    fn of(&mut self, domain: Option<usize>) -> &[u8] {
        let number = domain.and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX);
        self.octets[..Self::PREFIX].copy_from_slice(&number.to_be_bytes());
        &self.octets[..self.end]
    }
}

/// A line's beginning, fit for a log.
fn excerpt(octets: &[u8]) -> String {
    const SHOWN: usize = 60;
    let octets = octets.trim_ascii();
    let (shown, more) = octets.get(..SHOWN).map_or((octets, ""), |shown| (shown, "…"));
    let mut text: String = String::from_utf8_lossy(shown).chars().flat_map(char::escape_debug).collect();
    text.push_str(more);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use DirectoryAnswer::{Known, Unknown, WholeDomain};

    const DOMAINS: [&str; 3] = ["example.org", "bücher.example", "all.example"];

    fn load(content: &[u8], case_sensitive: bool) -> Result<MailboxFile, MailboxFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailboxes");
        std::fs::write(&path, content).unwrap();
        MailboxFile::load(&path, &DOMAINS.map(str::to_owned), case_sensitive)
    }

    fn answer(file: &MailboxFile, text: &str) -> DirectoryAnswer {
        let (local_part, domain) = text.rsplit_once('@').unwrap();
        file.answer(&Mailbox { local_part, domain: Domain::Name(domain), text })
    }

    #[test]
    fn a_file_answers_for_what_it_holds() {
        let content = "\u{feff}# who is here\r\n\r\nUser\r\nfirst.last@Example.ORG # here only\n\n@all.example\n\
                       \"john doe\"\n\"plain\"@example.org\nsales%emea@all.example\nÜNI@bücher.example";
        let file = load(content.as_bytes(), false).unwrap();
        assert_eq!(file.len(), 7);
        for (mailbox, said) in [
            ("user@example.org", Known),
            ("USER@xn--bcher-kva.example", Known),
            ("\"user\"@example.org", Known),
            (r#""u\ser"@EXAMPLE.org"#, Known),
            ("first.last@example.org", Known),
            ("first.last@bücher.example", Unknown),
            ("\"john doe\"@example.org", Known),
            (r#""John\ Doe"@example.org"#, Known),
            ("plain@example.org", Known),
            ("üni@BÜCHER.example", Known),
            ("uni@bücher.example", Unknown),
            ("anyone@all.example", WholeDomain),
            ("user@all.example", Known),
            ("sales%emea@all.example", Known),
            ("sales%apac@all.example", WholeDomain),
            ("sales%emea@example.org", Unknown),
            ("nobody@example.org", Unknown),
            ("@example.org", Unknown),
            ("user@far.example", Unknown),
        ] {
            assert_eq!(answer(&file, mailbox), said, "{mailbox}");
        }
        let long = format!("{}@all.example", "a".repeat(1000));
        assert_eq!(answer(&file, &long), WholeDomain);
    }

    #[test]
    fn case_counts_where_it_was_configured() {
        let file = load(b"User\n", true).unwrap();
        assert_eq!(answer(&file, "User@EXAMPLE.org"), Known);
        assert_eq!(answer(&file, "user@example.org"), Unknown);
    }

    #[test]
    fn an_empty_file_knows_nobody() {
        let file = load(b"", false).unwrap();
        assert!(file.is_empty());
        assert_eq!(answer(&file, "user@example.org"), Unknown);
    }

    #[test]
    fn an_address_literal_is_in_no_file() {
        let file = load(b"user\n", false).unwrap();
        let literal = Domain::Literal("192.0.2.1".parse().unwrap());
        let mailbox = Mailbox { local_part: "user", domain: literal, text: "user@[192.0.2.1]" };
        assert_eq!(file.answer(&mailbox), Unknown);
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_wrong() {
        let long = "x".repeat(MAX_LINE + 1);
        let table: [(&[u8], &str); 6] = [
            (b"user\ntwo words\n", "line 2: `two words`: the local-part is not valid"),
            (b"user@far.example", "line 1: `user@far.example` is not of a local domain; remove the line"),
            (b"\n\n@far.example", "line 3: `@far.example` is not of a local domain"),
            (b"a\nb\xff\x1bc\n", "line 2: `b\u{fffd}\\u{1b}c` is not UTF-8"),
            (b"a\0b\n", r"line 1: `a\0b`: the local-part is not valid"),
            (long.as_bytes(), "line 1: longer than 1024 octets"),
        ];
        for (content, message) in table {
            let error = load(content, false).unwrap_err().to_string();
            assert!(error.contains("mailboxes, ") && error.contains(message), "{error}");
            assert!(error.len() < 400, "{error}");
        }
    }

    #[test]
    fn what_is_no_file_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("absent"), folder.path().to_owned()] {
            let error = MailboxFile::load(&path, &[], false).unwrap_err().to_string();
            assert!(
                error.contains(&path.display().to_string()) && error.contains("cannot be read"),
                "{error}"
            );
        }
    }
}
