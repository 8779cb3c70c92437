//! Why a configuration cannot be used: what, where, and what to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::given::Origin;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line is wrong; the text is clap's, ready to be shown.
    #[error("{0}")]
    CommandLine(#[from] clap::Error),
    /// The file cannot be read.
    #[error("{}: the configuration file cannot be read", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that lists nothing.
    #[error("{}: {name} names this file, and nothing is in it; list something, or name no file", .path.display())]
    EmptyListFile {
        /// The setting.
        name: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// A file that a setting names cannot be read.
    #[error("{name} = {}: cannot be read", .path.display())]
    ListFile {
        /// The setting.
        name: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}: {message}", .path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the TOML parser says.
        message: String,
    },
    /// No setting is called so.
    #[error("{origin}: there is no setting {name:?}{}", did_you_mean(.nearest))]
    Unknown {
        /// Where it stands.
        origin: Origin,
        /// What was written.
        name: String,
        /// The setting with the most similar name.
        nearest: Option<String>,
    },
    /// A value that the setting does not take.
    #[error("{origin}: {name} = {value:?}: expected {expected}")]
    Value {
        /// Where it stands.
        origin: Origin,
        /// The setting.
        name: &'static str,
        /// What was written.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// More than one value for a setting that takes one.
    #[error("{origin}: {name} takes one value, not {values}")]
    TooMany {
        /// Where they stand.
        origin: Origin,
        /// The setting.
        name: &'static str,
        /// How many were given.
        values: usize,
    },
    /// A value that is not UTF-8.
    #[error("{0}: the value is not UTF-8")]
    NotUnicode(Origin),
    /// No backend.
    #[error(
        "no backend is set: name the mail server behind relaygate with --backend HOST:PORT, \
         or try relaygate out with --backend sink:, which throws all mail away"
    )]
    NoBackend,
    /// Nowhere to listen.
    #[error("no address to listen on: name at least one with --listen ADDRESS:PORT")]
    NoListen,
    /// AUTH is handed through and known here.
    #[error(
        "{origin}: auth = \"backend:\" hands AUTH through to the mail server behind, so nobody else can be asked: \
         leave the others out, or it"
    )]
    PassThroughIsNotAlone {
        /// Where it stands.
        origin: Origin,
    },
    /// TLS, and nothing to show.
    #[error(
        "listen = {listen} tls=implicit needs a certificate: name one with --tls-certificate 'FILE key=FILE'"
    )]
    NoCertificate {
        /// The listener.
        listen: SocketAddr,
    },
    /// Two settings that cannot both hold.
    #[error(transparent)]
    Contradiction(Box<Contradiction>),
}

/// Two settings that cannot both hold.
#[derive(Debug, thiserror::Error)]
#[error(
    "{first} = {first_value} ({first_origin}) must be {relation} {second} = {second_value} ({second_origin})"
)]
pub struct Contradiction {
    /// A setting.
    pub first: &'static str,
    /// Its value.
    pub first_value: String,
    /// Where it stands.
    pub first_origin: Origin,
    /// "more than", "at least".
    pub relation: &'static str,
    /// Another.
    pub second: &'static str,
    /// Its value.
    pub second_value: String,
    /// Where it stands.
    pub second_origin: Origin,
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
