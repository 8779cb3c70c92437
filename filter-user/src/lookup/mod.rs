//! Directories: who the local recipients are. Says what it finds; what follows from that, `policy` decides.

pub mod directory;
pub mod mailbox_file;
mod mailbox_line;

pub use directory::Directory;
pub use mailbox_file::{MailboxFile, MailboxFileError};
