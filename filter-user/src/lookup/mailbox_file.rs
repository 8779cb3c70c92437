//! A directory from a file: one address or local-part a line, `@domain` for all of a domain, `#` for comments.

use std::path::Path;

use crate::address::Mailbox;
use crate::policy::DirectoryAnswer;

/// Why a mailbox file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("mailbox file")]
pub struct MailboxFileError;

/// The mailboxes of a file, in memory.
#[derive(Debug)]
pub struct MailboxFile {}

impl MailboxFile {
    /// Reads a file. A line without `@` is that local-part in every one of `local_domains`.
    pub fn load(
        path: &Path,
        local_domains: &[String],
        case_sensitive: bool,
    ) -> Result<Self, MailboxFileError> {
        let _ = (path, local_domains, case_sensitive);
        Err(MailboxFileError)
    }

    /// Whether the file holds exactly this mailbox, or all of its domain. Allocates nothing for an ASCII mailbox.
    #[must_use]
    pub fn answer(&self, mailbox: &Mailbox<'_>) -> DirectoryAnswer {
        let _ = mailbox;
        DirectoryAnswer::Unavailable
    }
}
