//! Every bound of a session, as data.

/// What becomes of a bare CR or LF in message data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareNewline {
    /// It becomes CR LF, dot-stuffed anew.
    Normalise,
    /// The message is refused.
    Refuse,
}

/// How often a session reached those of its bounds that do not end it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundsReached {
    /// `command_line`.
    pub command_line: u16,
    /// `recipients`.
    pub recipients: u16,
    /// `message_size`.
    pub message_size: u16,
    /// `auth_line`.
    pub auth_line: u16,
}

/// The bounds of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command line, CR LF included (RFC 5321 section 4.5.3.1.4: at least 512).
    pub command_line: usize,
    /// Commands in one session.
    pub commands: u32,
    /// Errors in one session, after which it ends: permanent refusals, ours or the backend's. A transient one is no fault of
    /// the peer's; `commands` bounds those.
    pub errors: u32,
    /// Accepted recipients of one message (RFC 5321 section 4.5.3.1.8: at least 100).
    pub recipients: u32,
    /// Octets of one message.
    pub message_size: u64,
    /// Octets of a response in an AUTH exchange, CR LF included (RFC 4954 section 4: 12,288 are enough).
    pub auth_line: usize,
    /// Attempts to authenticate that may fail in one session, after which it ends.
    pub auth_attempts: u32,
    /// Recipients that nobody knows, in one session, after which it ends: more are a harvest.
    pub unknown_recipients: u32,
    /// Bare CR or LF in message data.
    pub bare_newline: BareNewline,
}
