//! What can be wrong with a state file, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::line::FORMAT;

/// The state file cannot be used at all: the start ends.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
    #[error("state-file = {}: another relaygate uses it; stop that one, or give this one a file of its own", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error(
        "state-file = {}: cannot {step}: {source}; relaygate must be able to read and write the file, and to make files in \
         its folder",
        .path.display()
    )]
    System {
        /// The file.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The name of this boot cannot be read.
    #[error("{path}: {source}; without it, a state file cannot say of which boot it is")]
    BootId {
        /// Where it should be.
        path: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// What is wrong with the words in a state file: it is put aside, and the start goes on without it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// It cannot be read to its end.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It begins otherwise.
    #[error("it is no state file of relaygate's")]
    Foreign,
    /// It is newer.
    #[error("it is of format {0}, of a newer relaygate; this one knows formats up to {FORMAT}")]
    Newer(u32),
    /// A line is not what it should be.
    #[error("line {number}: {fault}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong.
        fault: String,
    },
    /// It stops short.
    #[error("it is cut off behind line {0}")]
    CutOff(u64),
}
