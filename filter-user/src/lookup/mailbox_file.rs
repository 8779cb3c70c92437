//! A directory from a file: one address or local-part a line, `@domain` for all of a domain, `#` for comments. Read
//! once and then in memory; who reads it again, and when, is not decided here.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use memchr::memchr_iter;

use super::key::Key;
use super::mailbox_error::MailboxFileError;
use super::mailbox_line::MailboxLine;
use super::mailbox_table::MailboxTable;
use crate::policy::domain_set::canonical;
use crate::policy::{DirectoryAnswer, DomainSet, RoutingTable};

/// The longest line, in octets: an address of the longest kind, and a comment.
pub(super) const MAX_LINE: usize = 1024;
/// Octets of memory that are taken before a line is read.
const MOST_ROOM: usize = 64 << 20;

/// How a file is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// What says which domains are ours: an address of another one is a mistake.
    pub(super) local: Arc<RoutingTable>,
    /// Local-parts differ by case.
    pub(super) case_sensitive: bool,
    /// Whether something stands behind each address: what it is an alias for, as in Postfix's tables and in `aliases(5)`.
    pub(super) aliases: bool,
}

/// The mailboxes of a file, in memory.
#[derive(Debug)]
pub(super) struct MailboxFile {
    case_sensitive: bool,
    /// The domains that stand in the file.
    domains: DomainSet,
    /// What is known of each, by its place in the set.
    of_domains: Vec<OfDomain>,
    mailboxes: MailboxTable,
}

/// What a file says of a domain.
#[derive(Clone, Copy, Debug)]
struct OfDomain {
    /// What its mailboxes have in their keys.
    number: u32,
    /// It is taken whole.
    whole: bool,
}

impl MailboxFile {
    /// Reads a file. A line without `@` is that local-part in every domain that the file is asked about. An empty file is
    /// allowed: then nobody is known.
    pub(super) fn load(path: &Path, reading: &Reading) -> Result<Self, MailboxFileError> {
        let unreadable = |source| MailboxFileError::Unreadable { path: path.to_owned(), source };
        // Opening a pipe would wait for its other end, and there would be nothing to read again.
        let found = std::fs::metadata(path).map_err(unreadable)?;
        if !found.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
        // A table that grows makes itself anew each time. A key is hardly ever longer than its line, and what is left over
        // is given back; but a file may be one hole.
        let keys =
            lines(&mut reader).and_then(|lines| reader.rewind().map(|()| lines)).map_err(unreadable)?;
        let room = usize::try_from(found.len()).map_or(MOST_ROOM, |octets| octets.min(MOST_ROOM));
        let mailboxes = MailboxTable::with_room_for(keys, room);
        let mut loading = Loading { path, reading, domains: Domains::default(), mailboxes };
        let mut octets = Vec::with_capacity(MAX_LINE);
        for line in 1.. {
            octets.clear();
            let limit = (MAX_LINE + 1) as u64;
            if reader.by_ref().take(limit).read_until(b'\n', &mut octets).map_err(unreadable)? == 0 {
                break;
            }
            loading.add_line(line, &octets)?;
        }
        Ok(loading.finish())
    }

    /// Whether the file holds exactly this mailbox, or the one that it is an extension of, or all of its domain. Allocates
    /// nothing for a domain in ASCII.
    pub(super) fn answer(&self, local_part: &str, domain: &str, delimiters: &str) -> DirectoryAnswer {
        let of_domain = self.domains.index_of(domain).and_then(|place| self.of_domains.get(place));
        // What has no key is longer than anything that the file can hold.
        if let Some(key) = Key::new(local_part, self.case_sensitive) {
            let number = of_domain.map(|of_domain| of_domain.number);
            if self.holds(number, key) {
                return DirectoryAnswer::Known;
            }
            if !delimiters.is_empty() && key.base(delimiters).is_some_and(|base| self.holds(number, base)) {
                return DirectoryAnswer::Extension;
            }
        }
        match of_domain {
            Some(OfDomain { whole: true, .. }) => DirectoryAnswer::WholeDomain,
            Some(OfDomain { whole: false, .. }) | None => DirectoryAnswer::Unknown,
        }
    }

