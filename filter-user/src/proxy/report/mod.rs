//! Counts and logs what happens in one worker. The only file of the proxy that turns the core's facts into metrics
//! and log lines, together with the docket of the judge.

mod authentication;
mod backend;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use filter_common::Timestamp;

use super::clock::Clock;
use super::delivery::Word;
use super::destination::Host;
use super::envelope::Envelope;
use super::proxy_header::HeaderFault;
use crate::address::ForwardPath;
use crate::judge::{Docket, Judgement, Passage, Whose};
use crate::peers::{Strike, Struck};
use crate::smtp::Offence;
use crate::telemetry::label::{Label as _, MessageOutcome, RecipientOutcome, SessionRefusal, TimeoutKind};
use crate::telemetry::{Metrics, field};

/// How often the same trouble with the backend or the system is logged.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(1);

/// What became of a message.
pub(super) enum MessageEnd<'a> {
    /// The backend answered the dot, or we in its place.
    Answered {
        /// What was said.
        word: &'a Word,
        /// Recipients that were accepted before.
        recipients: u32,
        /// From DATA to the answer.
        took: Duration,
    },
    /// A bound or rule of ours refused it.
    Refused,
    /// The client went away in the middle.
    BrokenOff,
}

/// One worker's counters and samples.
pub(super) struct Report {
    pub(super) metrics: Metrics,
    clock: Rc<Clock>,
    docket: RefCell<Docket>,
    trouble_told: Cell<Option<Instant>>,
}

impl Report {
    /// Logs at most so many refusals a second.
    pub(super) fn new(refusals_a_second: u32, clock: Rc<Clock>) -> Self {
        Self {
            metrics: Metrics::new(),
            docket: RefCell::new(Docket::new(refusals_a_second, clock.now())),
            clock,
            trouble_told: Cell::new(None),
        }
    }

    /// Time passes.
    pub(super) fn tick(&self) {
        self.docket.borrow_mut().tick(self.clock.now());
    }

    /// The worker ends.
    pub(super) fn finish(&self) {
        self.docket.borrow_mut().finish();
    }

    /// A connection is served.
    pub(super) fn session_opened(&self) {
        self.metrics.sessions_accepted.increment(1);
        self.metrics.sessions_open.increment(1);
    }

    /// A connection is not served.
    pub(super) fn not_served(&self, whose: Whose, why: SessionRefusal) {
        self.metrics.sessions_refused.of(why).increment(1);
        if self.is_sampled(whose) {
            let reason = SessionRefusal::NAMES[why.index()];
            tracing::info!({ field::PEER } = %whose.address, { field::REASON } = reason, "connection refused");
        }
    }

    /// A peer took too long.
    pub(super) fn timed_out(&self, kind: TimeoutKind) {
        self.metrics.timeouts.of(kind).increment(1);
    }

    /// A recipient may not pass.
    pub(super) fn refused(
        &self,
        whose: Whose,
        sender: &str,
        path: &ForwardPath<'_>,
        judgement: &Judgement<'_>,
    ) {
        self.docket.borrow_mut().refused(whose, sender, path, judgement, self.clock.now());
    }

    /// A recipient might pass, and the backend was asked.
    pub(super) fn passed(
        &self,
        whose: Whose,
        passage: Passage,
        envelope: &Envelope,
        host: Option<&Host>,
        word: &Word,
    ) {
        let outcome = match (word, passage) {
            (Word::Ours(..), _) => RecipientOutcome::TryLater,
            (Word::Backend(reply), _) if !reply.is_positive() => RecipientOutcome::RefusedByBackend,
            (_, Passage::Route(_)) => RecipientOutcome::Routed,
            (_, Passage::Relay(..)) => RecipientOutcome::Relayed,
        };
        self.metrics.recipients.of(outcome).increment(1);
        self.backend_said(word);
        if word.is_positive() {
            let grant = match passage {
                Passage::Route(_) => None,
                Passage::Relay(grant, _) => Some(grant.reason().as_str()),
            };
            tracing::info!(
                { field::PEER } = %whose.address,
                { field::REVERSE_PATH } = envelope.sender(),
                { field::FORWARD_PATH } = envelope.recipient(),
                { field::DECISION } = if grant.is_some() { "relay" } else { "route" },
                { field::GRANT } = grant,
                { field::BACKEND } = host.map(tracing::field::display),
                "recipient accepted"
            );
        } else if self.is_sampled(whose) {
            tracing::info!(
                { field::PEER } = %whose.address,
                { field::REVERSE_PATH } = envelope.sender(),
                { field::FORWARD_PATH } = envelope.recipient(),
                { field::BACKEND } = host.map(tracing::field::display),
                { field::REPLY } = %word,
                "recipient refused by the backend"
            );
        }
    }

