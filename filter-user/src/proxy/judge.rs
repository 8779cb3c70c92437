//! Puts a recipient before the policy and the directory, and says what that means for the session: pass, or which
//! reply and which strike. The rules themselves are the policy's.

use super::shared::Shared;
use crate::address::ForwardPath;
use crate::peers::Strike;
use crate::policy::{Decision, DirectoryAnswer, Facts, Prohibition};
use crate::smtp::{Offence, Reply, reply};

/// What becomes of a recipient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    /// The policy's word.
    pub(super) decision: Decision,
    /// What is said, where it may not pass.
    pub(super) refusal: Option<Reply>,
    /// What it counts as.
    pub(super) strike: Option<Strike>,
}

/// Judges one recipient.
pub(super) fn judge(shared: &Shared, facts: &Facts, path: &ForwardPath<'_>) -> Judgement {
    let placement = shared.policy.place(path);
    let said = match placement.asks_directory() {
        Some(mailbox) => shared.directory.answer(&mailbox),
        None => DirectoryAnswer::NotAsked,
    };
    let decision = shared.policy.decide(facts, &placement, said);
    let (refusal, strike) = match decision {
        Decision::Route | Decision::Relay(_) => (None, None),
        Decision::Prohibited(Prohibition::Disguised) => {
            (Some(reply::RELAYING_PROHIBITED), Some(Strike::DisguisedRelayAttempt))
        }
        Decision::Prohibited(Prohibition::NeverList | Prohibition::RerouteOff | Prohibition::NoGrant) => {
            (Some(reply::RELAYING_PROHIBITED), Some(Strike::RelayAttempt))
        }
        Decision::UnknownRecipient => (Some(reply::UNKNOWN_RECIPIENT), Some(Strike::UnknownRecipient)),
        Decision::TryLater => (Some(reply::DIRECTORY_UNAVAILABLE), None),
    };
    Judgement { decision, refusal, strike }
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
