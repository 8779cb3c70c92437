//! Every time-out of a session, as data (RFC 5321 section 4.5.3.2).

use std::time::Duration;

/// How long a peer may take in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For its next command.
    pub command: Duration,
    /// For the next block of message data.
    pub data: Duration,
    /// For the whole session.
    pub session: Duration,
}
