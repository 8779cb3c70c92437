//! The docket of the judge: counts what was judged and what it earned, and logs it in samples (see
//! `telemetry::RefusalLog`), in the same words whoever has asked. One for each who asks; takes the time as an argument.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use filter_common::{PeerKey, Sanction, Timestamp};

use super::Judgement;
use crate::address::ForwardPath;
use crate::peers::{Strike, Struck};
use crate::policy::{Decision, Prohibition};
use crate::telemetry::label::{RecipientOutcome, SanctionKind, StrikeKind};
use crate::telemetry::{Metrics, Noted, RefusalLog, Summary, field};

/// How often what was refused and not logged is summed up.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

/// Whose doing something is: the address for the log, the peer for its samples.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    /// The remote host.
    pub address: IpAddr,
    /// What is struck and sanctioned.
    pub peer: PeerKey,
}

/// Counters and samples of what was judged.
#[derive(Debug)]
pub struct Docket {
    metrics: Metrics,
    refusals: RefusalLog,
}

impl Docket {
    /// Logs at most so many refusals a second.
    #[must_use]
    pub fn new(refusals_a_second: u32, now: Instant) -> Self {
        Self { metrics: Metrics::new(), refusals: RefusalLog::new(refusals_a_second, SUMMARY_INTERVAL, now) }
    }

    /// Time passes.
    pub fn tick(&mut self, now: Instant) {
        let summaries = self.refusals.poll_summaries(now);
        self.sum_up(&summaries);
    }

    /// Nothing more will come.
    pub fn finish(&mut self) {
        let summaries = self.refusals.take_summaries();
        self.sum_up(&summaries);
    }

    fn sum_up(&self, summaries: &[Summary]) {
        for summary in summaries {
            self.metrics.refusals_summed.increment(summary.refusals);
            summary.log();
        }
    }

    /// Whether this one is logged by itself; the others are counted for their peer, whose addresses may be many.
    pub fn is_sampled(&mut self, whose: Whose, now: Instant) -> bool {
        self.refusals.note(whose.peer.address(), now) == Noted::Log
    }

    /// A recipient was judged, and that is the last word about it.
    pub fn count(&self, decision: Decision) {
        let outcome = match decision {
            Decision::Route(_) => RecipientOutcome::Routed,
            Decision::Relay(..) => RecipientOutcome::Relayed,
            Decision::Prohibited(Prohibition::Disguised) => RecipientOutcome::Disguised,
            Decision::Prohibited(_) => RecipientOutcome::Prohibited,
            Decision::UnknownRecipient => RecipientOutcome::UnknownRecipient,
            Decision::Answer(_) => RecipientOutcome::Answered,
            Decision::TryLater => RecipientOutcome::TryLater,
        };
        self.metrics.recipients.of(outcome).increment(1);
    }

    /// A recipient may not pass.
    pub fn refused(
        &mut self,
        whose: Whose,
        sender: &str,
        path: &ForwardPath<'_>,
        judgement: &Judgement<'_>,
        now: Instant,
    ) {
        self.count(judgement.decision);
        if self.is_sampled(whose, now) {
            tracing::info!(
                { field::PEER } = %whose.address,
                { field::REVERSE_PATH } = sender,
                { field::FORWARD_PATH } = path.text(),
                { field::DECISION } = %judgement.decision,
                { field::DISGUISED } = judgement.disguise.map(tracing::field::display),
                "recipient refused"
            );
        }
    }

    /// A strike was counted.
    pub fn struck(&mut self, whose: Whose, strike: Strike, struck: Struck, at: Timestamp, now: Instant) {
        let kind = match strike {
            Strike::RelayAttempt => StrikeKind::RelayAttempt,
            Strike::DisguisedRelayAttempt => StrikeKind::DisguisedRelayAttempt,
            Strike::UnknownRecipient => StrikeKind::UnknownRecipient,
            Strike::FailedAuth => StrikeKind::FailedAuth,
            Strike::ProtocolAbuse => StrikeKind::ProtocolAbuse,
        };
        self.metrics.strikes.of(kind).increment(1);
        if !struck.escalated {
            return;
        }
        let (sanction, name, until) = match struck.sanction {
            Sanction::None => return,
            Sanction::Limited { until } => (SanctionKind::Limited, "limited", until),
            Sanction::Blocked { until } => (SanctionKind::Blocked, "blocked", until),
        };
        self.metrics.sanctions.of(sanction).increment(1);
        // Each peer climbs a rung once in a while, but an attack has many peers.
        if self.is_sampled(whose, now) {
            tracing::info!(
                { field::PEER } = %whose.peer,
                { field::STRIKE } = strike.name(),
                { field::STRIKES } = struck.strikes,
                { field::SANCTION } = name,
                { field::UNTIL } = ?until.since(at),
                "peer sanctioned"
            );
        }
    }
}
