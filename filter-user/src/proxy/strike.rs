//! Counts the offences of peers, and lets what they earn bite: here by ending sessions, elsewhere by the enforcer that
//! the register tells.

use filter_common::Sanction;

use super::worker::Worker;
use crate::judge::Whose;
use crate::peers::Strike;
use crate::smtp::Offence;

impl Worker {
    /// Counts a strike; who has a grant earns none. Says whether the peer is blocked now: then its session ends by a
    /// reset, and its others, wherever they are, are told to.
    pub(super) fn strike(&self, whose: Whose, strike: Strike, granted: bool) -> bool {
        if granted {
            return false;
        }
        let now = self.clock.timestamp();
        let Some(struck) = self.shared.judge.register.strike(whose.address, strike, now) else {
            return false;
        };
        self.report.struck(whose, strike, struck, now);
        let blocked = matches!(struck.sanction, Sanction::Blocked { .. });
        if blocked && struck.escalated {
            self.shared.reset_others(whose.peer);
        }
        blocked
    }

    /// Counts an offence against the protocol.
    pub(super) fn note_offence(&self, whose: Whose, offence: Offence, granted: bool) -> bool {
        self.report.offence(whose, offence);
        self.strike(whose, strike_of(offence), granted)
    }
}

/// What an offence against the protocol counts as.
fn strike_of(offence: Offence) -> Strike {
    match offence {
        Offence::AuthNotOffered => Strike::FailedAuth,
        Offence::TooManyUnknownRecipients => Strike::UnknownRecipient,
        Offence::EarlyTalker
        | Offence::TalkBeforeTls
        | Offence::NotSmtp
        | Offence::TooManyErrors
        | Offence::BareNewline
        | Offence::LineTooLong => Strike::ProtocolAbuse,
    }
}
