//! Directories: who the local recipients are.

pub mod mailbox_file;

pub use mailbox_file::{MailboxFile, MailboxFileError};
