//! Every reply that we can send: code, enhanced code (RFC 3463), text and when; bytes ready-made.

/// A reply of ours: one line, ready-made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The whole line, CR LF included.
    pub line: &'static str,
}

impl Reply {
    /// The reply code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.line[..3].parse().unwrap_or(0)
    }
}

/// The recipient is not local and the peer has no grant.
pub const RELAYING_PROHIBITED: Reply = Reply { line: "550 5.7.1 relaying is prohibited\r\n" };
