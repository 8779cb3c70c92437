//! Starts the log: lines for people or JSON for machines, on standard error. Decides nothing about what is logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("log-level = {filter:?} is not a filter")]
    Filter {
        /// What was given.
        filter: String,
        /// Why not.
        source: tracing_subscriber::filter::ParseError,
    },
    /// This process has a log already.
    #[error("the log was started before")]
    Started(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts the log of this process.
pub fn start(filter: &str, json: bool) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json {
        lines.json().flatten_event(true).try_init().map_err(LogError::Started)
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init().map_err(LogError::Started)
    }
}
