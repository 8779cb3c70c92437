//! What a session asks of its driver, and what it may be told. Everything in a question borrows from the read buffer.

use std::fmt;

use super::reply::Reply;
use super::xclient::XclientCommand;
use crate::address::{ForwardPath, ReversePath};

/// A session is parked on one of these until [`Session::handle_answer`](super::Session::handle_answer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'b> {
    /// HELO or EHLO: ends an open transaction; the driver keeps the name for the backend. May only be accepted.
    Hello(Hello<'b>),
    /// MAIL: the driver keeps the envelope.
    Mail(MailCommand<'b>),
    /// RCPT: may this recipient pass?
    Rcpt(RcptCommand<'b>),
    /// DATA, with at least one recipient: may the message begin? Accepted: 354, then `handle_data`.
    Data,
    /// The message is complete: what became of it? Never answered by [`Answer::Accept`]: the 250 is the backend's.
    EndOfData,
    /// RSET while a transaction is open. May only be accepted.
    Reset,
    /// STARTTLS: may the handshake begin? Accepted: 220, then [`Next::StartTls`](super::Next::StartTls).
    StartTls,
    /// AUTH, where it is offered: an exchange begins. Answered by a challenge, or the outcome.
    Auth(AuthCommand<'b>),
    /// The client's response to a challenge: base64, one line as it was sent.
    AuthResponse(Said<'b>),
    /// The exchange is over without an outcome: the client cancelled it, or what it sent was no response. The client was
    /// told; the driver drops what it has of the exchange. May only be accepted.
    AuthCancelled,
    /// XCLIENT, where it is offered: is this who the client is? Accepted: the session starts over with the greeting.
    /// Refused: it ends.
    Xclient(XclientCommand<'b>),
}

/// How a client introduced itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'b> {
    /// EHLO, not HELO.
    pub extended: bool,
    /// The name or address literal, as it was given.
    pub name: &'b str,
}

/// AUTH with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthCommand<'b> {
    /// One of the mechanisms that are offered, in any case.
    pub mechanism: &'b str,
    /// The initial response, base64: empty where it was `=`, nothing where there was none.
    pub initial: Option<Said<'b>>,
}

/// What a client says in AUTH, in base64. It may be a password, and is shown nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Said<'b>(pub &'b [u8]);

impl fmt::Debug for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said(..)")
    }
}

/// MAIL FROM with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailCommand<'b> {
    /// The sender.
    pub path: ReversePath<'b>,
    /// SIZE, octets (RFC 1870).
    pub size: Option<u64>,
    /// BODY=8BITMIME was given (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 was given (RFC 6531).
    pub smtputf8: bool,
    /// REQUIRETLS was given (RFC 8689).
    pub require_tls: bool,
    /// RET, as given: FULL or HDRS (RFC 3461).
    pub ret: Option<&'b str>,
    /// ENVID, as given, xtext (RFC 3461).
    pub envid: Option<&'b str>,
}

/// RCPT TO with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RcptCommand<'b> {
    /// The recipient.
    pub path: ForwardPath<'b>,
    /// NOTIFY, as given (RFC 3461).
    pub notify: Option<&'b str>,
    /// ORCPT, as given, `addr-type;xtext` (RFC 3461).
    pub orcpt: Option<&'b str>,
}

/// A reply of the backend, to be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendReply<'r> {
    /// Its code.
    pub code: u16,
    /// Its lines as they came, each with CR LF.
    pub lines: &'r [u8],
}

/// The answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'r> {
    /// Yes, with the session's own positive reply.
    Accept,
    /// No, with a reply of ours. A 421 ends the session.
    Refuse(Reply),
    /// What the backend said: 2xx (for DATA: 354) is yes. A 421 ends the session.
    Backend(BackendReply<'r>),
    /// The exchange of AUTH goes on: this challenge, in base64, is said with a 334. No answer to anything else.
    Challenge(&'r [u8]),
}
