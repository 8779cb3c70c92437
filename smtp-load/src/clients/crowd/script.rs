//! What a session says, and after how many replies; and which replies answer what it came for. Sends nothing itself.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

/// One thing to do, and how many replies there are to wait for until it is time to do it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Replies that have come by then; the banner is the first.
    pub(super) after_replies: u32,
    /// What to do.
    pub(super) act: Act,
    /// Only where the last reply was a yes; else the session goes on with its last step, which is QUIT.
    pub(super) if_granted: bool,
}

/// What a client does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Sends the first so many of these octets.
    Say(Arc<[u8]>, usize),
    /// Shakes hands, as after the answer to STARTTLS.
    StartTls,
}

impl Step {
    /// A step that says `words`, whatever the last reply was.
    #[must_use]
    pub fn say(after_replies: u32, words: impl AsRef<[u8]>) -> Self {
        let words: Arc<[u8]> = words.as_ref().into();
        let length = words.len();
        Self::say_some(after_replies, words, length)
    }

    /// A step that says the first `length` octets of a text that others share, or all of it where it is shorter.
    #[must_use]
    pub fn say_some(after_replies: u32, text: Arc<[u8]>, length: usize) -> Self {
        let length = length.min(text.len());
        Self { after_replies, act: Act::Say(text, length), if_granted: false }
    }

    /// A step that shakes hands, behind the yes to STARTTLS.
    #[must_use]
    pub fn start_tls(after_replies: u32) -> Self {
        Self { after_replies, act: Act::StartTls, if_granted: true }
    }

    /// The same step, where the last reply was a yes.
    #[must_use]
    pub fn if_granted(self) -> Self {
        Self { if_granted: true, ..self }
    }
}

/// When a session is over by its own will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// When its last reply has come and the server has closed.
    AfterReplies(u32),
    /// So long after it has connected, by a reset, so that it holds no port of this machine.
    AfterConnecting(Duration),
}

/// A session, as it is meant to go.
#[derive(Clone, Debug)]
pub struct Script {
    /// In their order.
    pub steps: Vec<Step>,
    /// The first and the last reply that answer what the session came for.
    pub wanted: (u32, u32),
    /// When it is over.
    pub leaves: Leaves,
    /// Waits so long before each step.
    pub pause: Duration,
    /// By this TLS, from the first octet or from its step on.
    pub tls: Option<Arc<ClientConfig>>,
    /// TLS from the first octet.
    pub tls_at_once: bool,
}

impl Script {
    /// A session of these steps in the clear.
    #[must_use]
    pub fn new(steps: Vec<Step>, wanted: (u32, u32), last_reply: u32) -> Self {
        Self {
            steps,
            wanted,
            leaves: Leaves::AfterReplies(last_reply),
            pause: Duration::ZERO,
            tls: None,
            tls_at_once: false,
        }
    }

    /// Whether it has something to do before the server says anything, or so much to say that a socket may not take it
    /// at once: then it must hear when it can write.
    pub(super) fn minds_writing(&self) -> bool {
        const FITS: usize = 4096;
        let speaks_first = self.steps.first().is_some_and(|step| step.after_replies == 0);
        let says_much = |step: &Step| matches!(step.act, Act::Say(_, length) if length > FITS);
        speaks_first
            || self.tls.is_some()
            || matches!(self.leaves, Leaves::AfterConnecting(_))
            || self.steps.iter().any(says_much)
    }
}
