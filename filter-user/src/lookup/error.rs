//! Why a directory could not be opened, or cannot say now. Whoever reads it runs the directory.

use std::io;
use std::path::PathBuf;

use super::mailbox_error::MailboxFileError;

/// Why a directory gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A mailbox file could not be read.
    #[error(transparent)]
    File(#[from] MailboxFileError),
    /// A file with a password could not be used.
    #[error("password file {}: {source}; its first line is the password of bind-dn", path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file with authorities could not be used.
    #[error("authorities {}: {wrong}; it holds the certificates in PEM that the server's must come from", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        wrong: String,
    },
    /// A filter could not be used.
    #[error("filter={filter}: {wrong}; an example is (|(mail=%s)(proxyAddresses=smtp:%s))")]
    Filter {
        /// As it was written.
        filter: String,
        /// What is wrong with it.
        wrong: String,
    },
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
