//! What Postfix is told to do with a recipient: an action of access(5).

use std::fmt;

use crate::smtp::{Reply, reply};

/// An action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing is said against it: what stands behind us in Postfix's list decides.
    Dunno,
    /// It may be relayed: the list ends here.
    Permit,
    /// The client is told this reply.
    Say(String),
    /// The client is told this reply, and is hung up on. Only for a code of 421 or 521, which Postfix takes so.
    HangUp(String),
    /// The request made no sense. What would refuse the recipient for good still does; else the client tries again later.
    TryLater,
}

impl Action {
    /// The client is told a reply of ours.
    pub(super) fn reply(reply: Reply) -> Self {
        Self::Say(reply.line.trim_end().to_owned())
    }

    /// The client is told a refusal of ours, and hung up on: its packets are dropped from now on, and Postfix would wait
    /// for them.
    pub(super) fn last_reply(reply: Reply) -> Self {
        let text = reply.line.trim_end();
        Self::HangUp(format!("521{}", text.get(3..).unwrap_or_default()))
    }

    /// The client is blocked, and the kernel does not drop it.
    pub(super) fn blocked() -> Self {
        let text = reply::PEER_BLOCKED.line.trim_end();
        // Behind the code and the enhanced code.
        let words = text.splitn(3, ' ').nth(2).unwrap_or_default();
        Self::HangUp(format!("421 4.7.0 {words}"))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dunno => f.write_str("DUNNO"),
            Self::Permit => f.write_str("OK"),
            Self::Say(reply) | Self::HangUp(reply) => f.write_str(reply),
            Self::TryLater => {
                f.write_str("DEFER_IF_PERMIT 4.3.5 the policy request makes no sense, try again later")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_one_that_postfix_knows() {
        for (action, text) in [
            (Action::Dunno, "DUNNO"),
            (Action::Permit, "OK"),
            (Action::reply(reply::RELAYING_PROHIBITED), "550 5.7.1 relaying is prohibited"),
            (Action::last_reply(reply::RELAYING_PROHIBITED), "521 5.7.1 relaying is prohibited"),
            (Action::blocked(), "421 4.7.0 your address is blocked for its offences"),
        ] {
            assert_eq!(action.to_string(), text);
        }
    }
}
