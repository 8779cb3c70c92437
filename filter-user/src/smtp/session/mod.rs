//! The session machine: what was said, what is asked, what is answered.
//!
//! Nothing here reads, writes or waits, and nothing allocates but the reply buffer, which is the caller's. The order of
//! calls:
//!
//! - [`Session::new`], then [`Session::handle_accept`] or [`Session::handle_early_talk`].
//! - [`Session::handle_input`] with what was read. It consumes whole commands; the rest is given again with more behind
//!   it. It never needs more than `limits.command_line` octets at once, or in an exchange `limits.auth_line`.
//! - At [`Next::Ask`], [`Session::handle_answer`], and then [`Session::handle_input`] again with the rest, even if that
//!   is empty: it says what the answer led to.
//! - At [`Next::Data`], [`Session::handle_data`] until it says [`Piece::End`] (then the session is parked on
//!   [`Question::EndOfData`]) or [`Piece::EndRefused`]; then `handle_input` with the rest.
//! - At [`Next::StartTls`], the replies, the handshake, then [`Session::handle_tls`]; nothing that came in the clear is
//!   given to the session any more.
//! - At any time [`Session::deadline`], [`Session::handle_timeout`] and [`Session::poll_offence`].
//! - At [`Next::Close`], or when `handle_timeout` gave a reason: write the replies and close.

mod answer;
mod exchange;
mod input;
mod message;
#[cfg(test)]
mod tests;

use std::time::Instant;

use super::data::DataScanner;
use super::limits::BoundsReached;
use super::order::Phase;
use super::question::Question;
use super::reply::{self, Reply};
use super::service::Service;
use super::xclient::Told;

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// QUIT.
    Quit,
    /// It talked before the banner.
    EarlyTalker,
    /// It speaks another protocol.
    NotSmtp,
    /// A bare CR or LF in a command.
    BareNewline,
    /// A line without an end.
    LineTooLong,
    /// Too many errors.
    TooManyErrors,
    /// Too many commands.
    TooManyCommands,
    /// Too many failed attempts to authenticate.
    TooManyAuthAttempts,
    /// Too many recipients that nobody knows.
    TooManyUnknownRecipients,
    /// It went on in the clear behind STARTTLS.
    TalkBeforeTls,
    /// Its host could not say for whom it speaks, or that client may have no session.
    TurnedAway,
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
    /// It named recipients that nobody knows until the session ended.
    TooManyUnknownRecipients,
    /// It went on in the clear behind STARTTLS.
    TalkBeforeTls,
    /// It tried to authenticate where nobody can: it guesses passwords.
    AuthNotOffered,
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
    /// Write the replies, do the handshake, and go on with `handle_tls`.
    StartTls,
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
    /// More input is needed; all that was given is consumed.
    Read,
    /// The message is complete; the session is parked on [`Question::EndOfData`]. The terminator was not passed: the
    /// driver sends it. What was passed ends with CR LF, or is empty: the terminator is `.` CR LF.
    End,
    /// The end of a message that was refused on the way; the reply is in the buffer, nothing is asked. There may
    /// have been no `Discard` before it: the driver drops the backend connection here too.
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

/// The question that a session is parked on, with what must be kept of it until the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parked {
    Hello { extended: bool },
    Mail { smtputf8: bool },
    Rcpt,
    Data,
    EndOfData,
    Reset,
    StartTls,
    Auth,
    AuthCancelled,
    Xclient { told: Told },
}

/// What a line that is read says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineOf {
    Command,
    AuthResponse,
}

impl LineOf {
    /// How long it may be.
    fn limit(self, service: &Service) -> usize {
        match self {
            Self::Command => service.limits.command_line,
            Self::AuthResponse => service.limits.auth_line,
        }
    }
}

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    scanner: DataScanner,
    /// Octets passed on so far.
    size: u64,
    /// What will be said at its end, if it is refused already.
    refusal: Option<Reply>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The driver's word that the banner may be said.
    Accepted,
    /// The next command.
    Command,
    /// The client's response in an AUTH exchange.
    AuthResponse,
    /// Nothing: an exchange is over, which the driver is to be told.
    ExchangeOver,
    /// The end of an over-long line, of which so many octets were swallowed.
    LineEnd { of: LineOf, swallowed: usize },
    /// The end of the handshake.
    Tls,
    /// An answer.
    Answer(Parked),
    /// The end of a message.
    Message(Message),
    /// Nothing more.
    Closed(CloseReason),
}

/// One SMTP connection. Holds no octet of what is said.
#[derive(Debug)]
pub struct Session {
    state: State,
    phase: Phase,
    commands: u32,
    errors: u32,
    auth_failures: u32,
    unknown_recipients: u32,
    authenticated: bool,
    /// What XCLIENT has told since the client introduced itself last.
    told: Told,
    offence: Option<Offence>,
    /// AUTH where it is not offered: so often since the last poll.
    auth_not_offered: u16,
    reached: BoundsReached,
    state_deadline: Instant,
    session_deadline: Instant,
}

