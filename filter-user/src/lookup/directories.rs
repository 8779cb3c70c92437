//! All directories, in the order in which they are asked: the first that is for a domain answers for it. What is in
//! memory is answered at once; what takes time is asked elsewhere.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::asking::{Asking, Case};
use super::error::DirectoryError;
use super::mailbox_error::MailboxFileError;
use super::mailbox_file::{MailboxFile, Reading};
use super::question::Question;
use super::remote::Remote;
use crate::address::{Domain, Mailbox, disguise};
use crate::config::{Config, DirectorySource, RemoteServer};
use crate::policy::{DirectoryAnswer, DomainSet, RoutingTable};

/// What knows the local recipients, or nothing. Shared by all workers.
#[derive(Debug, Default)]
pub struct Directories {
    directories: Vec<Directory>,
    catch_all: DomainSet,
    delimiters: String,
    case_sensitive: bool,
    /// Nothing where all is in memory.
    asking: Option<Arc<Asking>>,
    /// One after the other, so that the last to read is the last to put what it read in force.
    reloading: Mutex<()>,
}

#[derive(Debug)]
struct Directory {
    /// What it is asked about; nothing where that is every domain.
    domains: Option<DomainSet>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    File(Box<FileInForce>),
    Remote { remote: Remote, timeout: Duration, delimiters: String, exact: bool },
}

/// A mailbox file, as it was last read.
#[derive(Debug)]
struct FileInForce {
    path: PathBuf,
    reading: Reading,
    current: ArcSwap<MailboxFile>,
}

