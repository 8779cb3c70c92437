//! How a session ended. Says it; what it means for a measurement is another's.

use std::fmt;
use std::time::{Duration, Instant};

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It went as it was meant to.
    Completed,
    /// There was no connection.
    CannotConnect(String),
    /// The server closed before the session was over.
    Closed,
    /// The connection broke: a reset, or TLS that did not come off.
    Broken(String),
    /// What the server said is no SMTP.
    NotSmtp,
    /// Nothing came, or nothing was taken, in time.
    NoAnswer,
    /// The whole run was ended.
    CutShort,
}

/// A session that is over.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What its arrival was marked with.
    pub tag: usize,
    /// Why.
    pub end: End,
    /// When it was due; all times below count from here, so that what a slow server holds up is not left out.
    pub due: Instant,
    /// Until it was begun.
    pub begun: Duration,
    /// Until the last reply that it came for.
    pub answered: Option<Duration>,
    /// Replies that came.
    pub replies: u32,
    /// The code of the last reply that it came for, or that came before one.
    pub code: u16,
    /// How many of the replies that it came for were a yes.
    pub granted: u32,
    /// Whether it has connected.
    pub connected: bool,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replies = self.replies;
        match &self.end {
            End::Completed => write!(f, "completed after {replies} replies"),
            End::CannotConnect(why) => write!(f, "cannot connect: {why}"),
            End::Closed => write!(f, "closed after {replies} replies"),
            End::Broken(why) => write!(f, "{why}, after {replies} replies"),
            End::NotSmtp => write!(f, "what came is no SMTP reply, after {replies} replies"),
            End::NoAnswer => write!(f, "no answer in time, {}", self.before_or_after()),
            End::CutShort => write!(f, "the time for the whole run was over, {}", self.before_or_after()),
        }
    }
}

impl Ended {
    fn before_or_after(&self) -> &'static str {
        if self.replies == 0 { "before the banner" } else { "after the banner" }
    }
}
