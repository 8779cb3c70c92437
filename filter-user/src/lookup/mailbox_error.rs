//! Why a mailbox file could not be used: which file and line, what is wrong with it, and what to do.

use std::io;
use std::path::PathBuf;

use super::mailbox_file::MAX_LINE;

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
    /// More than a table of mailboxes holds.
    #[error("mailbox file {}: its addresses take more than 4 GiB; split it by domains, with a directory for each", path.display())]
    TooBig {
        /// The file.
        path: PathBuf,
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
