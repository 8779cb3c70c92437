//! Puts a recipient before the policy and the directories, and says what that means for who asked: pass, or which reply
//! and which strike. The rules themselves are the policy's; who asks, a session or a mail server, is not known here.

mod clock;
mod docket;

use std::sync::Arc;

use crate::address::ForwardPath;
use crate::address::disguise::Disguise;
use crate::config::{Config, RouteAnswer};
use crate::lookup::Directories;
use crate::peers::{Enforcer, Register, Strike};
use crate::policy::{
    AnswerId, BackendId, Decision, DirectoryAnswer, Facts, Grant, Placement, Policy, Prohibition, RouteId,
};
use crate::smtp::{Reply, reply};
pub use clock::boot_now;
pub use docket::{Docket, Whose};

/// Who judges, and remembers the guilty: one for all who ask.
#[derive(Debug)]
pub struct Judge {
    /// What each answer of the routing table is.
    answers: Vec<RouteAnswer>,
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
    pub outcome: Outcome<'a>,
    /// The address inside the address, for the log.
    pub disguise: Option<Disguise<'a>>,
}

/// What a decision means for who asked.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// The backend may be asked.
    Pass(Passage),
    /// It may not: what is said, and what it counts as.
    Refuse(Reply, Option<Strike>),
    /// It may not, and the routing table has the words for it. No offence: the operator foresaw it.
    Answer(&'a RouteAnswer),
}

/// Why a recipient may be handed to the backend. Nothing reaches it without one; a foreign one needs a [`Grant`], which
/// only a restriction that matched can make.
#[derive(Clone, Copy, Debug)]
pub enum Passage {
    /// It is local, at this backend.
    Route(BackendId),
    /// It is not, and the session may relay: by this host, or by the default backend.
    Relay(Grant, Option<RouteId>),
}

impl Judge {
    /// Knows the rules and the directories, and nobody's offence yet.
    #[must_use]
    pub fn new(config: &Config, directories: Arc<Directories>, enforcer: Arc<dyn Enforcer>) -> Self {
        let register = Register::new(
            config.ladder(),
            config.strike_weights,
            config.peer_prefixes,
            &config.never_sanctioned(),
            config.max_peers,
            enforcer,
        );
        let answers = config.routing.answers.clone();
        Self { answers, policy: Policy::new(&config.policy_settings()), directories, register }
    }

    /// Judges one recipient at once; nothing where a directory has to be asked that takes time: see [`Judge::ask`].
    #[must_use]
    pub fn judge_now<'a>(&'a self, facts: &Facts<'_>, path: &ForwardPath<'a>) -> Option<Judgement<'a>> {
        let placement = self.policy.place(path);
        let said = match placement.asks_directory() {
            Some(mailbox) => self.directories.answer_now(&mailbox)?,
            None => DirectoryAnswer::NotAsked,
        };
        Some(self.decide(facts, &placement, said))
    }

    /// Asks the directories about a recipient, where its placement needs that. Ends in bounded time.
    pub fn ask(&self, path: &ForwardPath<'_>) -> impl Future<Output = DirectoryAnswer> + Send + use<> {
        let asked = self.policy.place(path).asks_directory().map(|mailbox| self.directories.ask(&mailbox));
        async move {
            match asked {
                Some(asked) => asked.await,
                None => DirectoryAnswer::NotAsked,
            }
        }
    }

    /// Judges one recipient of whom the directories have said this.
    #[must_use]
    pub fn judge_told<'a>(
        &'a self,
        facts: &Facts<'_>,
        path: &ForwardPath<'a>,
        said: DirectoryAnswer,
    ) -> Judgement<'a> {
        self.decide(facts, &self.policy.place(path), said)
    }

    fn decide<'a>(
        &'a self,
        facts: &Facts<'_>,
        placement: &Placement<'a>,
        said: DirectoryAnswer,
    ) -> Judgement<'a> {
        let decision = self.policy.decide(facts, placement, said);
        Judgement { decision, outcome: self.outcome(decision), disguise: placement.disguise() }
    }

    fn outcome(&self, decision: Decision) -> Outcome<'_> {
        let prohibited = |strike| Outcome::Refuse(reply::RELAYING_PROHIBITED, Some(strike));
        match decision {
            Decision::Route(backend) => Outcome::Pass(Passage::Route(backend)),
            Decision::Relay(grant, route) => Outcome::Pass(Passage::Relay(grant, route)),
            Decision::Answer(AnswerId(number)) => {
                let answer = usize::try_from(number).ok().and_then(|number| self.answers.get(number));
                // The answers are those of the table that the policy was made from: each is there.
                answer.map_or(Outcome::Refuse(reply::RELAYING_PROHIBITED, None), Outcome::Answer)
            }
            Decision::Prohibited(Prohibition::Disguised) => prohibited(Strike::DisguisedRelayAttempt),
            Decision::Prohibited(Prohibition::NeverList | Prohibition::RerouteOff | Prohibition::NoGrant) => {
                prohibited(Strike::RelayAttempt)
            }
            Decision::UnknownRecipient => {
                Outcome::Refuse(reply::UNKNOWN_RECIPIENT, Some(Strike::UnknownRecipient))
            }
            Decision::TryLater => Outcome::Refuse(reply::DIRECTORY_UNAVAILABLE, None),
        }
    }
}
