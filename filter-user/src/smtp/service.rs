//! What the server offers: its name, its extensions, its bounds; with the greeting and the EHLO reply ready-made.
//! Built once for a configuration and shared by all sessions of a worker.

use super::{Deadlines, Limits};

/// The extensions shown in EHLO; PIPELINING and ENHANCEDSTATUSCODES always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
}

/// What one kind of session is offered.
#[derive(Clone, Debug)]
pub struct Service {
    /// Our name.
    pub hostname: String,
    /// Bounds.
    pub limits: Limits,
    /// Time-outs.
    pub deadlines: Deadlines,
    /// Extensions.
    pub extensions: Extensions,
}

impl Service {
    /// Makes the greeting and the EHLO reply ready.
    #[must_use]
    pub fn new(hostname: &str, limits: Limits, deadlines: Deadlines, extensions: Extensions) -> Self {
        Self { hostname: hostname.to_owned(), limits, deadlines, extensions }
    }
}
