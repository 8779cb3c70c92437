//! Puts a recipient before the policy and the directory, and says what that means for the session: pass, or which
//! reply and which strike. The rules themselves are the policy's.

use super::delivery::Passage;
use super::shared::Shared;
use crate::address::ForwardPath;
use crate::address::disguise::Disguise;
use crate::peers::Strike;
use crate::policy::{Decision, DirectoryAnswer, Facts, Prohibition};
use crate::smtp::{Offence, Reply, reply};

/// What becomes of a recipient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement<'a> {
    /// The policy's word.
    pub(super) decision: Decision,
    /// What it means here.
    pub(super) outcome: Outcome,
    /// The address inside the address, for the log.
    pub(super) disguise: Option<Disguise<'a>>,
}

/// What a decision means for the session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// The backend may be asked.
    Pass(Passage),
    /// It may not: what is said, and what it counts as.
    Refuse(Reply, Option<Strike>),
}

/// Judges one recipient.
pub(super) fn judge<'a>(shared: &Shared, facts: &Facts, path: &ForwardPath<'a>) -> Judgement<'a> {
    let placement = shared.policy.place(path);
    let said = match placement.asks_directory() {
        Some(mailbox) => shared.directory.answer(&mailbox),
        None => DirectoryAnswer::NotAsked,
    };
    let decision = shared.policy.decide(facts, &placement, said);
    let prohibited = |strike| Outcome::Refuse(reply::RELAYING_PROHIBITED, Some(strike));
    let outcome = match decision {
        Decision::Route => Outcome::Pass(Passage::Route),
        Decision::Relay(grant) => Outcome::Pass(Passage::Relay(grant)),
        Decision::Prohibited(Prohibition::Disguised) => prohibited(Strike::DisguisedRelayAttempt),
        Decision::Prohibited(Prohibition::NeverList | Prohibition::RerouteOff | Prohibition::NoGrant) => {
            prohibited(Strike::RelayAttempt)
        }
        Decision::UnknownRecipient => {
            Outcome::Refuse(reply::UNKNOWN_RECIPIENT, Some(Strike::UnknownRecipient))
        }
        Decision::TryLater => Outcome::Refuse(reply::DIRECTORY_UNAVAILABLE, None),
    };
    Judgement { decision, outcome, disguise: placement.disguise() }
}

/// What an offence against the protocol counts as.
pub(super) fn strike_of(offence: Offence) -> Strike {
    match offence {
        Offence::EarlyTalker
        | Offence::NotSmtp
        | Offence::TooManyErrors
        | Offence::BareNewline
        | Offence::LineTooLong => Strike::ProtocolAbuse,
    }
}
