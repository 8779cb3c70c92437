//! Why a directory could not be opened, or cannot say now. Whoever reads it runs the directory.

use std::io;

use super::mailbox_error::MailboxFileError;

/// Why a directory gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A mailbox file could not be read.
    #[error(transparent)]
    File(#[from] MailboxFileError),
    /// It could not be connected to.
    #[error("cannot be connected to: {0}; check that it runs, and that this host may reach it")]
    Unreachable(#[source] io::Error),
    /// The connection broke.
    #[error("the connection was lost while {doing}: {source}")]
    Lost {
        /// What was done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long.
    #[error("no answer within {0:?}; directory-timeout is how long it may take")]
    TimedOut(std::time::Duration),
    /// It broke its protocol.
    #[error("broke its protocol: {0}")]
    Garbled(String),
    /// It said that it cannot say.
    #[error("cannot say: {0}")]
    CannotSay(String),
    /// It was tried a moment ago.
    #[error("could not be reached a moment ago")]
    StillAway,
}
