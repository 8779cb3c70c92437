//! What can be wrong with a password file. No error holds what stands behind a login.

use std::io;
use std::path::PathBuf;

/// Why a password file could not be read, or not be written.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFileError {
    /// The file as a whole.
    #[error(
        "password file {}: cannot be read: {source}; check the path, and that relaygate's user may read it",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of another form.
    #[error("password file {}, line {line}: {wrong}; make it with `relaygate passwd`, or put # before it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// A login that an earlier line has.
    #[error("password file {}, line {line}: the login {login:?} stands twice; remove one of the two", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The second, from 1.
        line: usize,
        /// The login.
        login: String,
    },
    /// At a reload: nobody is in it any more.
    #[error("password file {}: has no logins any more; if that is meant, restart", path.display())]
    Emptied {
        /// The file.
        path: PathBuf,
    },
    /// It could not be written; what was there stays.
    #[error("password file {}: cannot be written: {source}; nothing has changed", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A text that cannot be a login.
    #[error(
        "{login:?} cannot be a login: 1 to 255 octets, no colon, no # at its begin, no control characters"
    )]
    NoLogin {
        /// The text.
        login: String,
    },
    /// A login to delete or to verify that is not there.
    #[error("password file {}: has no login {login:?}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The login.
        login: String,
    },
    /// A password that cannot be used.
    #[error("a password has 1 to 1024 octets, and no NUL")]
    NoPassword,
    /// The system or the hash function failed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}
