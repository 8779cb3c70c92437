//! Directories: who the local recipients are. Says what it finds; what follows from that, `policy` decides.

pub mod directories;
pub mod mailbox_file;
mod mailbox_line;

pub use directories::Directories;
pub use mailbox_file::{MailboxFile, MailboxFileError};