    fn holds(&self, domain: Option<u32>, mut key: Key) -> bool {
        domain.is_some_and(|number| self.mailboxes.contains(key.of(Some(number))))
            || self.mailboxes.contains(key.of(None))
    }

    /// How many entries it has, whole domains included.
    pub(super) fn len(&self) -> usize {
        self.mailboxes.len() + self.of_domains.iter().filter(|of_domain| of_domain.whole).count()
    }
}

/// The domains of a file that is being read, as A-labels in lower case.
type Domains = HashMap<String, OfDomain, RandomState>;

/// A file that is being read.
struct Loading<'f> {
    path: &'f Path,
    reading: &'f Reading,
    domains: Domains,
    mailboxes: MailboxTable,
}

impl Loading<'_> {
    fn add_line(&mut self, line: usize, octets: &[u8]) -> Result<(), MailboxFileError> {
        let path = || self.path.to_owned();
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
        let parse = if self.reading.aliases { MailboxLine::parse_alias } else { MailboxLine::parse };
        let (local_part, domain) = match parse(content).map_err(not_a_mailbox)? {
            MailboxLine::Blank => return Ok(()),
            MailboxLine::WholeDomain(domain) => ("", Some(domain)),
            MailboxLine::LocalPart(local_part) => (local_part, None),
            MailboxLine::Mailbox { local_part, domain } => (local_part, Some(domain)),
        };
        let mut number = None;
        if let Some(domain) = domain {
            let of_domain = of_domain(&mut self.domains, domain, &self.reading.local)
                .ok_or_else(|| MailboxFileError::NotLocal { path: path(), line, text: text() })?;
            if local_part.is_empty() {
                of_domain.whole = true;
                return Ok(());
            }
            number = Some(of_domain.number);
        }
        let mut key = Key::new(local_part, self.reading.case_sensitive)
            .ok_or_else(|| not_a_mailbox("the local-part becomes too long in lower case"))?;
        self.mailboxes.insert(key.of(number)).map_err(|_full| MailboxFileError::TooBig { path: path() })
    }

    fn finish(mut self) -> MailboxFile {
        self.mailboxes.shrink();
        let names: Vec<&str> = self.domains.keys().map(String::as_str).collect();
        let domains = DomainSet::new(&names);
        let mut placed: Vec<(Option<usize>, OfDomain)> =
            self.domains.iter().map(|(name, of_domain)| (domains.index_of(name), *of_domain)).collect();
        placed.sort_unstable_by_key(|(place, _)| *place);
        MailboxFile {
            case_sensitive: self.reading.case_sensitive,
            of_domains: placed.into_iter().map(|(_, of_domain)| of_domain).collect(),
            domains,
            mailboxes: self.mailboxes,
        }
    }
}

/// How many lines there are from here on.
fn lines(reader: &mut impl BufRead) -> io::Result<usize> {
    let mut lines = 1;
    loop {
        let octets = reader.fill_buf()?;
        if octets.is_empty() {
            return Ok(lines);
        }
        lines += memchr_iter(b'\n', octets).count();
        let read = octets.len();
        reader.consume(read);
    }
}