impl Directories {
    /// No directory: every answer is [`DirectoryAnswer::NotAsked`].
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The directories of a configuration: reads the files, and connects to nothing yet. Remote ones are asked on this
    /// runtime.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Self, DirectoryError> {
        let settings = &config.directories;
        let local = Arc::new(RoutingTable::new(&config.local_domains, &config.routing.routes));
        let mut opened = Self {
            catch_all: DomainSet::new(&settings.catch_all),
            delimiters: settings.recipient_delimiter.clone(),
            case_sensitive: config.local_part_case_sensitive,
            ..Self::default()
        };
        for item in &settings.directories {
            let source = match &item.source {
                DirectorySource::File { path, aliases } => {
                    let reading = Reading {
                        local: Arc::clone(&local),
                        case_sensitive: opened.case_sensitive,
                        aliases: *aliases,
                    };
                    Source::File(Box::new(FileInForce::load(path.clone(), reading)?))
                }
                DirectorySource::Remote(remote) => {
                    opened.asking.get_or_insert_with(|| Arc::new(Asking::new(settings, runtime.clone())));
                    let timeout = remote.timeout.map_or(settings.timeout, |own| own.min(settings.timeout));
                    // A mail server knows for itself what an extension is.
                    let delimiters = match remote.server {
                        RemoteServer::Callout { .. } => "",
                        RemoteServer::Ldap(_) | RemoteServer::Socketmap { .. } => {
                            &settings.recipient_delimiter
                        }
                    };
                    Source::Remote {
                        remote: Remote::open(remote, &config.hostname)?,
                        timeout,
                        delimiters: delimiters.to_owned(),
                        exact: remote.exact,
                    }
                }
            };
            let domains = (!item.domains.is_empty()).then(|| DomainSet::new(&item.domains));
            opened.directories.push(Directory { domains, source });
        }
        Ok(opened)
    }

    /// A mailbox file alone.
    pub fn from_file(
        path: impl Into<PathBuf>,
        local_domains: &[String],
        case_sensitive: bool,
    ) -> Result<Self, MailboxFileError> {
        let local = Arc::new(RoutingTable::new(local_domains, &[]));
        let file = FileInForce::load(path.into(), Reading { local, case_sensitive, aliases: false })?;
        let directory = Directory { domains: None, source: Source::File(Box::new(file)) };
        Ok(Self { directories: vec![directory], case_sensitive, ..Self::default() })
    }

    /// What is known of this mailbox without asking anyone; nothing where somebody must be. From a file, without
    /// allocating anything.
    #[must_use]
    pub fn answer_now(&self, mailbox: &Mailbox<'_>) -> Option<DirectoryAnswer> {
        let Domain::Name(domain) = mailbox.domain else { return Some(DirectoryAnswer::Unknown) };
        let catch_all = !self.catch_all.is_empty() && self.catch_all.contains(domain);
        if catch_all && disguise::decode(mailbox.local_part).is_none() {
            // Whatever a directory says, it is taken.
            return Some(DirectoryAnswer::WholeDomain);
        }
        let said = match self.source(domain) {
            Some(Source::File(file)) => {
                file.current.load().answer(mailbox.local_part, domain, &self.delimiters)
            }
            // Its yes would be no word for the address as it stands; so nobody is asked.
            Some(Source::Remote { exact: false, .. }) if disguise::decode(mailbox.local_part).is_some() => {
                DirectoryAnswer::Unknown
            }
            Some(Source::Remote { delimiters, .. }) => match (&self.asking, self.case(mailbox, delimiters)) {
                (Some(asking), Some(case)) => asking.remembered(&case)?,
                // Longer than anything that a directory can hold.
                _ => DirectoryAnswer::Unknown,
            },
            None => DirectoryAnswer::NotAsked,
        };
        Some(if catch_all { widened(said) } else { said })
    }

    /// What is known of this mailbox, when it is. Ends in bounded time.
    pub fn ask(&self, mailbox: &Mailbox<'_>) -> impl Future<Output = DirectoryAnswer> + Send + use<> {
        let now = self.answer_now(mailbox);
        let catch_all = matches!(mailbox.domain, Domain::Name(domain) if self.catch_all.contains(domain));
        let asked = match (now, mailbox.domain, &self.asking) {
            (None, Domain::Name(domain), Some(asking)) => match self.source(domain) {
                Some(Source::Remote { remote, timeout, delimiters, .. }) => self
                    .case(mailbox, delimiters)
                    .map(|case| Arc::clone(asking).ask(remote.clone(), case, *timeout)),
                Some(Source::File(_)) | None => None,
            },
            _ => None,
        };
        async move {
            match (now, asked) {
                (Some(answer), _) => answer,
                (None, Some(asked)) if catch_all => widened(asked.await),
                (None, Some(asked)) => asked.await,
                (None, None) => DirectoryAnswer::Unavailable,
            }
        }
    }

    fn source(&self, domain: &str) -> Option<&Source> {
        let is_for =
            |directory: &&Directory| directory.domains.as_ref().is_none_or(|set| set.contains(domain));
        self.directories.iter().find(is_for).map(|directory| &directory.source)
    }

    fn case(&self, mailbox: &Mailbox<'_>, delimiters: &str) -> Option<Case> {
        let exact = Question::new(mailbox, self.case_sensitive)?;
        Some(Case { exact, base: Question::base(mailbox, self.case_sensitive, delimiters) })
    }

    /// Whether there is a directory at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.directories.is_empty()
    }

    /// The mailbox files, each with the number of its entries.
    pub fn files(&self) -> impl Iterator<Item = (&Path, usize)> {
        self.in_files().map(|file| (file.path.as_path(), file.current.load().len()))
    }

    /// How many entries all files have.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files().map(|(_, entries)| entries).sum()
    }

    /// Whether no file has an entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the files again, and forgets what remote directories have said. A file that cannot be read stays in force as
    /// it was. Takes as long as reading takes, and keeps nobody waiting who asks meanwhile.
    pub fn reload(&self) -> Vec<MailboxFileError> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asking) = &self.asking {
            asking.forget();
        }
        self.in_files().filter_map(|file| file.reload().err()).collect()
    }

    fn in_files(&self) -> impl Iterator<Item = &FileInForce> {
        self.directories.iter().filter_map(|directory| match &directory.source {
            Source::File(file) => Some(&**file),
            Source::Remote { .. } => None,
        })
    }
}

/// In a domain that is taken whole, nobody is unknown.
fn widened(said: DirectoryAnswer) -> DirectoryAnswer {
    match said {
        DirectoryAnswer::Unknown | DirectoryAnswer::NotAsked => DirectoryAnswer::WholeDomain,
        other => other,
    }
}

impl FileInForce {
    fn load(path: PathBuf, reading: Reading) -> Result<Self, MailboxFileError> {
        let current = ArcSwap::from_pointee(MailboxFile::load(&path, &reading)?);
        Ok(Self { path, reading, current })
    }

