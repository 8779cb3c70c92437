//! What the sink offers, and where it misbehaves. Only says it; `session` does it.

use tokio::sync::mpsc;

use super::counts::TakenMessage;

/// A point of the dialogue at which the server has something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The connection is there; the banner would be said.
    Banner,
    /// EHLO or HELO.
    Ehlo,
    /// XCLIENT.
    Xclient,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// Some of the message has come, its end has not: nothing would be said.
    MidData,
    /// The message has come whole.
    Dot,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
}

/// What it does there in place of what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Says this; CR LF is added. At `Banner` and `Dot` too: `421 …` in place of the banner, `452 …` after the dot.
    Say(String),
    /// Says nothing, reads nothing more, and keeps the connection.
    Hang,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
    /// Octets that are no reply.
    Garbage,
    /// The right reply, its lines ended by LF alone.
    BareLf,
    /// One reply that never ends: line after line says that more follow.
    Endless,
}

/// What the sink offers and does.
#[derive(Clone, Debug)]
pub struct SinkBehaviour {
    /// Its name in the banner.
    pub hostname: String,
    /// The lines of its answer to EHLO after the first; a parameter of MAIL or RCPT whose extension is not here is
    /// refused with 555, as RFC 5321 section 4.1.1.11 has it.
    pub extensions: Vec<String>,
    /// The attributes that XCLIENT is offered with; none, and it is not offered.
    pub xclient: Vec<String>,
    /// Every connection begins with a PROXY protocol v2 header.
    pub proxy_header: bool,
    /// Recipients that hold the first string get the second as their answer.
    pub recipient_replies: Vec<(String, String)>,
    /// Where it misbehaves; the first that fits the moment counts.
    pub misbehaves: Vec<(Moment, Misbehaviour)>,
    /// Keep messages in [`SinkCounts`](super::SinkCounts), bodies and all. For tests: the memory has no bound.
    pub keeps_messages: bool,
    /// Where whole messages go before they are answered; 451 where nobody takes them any more.
    pub hands_to: Option<mpsc::Sender<TakenMessage>>,
}

impl Default for SinkBehaviour {
    /// A proper server that keeps nothing.
    fn default() -> Self {
        let extensions =
            ["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"];
        Self {
            hostname: "sink.example".into(),
            extensions: extensions.map(String::from).into(),
            xclient: ["NAME", "ADDR", "PORT", "PROTO", "HELO"].map(String::from).into(),
            proxy_header: false,
            recipient_replies: Vec::new(),
            misbehaves: Vec::new(),
            keeps_messages: false,
            hands_to: None,
        }
    }
}

impl SinkBehaviour {
    /// A proper server that keeps every message, for tests.
    #[must_use]
    pub fn keeping() -> Self {
        Self { keeps_messages: true, ..Self::default() }
    }

    /// The same server, but that it misbehaves so at `moment`.
    #[must_use]
    pub fn misbehaving(mut self, moment: Moment, how: Misbehaviour) -> Self {
        self.misbehaves.push((moment, how));
        self
    }

    /// The same server without the extension `keyword`.
    #[must_use]
    pub fn without(mut self, keyword: &str) -> Self {
        self.extensions.retain(|line| !line.split(' ').next().unwrap_or("").eq_ignore_ascii_case(keyword));
        if keyword.eq_ignore_ascii_case("XCLIENT") {
            self.xclient.clear();
        }
        self
    }

    pub(super) fn offers(&self, keyword: &str) -> bool {
        self.extensions.iter().any(|line| line.split(' ').next().unwrap_or("").eq_ignore_ascii_case(keyword))
    }

    pub(super) fn at(&self, moment: Moment) -> Option<&Misbehaviour> {
        self.misbehaves.iter().find(|(at, _)| *at == moment).map(|(_, how)| how)
    }
}
