//! The words that `smtp` and `policy` share: paths, mailboxes, domains (RFC 5321 section 4.1.2, RFC 6531), as views
//! that borrow from the line they stand in. Knows nothing of sessions or of who may relay.

mod case;
pub mod disguise;
mod domain;
mod path;
mod path_error;
pub mod quoted;
mod usual;

pub use case::fold_case;
pub use path_error::PathError;

use std::net::IpAddr;

/// The reverse-path of MAIL FROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversePath<'a> {
    /// `<>`, the sender of a notification.
    Null,
    /// A mailbox; a source route before it was dropped.
    Mailbox(Mailbox<'a>),
}

/// The forward-path of RCPT TO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardPath<'a> {
    /// `<postmaster>` without a domain, in any case (RFC 5321 section 4.5.1).
    Postmaster,
    /// A mailbox; a source route before it was dropped (RFC 5321 appendix F.2).
    Mailbox(Mailbox<'a>),
}

/// `local-part@domain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// As it was written, quotes and all.
    pub local_part: &'a str,
    /// What stands behind the last `@`.
    pub domain: Domain<'a>,
    /// The whole mailbox as it was written, without angle brackets and source route.
    pub text: &'a str,
}

/// What stands behind the `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain<'a> {
    /// A domain name, as written: A-labels, or U-labels where SMTPUTF8 was given.
    Name(&'a str),
    /// An IPv4 or IPv6 address literal.
    Literal(IpAddr),
    /// `[tag:content]` of a tag that we do not know (RFC 5321 section 4.1.3).
    General(&'a str),
}

/// A path with nothing behind it, of what a `parse` gave.
///
/// # Errors
///
/// Those of the parse; and what stands behind a path makes it none.
pub fn whole<T>(parsed: Result<(T, &[u8]), PathError>) -> Result<T, PathError> {
    match parsed? {
        (path, []) => Ok(path),
        (_, _) => Err(PathError::NoClosingBracket),
    }
}