/// What is known of a domain, which is new where it has not been seen; nothing where it is not local.
fn of_domain<'d>(domains: &'d mut Domains, domain: &str, local: &RoutingTable) -> Option<&'d mut OfDomain> {
    let number = u32::try_from(domains.len()).unwrap_or(u32::MAX);
    let name = canonical(domain)?;
    match domains.entry_ref(&*name) {
        EntryRef::Occupied(known) => Some(known.into_mut()),
        EntryRef::Vacant(new) => local.is_ours(&name).then(|| new.insert(OfDomain { number, whole: false })),
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
    use crate::policy::{BackendId, Route, RoutedTo, SentTo};
    use DirectoryAnswer::{Extension, Known, Unknown, WholeDomain};

    const DOMAINS: [&str; 3] = ["example.org", "bücher.example", "all.example"];

    fn reading() -> Reading {
        let row = Route {
            sent_to: SentTo::AndBelow("branch.example".to_owned()),
            routed_to: RoutedTo::Inbound(BackendId(1)),
        };
        Reading {
            local: Arc::new(RoutingTable::new(&DOMAINS.map(str::to_owned), &[row])),
            case_sensitive: false,
            aliases: false,
        }
    }

    fn load_as(content: &[u8], reading: Reading) -> Result<MailboxFile, MailboxFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailboxes");
        std::fs::write(&path, content).unwrap();
        MailboxFile::load(&path, &reading)
    }

    fn load(content: &[u8]) -> Result<MailboxFile, MailboxFileError> {
        load_as(content, reading())
    }

    fn answer(file: &MailboxFile, text: &str) -> DirectoryAnswer {
        let (local_part, domain) = text.rsplit_once('@').unwrap();
        file.answer(local_part, domain, "+")
    }

    #[test]
    fn a_file_answers_for_what_it_holds() {
        let content = "\u{feff}# who is here\r\n\r\nUser\r\nfirst.last@Example.ORG # here only\n\n@all.example\n\
                       \"john doe\"\n\"plain\"@example.org\nsales%emea@all.example\nÜNI@bücher.example\n\
                       here@a.branch.example";
        let file = load(content.as_bytes()).unwrap();
        assert_eq!(file.len(), 8);
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
            ("here@A.branch.example", Known),
            ("here@b.branch.example", Unknown),
            ("user@elsewhere.example", Known),
            ("first.last@elsewhere.example", Unknown),
            ("sales%emea@all.example", Known),
            ("sales%apac@all.example", WholeDomain),
            ("sales%emea@example.org", Unknown),
            ("nobody@example.org", Unknown),
            ("@example.org", Unknown),
            ("user+tag@example.org", Extension),
            ("\"user+two words\"@example.org", Extension),
            ("nobody+tag@example.org", Unknown),
            ("nobody+tag@all.example", WholeDomain),
        ] {
            assert_eq!(answer(&file, mailbox), said, "{mailbox}");
        }
        let long = format!("{}@all.example", "a".repeat(1000));
        assert_eq!(answer(&file, &long), WholeDomain);
    }

    #[test]
    fn case_counts_where_it_was_configured() {
        let file = load_as(b"User\n", Reading { case_sensitive: true, ..reading() }).unwrap();
        assert_eq!(answer(&file, "User@EXAMPLE.org"), Known);
        assert_eq!(answer(&file, "user@example.org"), Unknown);
    }

    #[test]
    fn an_empty_file_knows_nobody() {
        let file = load(b"").unwrap();
        assert_eq!((file.len(), answer(&file, "user@example.org")), (0, Unknown));
    }

    #[test]
    fn what_an_alias_stands_for_is_not_read() {
        let content = "# Postfix's virtual(5)\ninfo@example.org  user@far.example,\n   other@far.example\n\
                       @all.example all@far.example\n# aliases(5)\nroot: admin\nlist: :include:/a/file\n\
                       \"john doe\": john\nalone\n";
        let file = load_as(content.as_bytes(), Reading { aliases: true, ..reading() }).unwrap();
        assert_eq!(file.len(), 6);
        for known in ["info@example.org", "root@example.org", "list@all.example", "\"john doe\"@example.org"]
        {
            assert_eq!(answer(&file, known), Known, "{known}");
        }
        assert_eq!(answer(&file, "admin@example.org"), Unknown);
        assert!(load(content.as_bytes()).is_err());
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
            let error = load(content).unwrap_err().to_string();
            assert!(error.contains("mailboxes, ") && error.contains(message), "{error}");
            assert!(error.len() < 400, "{error}");
        }
    }

    #[test]
    fn what_is_no_file_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("absent"), folder.path().to_owned()] {
            let error = MailboxFile::load(&path, &reading()).unwrap_err().to_string();
            assert!(
                error.contains(&path.display().to_string()) && error.contains("cannot be read"),
                "{error}"
            );
        }
    }
}
