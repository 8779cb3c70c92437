//! Directories: who the local recipients are. Says what it finds; what follows from that, `policy` decides.

mod asking;
mod cache;
mod callout;
mod directories;
mod error;
mod key;
mod ldap;
mod ldap_filter;
mod ldap_tls;
mod mailbox_error;
mod mailbox_file;
mod mailbox_line;
mod mailbox_table;
mod netstring;
mod pool;
mod question;
mod remote;
mod smtp_reply;
mod socketmap;
mod stream;

pub use directories::Directories;
pub use error::DirectoryError;
pub use mailbox_error::MailboxFileError;
