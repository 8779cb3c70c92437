//! The directory in force: what was configured, as it was last read. Reading it again is whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::mailbox_file::{MailboxFile, MailboxFileError};
use crate::address::Mailbox;
use crate::policy::DirectoryAnswer;

/// What knows the local recipients, or nothing. Shared by all workers; an answer takes no lock.
#[derive(Debug, Default)]
pub struct Directories {
    source: Option<Source>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    local_domains: Vec<String>,
    case_sensitive: bool,
    current: ArcSwap<MailboxFile>,
}

impl Directories {
    /// No directory: every answer is [`DirectoryAnswer::NotAsked`].
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A mailbox file; see [`MailboxFile::load`].
    pub fn from_file(
        path: impl Into<PathBuf>,
        local_domains: &[String],
        case_sensitive: bool,
    ) -> Result<Self, MailboxFileError> {
        let path = path.into();
        let current = ArcSwap::from_pointee(MailboxFile::load(&path, local_domains, case_sensitive)?);
        let local_domains = local_domains.to_vec();
        Ok(Self { source: Some(Source { path, local_domains, case_sensitive, current }) })
    }

    /// What is known of this mailbox.
    #[must_use]
    pub fn answer(&self, mailbox: &Mailbox<'_>) -> DirectoryAnswer {
        match &self.source {
            Some(source) => source.current.load().answer(mailbox),
            None => DirectoryAnswer::NotAsked,
        }
    }

    /// Whether there is a directory at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.source.is_some()
    }

    /// How many entries it has; 0 if there is no directory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.source.as_ref().map_or(0, |source| source.current.load().len())
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the file again and says how many entries it has now. After an error, what was read before stays in force.
    pub fn reload(&self) -> Result<usize, MailboxFileError> {
        let Some(source) = &self.source else { return Ok(0) };
        let read = MailboxFile::load(&source.path, &source.local_domains, source.case_sensitive)?;
        let count = read.len();
        if count == 0 && !source.current.load().is_empty() {
            // As an editor leaves it for a moment, or a full disk for longer: every recipient would be refused for good.
            return Err(MailboxFileError::Emptied { path: source.path.clone() });
        }
        source.current.store(Arc::new(read));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Domain;

    fn mailbox(local_part: &str) -> Mailbox<'_> {
        Mailbox { local_part, domain: Domain::Name("example.org"), text: local_part }
    }

    #[test]
    fn without_a_directory_nothing_was_asked() {
        let directory = Directories::none();
        assert_eq!(directory.answer(&mailbox("user")), DirectoryAnswer::NotAsked);
        assert!(!directory.is_configured() && directory.is_empty());
        assert_eq!(directory.reload().unwrap(), 0);
    }

    #[test]
    fn a_reload_replaces_all_entries_and_a_failed_one_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailboxes");
        let domains = ["example.org".to_owned()];
        std::fs::write(&path, "old\nboth\n").unwrap();
        let directory = Directories::from_file(&path, &domains, false).unwrap();
        let answers = || ["old", "both", "new"].map(|name| directory.answer(&mailbox(name)));
        use DirectoryAnswer::{Known, Unknown};
        assert_eq!((directory.len(), answers()), (2, [Known, Known, Unknown]));

        std::fs::write(&path, "both\nnew\nthird\n").unwrap();
        assert_eq!(directory.reload().unwrap(), 3);
        assert_eq!((directory.len(), answers()), (3, [Unknown, Known, Known]));

        std::fs::write(&path, "old\nnot a mailbox\n").unwrap();
        let error = directory.reload().unwrap_err().to_string();
        assert!(error.contains("mailboxes, line 2"), "{error}");
        assert_eq!((directory.len(), answers()), (3, [Unknown, Known, Known]));

        std::fs::remove_file(&path).unwrap();
        directory.reload().unwrap_err();
        assert_eq!((directory.len(), answers()), (3, [Unknown, Known, Known]));
    }
}
