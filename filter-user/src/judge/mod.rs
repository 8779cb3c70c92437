//! Puts a recipient before the policy and the directories, and says what that means for who asked: pass, or which reply
//! and which strike. The rules themselves are the policy's; who asks, a session or a mail server, is not known here.

use std::sync::Arc;

use crate::address::ForwardPath;
use crate::address::disguise::Disguise;
use crate::config::Config;
use crate::lookup::Directories;
use crate::peers::{Enforcer, Register, Strike};
use crate::policy::{Decision, DirectoryAnswer, Facts, Grant, Policy, Prohibition};
use crate::smtp::{Reply, reply};

/// Who judges, and remembers the guilty: one for all who ask.
#[derive(Debug)]
pub struct Judge {
    /// Who may send to whom.
    pub policy: Policy,
    /// Who is here.
    pub directories: Arc<Directories>,
    /// Who did what.
    pub register: Register,
}

/// What becomes of a recipient.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// The policy's word.
    pub decision: Decision,
    /// What it means here.
    pub outcome: Outcome,
    /// The address inside the address, for the log.
    pub disguise: Option<Disguise<'a>>,
}

/// What a decision means for who asked.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// The backend may be asked.
    Pass(Passage),
    /// It may not: what is said, and what it counts as.
    Refuse(Reply, Option<Strike>),
}

/// Why a recipient may be handed to the backend. Nothing reaches it without one; a foreign one needs a [`Grant`], which
/// only a restriction that matched can make.
#[derive(Clone, Copy, Debug)]
pub enum Passage {
    /// It is local.
    Route,
    /// It is not, and the session may relay.
    Relay(Grant),
}

impl Judge {
    /// Knows the rules and the directories, and nobody's offence yet.
    #[must_use]
    pub fn new(config: &Config, directories: Arc<Directories>, enforcer: Arc<dyn Enforcer>) -> Self {
        let register = Register::new(
            config.ladder(),
            config.strike_weights,
            config.peer_prefixes,
            &config.allow,
            config.max_peers,
            enforcer,
        );
        Self { policy: Policy::new(&config.policy_settings()), directories, register }
    }

    /// Judges one recipient.
    #[must_use]
    pub fn judge<'a>(&self, facts: &Facts<'_>, path: &ForwardPath<'a>) -> Judgement<'a> {
        let placement = self.policy.place(path);
        let said = match placement.asks_directory() {
            Some(mailbox) => self.directories.answer(&mailbox),
            None => DirectoryAnswer::NotAsked,
        };
        let decision = self.policy.decide(facts, &placement, said);
        Judgement { decision, outcome: Outcome::of(decision), disguise: placement.disguise() }
    }
}

impl Outcome {
    fn of(decision: Decision) -> Self {
        let prohibited = |strike| Self::Refuse(reply::RELAYING_PROHIBITED, Some(strike));
        match decision {
            Decision::Route => Self::Pass(Passage::Route),
            Decision::Relay(grant) => Self::Pass(Passage::Relay(grant)),
            Decision::Prohibited(Prohibition::Disguised) => prohibited(Strike::DisguisedRelayAttempt),
            Decision::Prohibited(Prohibition::NeverList | Prohibition::RerouteOff | Prohibition::NoGrant) => {
                prohibited(Strike::RelayAttempt)
            }
            Decision::UnknownRecipient => {
                Self::Refuse(reply::UNKNOWN_RECIPIENT, Some(Strike::UnknownRecipient))
            }
            Decision::TryLater => Self::Refuse(reply::DIRECTORY_UNAVAILABLE, None),
        }
    }
}
