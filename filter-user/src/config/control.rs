//! The control socket as it is configured: where, and who may open it.

use std::path::PathBuf;

/// The control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSettings {
    /// Where.
    pub path: PathBuf,
    /// The mode of its file: who may open it may ask.
    pub mode: u32,
    /// Whether who may open it as a member of its group may change peers too.
    pub group_edits: bool,
}