impl Session {
    /// A session that was just accepted; nothing was said yet.
    #[must_use]
    pub fn new(service: &Service, now: Instant) -> Self {
        Self {
            state: State::Accepted,
            phase: Phase::Connected,
            commands: 0,
            errors: 0,
            auth_failures: 0,
            unknown_recipients: 0,
            authenticated: false,
            told: Told::default(),
            offence: None,
            auth_not_offered: 0,
            reached: BoundsReached::default(),
            state_deadline: now + service.deadlines.command,
            session_deadline: now + service.deadlines.session,
        }
    }

    /// Says the banner.
    pub fn handle_accept(&mut self, service: &Service, out: &mut Vec<u8>, now: Instant) {
        if self.state == State::Accepted {
            out.extend_from_slice(service.greeting().as_bytes());
            self.await_command(service, now);
        }
    }

    /// The peer talked before the banner: it gets a refusal in place of it. An offence; the session closes.
    pub fn handle_early_talk(&mut self, service: &Service, out: &mut Vec<u8>) {
        let _ = service;
        reply::EARLY_TALK.say(out);
        self.close_offended(CloseReason::EarlyTalker, Offence::EarlyTalker);
    }

    /// The handshake that STARTTLS began is done: the client introduces itself anew, and nothing that it said before counts
    /// (RFC 3207 section 4.2). `service` is what it is offered over TLS.
    pub fn handle_tls(&mut self, service: &Service, now: Instant) {
        if self.state == State::Tls {
            self.start_over(Told::default());
            self.await_command(service, now);
        }
    }

    /// The message cannot be delivered any more (the backend died): its rest is swallowed, and `reply` said at its end.
    /// Says nothing of a message that is refused already, or when none is on its way.
    pub fn handle_message_lost(&mut self, reply: Reply) {
        if let State::Message(message) = &mut self.state {
            message.refusal.get_or_insert(reply);
        }
    }

    /// Time has passed. Too early a call does nothing; else 421 4.4.2 is said and the session closes.
    pub fn handle_timeout(
        &mut self,
        service: &Service,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Option<CloseReason> {
        let _ = service;
        if let State::Closed(reason) = self.state {
            return Some(reason);
        }
        if now < self.deadline() {
            return None;
        }
        reply::TIMED_OUT.say(out);
        self.state = State::Closed(CloseReason::TimedOut);
        Some(CloseReason::TimedOut)
    }

    /// When `handle_timeout` wants to be called. While a question is parked, the backend's own time-outs hold: then the
    /// session has only its own deadline.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        match self.state {
            State::Answer(_) => self.session_deadline,
            _ => self.state_deadline.min(self.session_deadline),
        }
    }

    /// Commands that were said so far.
    #[must_use]
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// The bounds that were reached so far.
    #[must_use]
    pub fn bounds_reached(&self) -> BoundsReached {
        self.reached
    }

    /// An offence that was committed since the last call, if any; there may be several.
    pub fn poll_offence(&mut self) -> Option<Offence> {
        if let Some(left) = self.auth_not_offered.checked_sub(1) {
            self.auth_not_offered = left;
            return Some(Offence::AuthNotOffered);
        }
        self.offence.take()
    }

    fn start_over(&mut self, told: Told) {
        self.phase = Phase::Connected;
        self.authenticated = told.login;
        self.told = told;
    }

    /// XCLIENT was refused. The session is still the host's: if the host heeds no refusal, what comes next is its client's,
    /// and would be done as if the host said it.
    fn turn_away(&mut self) {
        self.state = State::Closed(CloseReason::TurnedAway);
    }

    fn await_command(&mut self, service: &Service, now: Instant) {
        self.state = State::Command;
        self.state_deadline = now + service.deadlines.command;
    }

    fn close_offended(&mut self, reason: CloseReason, offence: Offence) {
        self.offence = Some(offence);
        self.state = State::Closed(reason);
    }

    /// What every refusal leads to, when it is in the buffer. A permanent one is an error of the peer's; a transient one
    /// is no fault of its, and ending a session for it would keep a big message from ever being sent.
    fn handle_refused(&mut self, service: &Service, code: u16, out: &mut Vec<u8>) {
        if code == 421 {
            self.state = State::Closed(CloseReason::ServiceUnavailable);
        } else if code >= 500 {
            self.errors += 1;
            if self.errors >= service.limits.errors {
                reply::TOO_MANY_ERRORS.say(out);
                self.close_offended(CloseReason::TooManyErrors, Offence::TooManyErrors);
            }
        }
    }

    fn refuse(&mut self, service: &Service, reply: Reply, out: &mut Vec<u8>) {
        reply.say(out);
        self.handle_refused(service, reply.code(), out);
    }
}
