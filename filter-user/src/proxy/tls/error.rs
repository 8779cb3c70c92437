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
    #[error("{}: there is no {what} in this file{advice}", .path.display())]
    Nothing {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A certificate that is none.
    #[error("{}: the certificate cannot be understood: {why}", .path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A key of a kind that is not supported, or that is broken.
    #[error("{}: the private key cannot be used: {source}", .path.display())]
    BadKey {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A key of another certificate.
    #[error("{}: this private key is not that of the first certificate in {}", .key.display(), .chain.display())]
    OtherKey {
        /// The key's file.
        key: PathBuf,
        /// The certificate's.
        chain: PathBuf,
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
    /// The verifier could not be made.
    #[error("{}: these authorities cannot be used: {why}", .path.display())]
    BadAuthorities {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The library refused what is the same for all.
    #[error("TLS cannot be had: {0}")]
    Rustls(rustls::Error),
}