    fn reload(&self) -> Result<(), MailboxFileError> {
        let read = MailboxFile::load(&self.path, &self.reading)?;
        if read.len() == 0 && self.current.load().len() > 0 {
            // As an editor leaves it for a moment, or a full disk for longer: every recipient would be refused for good.
            return Err(MailboxFileError::Emptied { path: self.path.clone() });
        }
        self.current.store(Arc::new(read));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DirectoryAnswer::{Known, NotAsked, Unknown, WholeDomain};

    fn mailbox<'a>(local_part: &'a str, domain: &'a str) -> Mailbox<'a> {
        Mailbox { local_part, domain: Domain::Name(domain), text: local_part }
    }

    #[test]
    fn without_a_directory_nothing_was_asked() {
        let directories = Directories::none();
        assert_eq!(directories.answer_now(&mailbox("user", "example.org")), Some(NotAsked));
        assert!(!directories.is_configured() && directories.is_empty());
        assert!(directories.reload().is_empty());
    }

    #[test]
    fn an_address_literal_is_in_no_directory() {
        let literal = Domain::Literal("192.0.2.1".parse().unwrap());
        let mailbox = Mailbox { local_part: "user", domain: literal, text: "user@[192.0.2.1]" };
        assert_eq!(Directories::none().answer_now(&mailbox), Some(Unknown));
    }

    #[test]
    fn a_reload_replaces_all_entries_and_a_failed_one_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailboxes");
        let domains = ["example.org".to_owned()];
        std::fs::write(&path, "old\nboth\n").unwrap();
        let directories = Directories::from_file(&path, &domains, false).unwrap();
        let is = || {
            ["old", "both", "new"].map(|name| directories.answer_now(&mailbox(name, "example.org")).unwrap())
        };
        assert_eq!((directories.len(), is()), (2, [Known, Known, Unknown]));

        std::fs::write(&path, "both\nnew\nthird\n").unwrap();
        assert!(directories.reload().is_empty());
        assert_eq!((directories.len(), is()), (3, [Unknown, Known, Known]));

        for (content, wrong) in
            [("old\nnot a mailbox\n", "mailboxes, line 2"), ("", "has no entries any more")]
        {
            std::fs::write(&path, content).unwrap();
            let errors = directories.reload();
            assert!(errors.len() == 1 && errors[0].to_string().contains(wrong), "{errors:?}");
            assert_eq!((directories.len(), is()), (3, [Unknown, Known, Known]));
        }

        std::fs::remove_file(&path).unwrap();
        assert_eq!(directories.reload().len(), 1);
        assert_eq!((directories.len(), is()), (3, [Unknown, Known, Known]));
    }

    #[test]
    fn the_first_directory_for_a_domain_answers_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let written = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let first = format!("file:{} domain=a.example", written("first", "one\nsales%emea\n"));
        let second = format!("file:{}", written("second", "two\nthree@a.example\nsales%emea@c.example"));
        let config = Config::from_flags(
            ["--backend", "sink:", "--directory", &first, "--directory", &second, "--catch-all", "c.example"]
                .into_iter()
                .chain(
                    ["a.example", "b.example", "c.example"].iter().flat_map(|name| ["--local-domain", name]),
                ),
        )
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directories = Directories::open(&config, runtime.handle()).unwrap();
        for (local_part, domain, said) in [
            ("one", "A.example", Known),
            ("two", "a.example", Unknown),
            ("three", "a.example", Unknown),
            ("one", "b.example", Unknown),
            ("two", "b.example", Known),
            ("nobody", "c.example", WholeDomain),
            ("sales%emea", "c.example", Known),
            ("sales%apac", "c.example", WholeDomain),
        ] {
            assert_eq!(
                directories.answer_now(&mailbox(local_part, domain)),
                Some(said),
                "{local_part}@{domain}"
            );
        }
    }

    #[test]
    fn only_what_holds_exactly_what_it_knows_is_asked_of_an_address_within_an_address() {
        for (directory, asked) in [
            ("callout:192.0.2.1:25", false),
            ("socketmap:unix:/run/maps name=x", false),
            ("socketmap:unix:/run/maps name=x exact=yes", true),
            ("ldap:ldap://192.0.2.1 base=dc=x", true),
        ] {
            let flags = ["--backend", "sink:", "--local-domain", "a.example", "--directory", directory];
            let config = Config::from_flags(flags).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let directories = Directories::open(&config, runtime.handle()).unwrap();
            let said = |local_part| directories.answer_now(&mailbox(local_part, "a.example"));
            assert_eq!(said("user"), None, "{directory}");
            for disguised in ["victim%far.example", "far.example!victim", "IMCEASMTP-victim+40far+2Eexample"]
            {
                assert_eq!(said(disguised), (!asked).then_some(Unknown), "{directory}: {disguised}");
            }
        }
    }
}
