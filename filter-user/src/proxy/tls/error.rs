//! Why certificates, keys or authorities cannot be used: which file, what is wrong with it, what to do.

use std::io;
use std::path::PathBuf;

/// Why certificates, keys or authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: the {what} cannot be read: {source}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{}: the {what} is not PEM as it should be: {why}", .path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A file holds no such thing.
    #[error("{}: there is no {what} in this file", .path.display())]
    Nothing {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// An authority that cannot be trusted.
    #[error("{}: an authority's certificate cannot be used: {source}", .path.display())]
    BadAuthority {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The system trusts nobody.
    #[error(
        "the system has no authorities that could be trusted (Debian: the package ca-certificates) {why}; install them, \
         or name a file with backend-tls-ca"
    )]
    NoSystemAuthorities {
        /// What went wrong, if something did.
        why: String,
    },
    /// The library refused what is the same for all.
    #[error("TLS cannot be had: {0}")]
    Rustls(rustls::Error),
}
