//! The session machine: what was said, what is asked, what is answered.
//!
//! Inputs are `handle_*`, each with the time where it matters; replies are appended to the caller's buffer.

use std::time::Instant;

use super::question::{Answer, Question};
use super::reply::Reply;
use super::service::Service;

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// QUIT.
    Quit,
    /// It talked before the banner.
    EarlyTalker,
    /// It speaks another protocol.
    NotSmtp,
    /// Too many errors.
    TooManyErrors,
    /// Too many commands.
    TooManyCommands,
    /// It took too long.
    TimedOut,
    /// We or the backend said 421.
    ServiceUnavailable,
}

/// What a peer did that is an offence in itself, whatever the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// It talked before the banner.
    EarlyTalker,
    /// It speaks another protocol (HTTP verbs and the like).
    NotSmtp,
    /// It kept erring until the session ended.
    TooManyErrors,
    /// A bare CR or LF in a command.
    BareNewline,
    /// A line without an end.
    LineTooLong,
}

/// What the driver does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'b> {
    /// Everything usable was consumed: write the replies, read more.
    Read,
    /// Answer this with `handle_answer`, then go on with the rest of the input.
    Ask(Question<'b>),
    /// Message data follows: go on with `handle_data`.
    Data,
    /// Write the replies and close.
    Close(CloseReason),
}

/// What became of some input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled<'b> {
    /// Octets that are done with; the rest is to be given again, with more behind it.
    pub consumed: usize,
    /// What to do next.
    pub next: Next<'b>,
}

/// A piece of message data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// Goes to the backend as it is.
    Pass(&'b [u8]),
    /// Goes to the backend in place of what was consumed.
    Insert(&'static [u8]),
    /// Nothing for the backend: this message is refused or given up, its rest is swallowed. The driver drops the
    /// backend connection, if it has not yet, so that nothing half-sent can be taken for whole.
    Discard,
    /// More input is needed.
    Read,
    /// The message is complete; the session is parked on [`Question::EndOfData`]. The terminator was not passed: the
    /// driver sends it.
    End,
    /// The end of a message that was refused on the way; the reply is in the buffer, nothing is asked.
    EndRefused,
}

/// What became of some message data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHandled<'b> {
    /// Octets that are done with.
    pub consumed: usize,
    /// What they were.
    pub piece: Piece<'b>,
}

/// One SMTP connection.
#[derive(Debug)]
pub struct Session {
    deadline: Instant,
}

impl Session {
    /// A session that was just accepted; nothing was said yet.
    #[must_use]
    pub fn new(service: &Service, now: Instant) -> Self {
        Self { deadline: now + service.deadlines.command }
    }

    /// Says the banner.
    pub fn handle_accept(&mut self, service: &Service, out: &mut Vec<u8>, now: Instant) {
        let _ = (service, out, now);
    }

    /// The peer talked before the banner: it gets a refusal in place of it. An offence; the session closes.
    pub fn handle_early_talk(&mut self, service: &Service, out: &mut Vec<u8>) {
        let _ = (service, out);
    }

    /// Takes what the peer sent: whole commands are done one by one, up to the first that asks something.
    pub fn handle_input<'b>(
        &mut self,
        service: &Service,
        input: &'b [u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Handled<'b> {
        let _ = (service, out, now);
        Handled { consumed: input.len(), next: Next::Read }
    }

    /// Answers the question that the session is parked on.
    pub fn handle_answer(&mut self, service: &Service, answer: Answer<'_>, out: &mut Vec<u8>, now: Instant) {
        let _ = (service, answer, out, now);
    }

    /// Takes message data, one piece at a call.
    pub fn handle_data<'b>(
        &mut self,
        service: &Service,
        input: &'b [u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> DataHandled<'b> {
        let _ = (service, out, now);
        DataHandled { consumed: input.len(), piece: Piece::Read }
    }

    /// The message cannot be delivered any more (the backend died): its rest is swallowed, and `reply` said at its end.
    pub fn handle_message_lost(&mut self, reply: Reply) {
        let _ = reply;
    }

    /// Time has passed. Too early a call does nothing; else 421 4.4.2 is said and the session closes.
    pub fn handle_timeout(&mut self, service: &Service, out: &mut Vec<u8>, now: Instant) -> Option<CloseReason> {
        let _ = (service, out, now);
        None
    }

    /// When `handle_timeout` wants to be called. The driver moves it while a question is parked: the backend has its own
    /// time-outs, so a parked session has only its session deadline.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The offence that was committed since the last call, if any.
    pub fn poll_offence(&mut self) -> Option<Offence> {
        None
    }
}