    /// A message came to an end.
    pub(super) fn message(
        &self,
        whose: Whose,
        envelope: Option<&Envelope>,
        end: MessageEnd<'_>,
        octets: u64,
    ) {
        let sender = envelope.map_or("", Envelope::sender);
        self.metrics.message_octets.increment(octets);
        let outcome = match end {
            MessageEnd::Answered { word, recipients, took } => {
                self.backend_said(word);
                tracing::info!(
                    { field::PEER } = %whose.address,
                    { field::REVERSE_PATH } = sender,
                    { field::COUNT } = recipients,
                    { field::OCTETS } = octets,
                    { field::DURATION } = ?took,
                    { field::REPLY } = %word,
                    "message"
                );
                match word {
                    Word::Backend(reply) if reply.is_positive() => MessageOutcome::Accepted,
                    Word::Backend(_) => MessageOutcome::Refused,
                    Word::Ours(..) => MessageOutcome::Lost,
                }
            }
            MessageEnd::Refused => {
                self.undelivered(whose, sender, octets, "message refused");
                MessageOutcome::Refused
            }
            MessageEnd::BrokenOff => {
                self.undelivered(whose, sender, octets, "message broken off by the client");
                MessageOutcome::Lost
            }
        };
        self.metrics.messages.of(outcome).increment(1);
    }

    fn undelivered(&self, whose: Whose, sender: &str, octets: u64, what: &'static str) {
        if self.is_sampled(whose) {
            tracing::info!(
                { field::PEER } = %whose.address,
                { field::REVERSE_PATH } = sender,
                { field::OCTETS } = octets,
                "{what}"
            );
        }
    }

    /// A peer broke the protocol.
    pub(super) fn offence(&self, whose: Whose, offence: Offence) {
        match offence {
            Offence::EarlyTalker => self.metrics.early_talkers.increment(1),
            Offence::NotSmtp
            | Offence::TooManyErrors
            | Offence::TooManyUnknownRecipients
            | Offence::TalkBeforeTls
            | Offence::AuthNotOffered
            | Offence::BareNewline
            | Offence::LineTooLong => {}
        }
        if self.is_sampled(whose) {
            tracing::info!({ field::PEER } = %whose.address, { field::REASON } = ?offence, "protocol abuse");
        }
    }

    /// A strike was counted.
    pub(super) fn struck(&self, whose: Whose, strike: Strike, struck: Struck, at: Timestamp) {
        self.docket.borrow_mut().struck(whose, strike, struck, at, self.clock.now());
    }

    /// A listed balancer did not say for whom it connected.
    pub(super) fn no_header(&self, whose: Whose, fault: &HeaderFault) {
        self.metrics.proxy_headers_refused.of(fault.kind()).increment(1);
        if self.trouble_is_due() {
            tracing::warn!(
                { field::PEER } = %whose.address,
                { field::REASON } = %fault,
                "no PROXY header from a load balancer of proxy-protocol-from: the connection is closed"
            );
        }
    }

    /// The listening socket failed, as it does when the system has no room for another one.
    pub(super) fn accept_failed(&self, error: &io::Error) {
        self.metrics.accept_failures.increment(1);
        if self.trouble_is_due() {
            tracing::warn!({ field::ERROR } = %error, "cannot accept a connection");
        }
    }

    /// Whether this one is logged by itself; the others are counted for their peer, whose addresses may be many.
    pub(super) fn is_sampled(&self, whose: Whose) -> bool {
        self.docket.borrow_mut().is_sampled(whose, self.clock.now())
    }

    fn trouble_is_due(&self) -> bool {
        let now = self.clock.now();
        let due = self.trouble_told.get().is_none_or(|told| now.duration_since(told) >= TROUBLE_INTERVAL);
        if due {
            self.trouble_told.set(Some(now));
        }
        due
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(reply) => f.write_str(&reply.summary()),
            Self::Ours(reply, _) => f.write_str(reply.line.trim_end()),
        }
    }
}
