//! What the kernel does with a packet, and why. The rule that finds the reason is `judge`.

use crate::Counter;

/// What the kernel does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the network stack.
    Pass,
    /// It is gone.
    Drop,
    /// It is gone, and its sender gets a TCP reset.
    Reset,
    /// It is gone, and its sender gets a SYN-ACK with a tiny window, behind which nobody is.
    Tarpit,
}

/// What happens to the packets of blocked peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum BlockAction {
    /// Nothing comes back.
    #[default]
    Drop = 0,
    /// A TCP reset comes back, so that the peer gives up at once.
    Reset = 1,
    /// A SYN is answered as if somebody were there, so that the peer wastes its time.
    Tarpit = 2,
}

impl BlockAction {
    /// The action with this number; what is not known drops.
    #[must_use]
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Reset,
            2 => Self::Tarpit,
            _ => Self::Drop,
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $variant:ident: $word:literal, $verdict:ident, $counter:ident;)+) => {
        /// Why a packet has its verdict. Every packet has exactly one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Reason { $($(#[doc = $meaning])+ $variant,)+ }

        impl Reason {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The verdict that follows; a blocked peer's may be another, as its [`BlockAction`] says.
            #[must_use]
            #[inline(always)]
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$variant => Verdict::$verdict,)+ }
            }

            /// Where the packet is counted, if it has this reason's usual verdict.
            #[must_use]
            #[inline(always)]
            pub const fn counter(self) -> Counter {
                match self { $(Self::$variant => Counter::$counter,)+ }
            }

            /// A word for the log.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

reasons! {
    /// Not TCP for what is protected.
    NotOurs: "not ours", Pass, PassedNotOurs;
    /// Cut short or made so that it cannot be read.
    Unparsed: "unparsed", Pass, PassedUnparsed;
    /// A later fragment of TCP, of a peer that is not blocked.
    Fragment: "fragment", Pass, PassedFragment;
    /// The peer has authenticated a while ago.
    Authenticated: "authenticated", Pass, PassedAuthenticated;
    /// It would have been dropped, but its address is on the allow list.
    Allowed: "allowed", Pass, PassedAllowed;
    /// Nothing is known against the peer.
    Unknown: "unknown", Pass, PassedUnknown;
    /// What was known of the peer is over.
    Expired: "expired", Pass, PassedExpired;
    /// The peer is limited, and this is within its rate or belongs to a connection that was.
    WithinLimit: "within limit", Pass, PassedLimited;
    /// The peer is blocked.
    Blocked: "blocked", Drop, DroppedBlocked;
    /// A later fragment of a blocked peer.
    BlockedFragment: "blocked fragment", Drop, DroppedFragment;
    /// The peer is limited, and this opens a connection beyond its rate.
    BeyondLimit: "beyond limit", Drop, DroppedLimited;
    /// The peer's network is limited, and this opens a connection beyond its rate.
    BeyondNetworkLimit: "beyond network limit", Drop, DroppedNetwork;
    /// This opens a connection beyond the rate that every peer has.
    BeyondSynLimit: "beyond SYN limit", Drop, DroppedSynLimit;
}

impl Reason {
    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// Where a packet with this reason and this verdict is counted.
#[must_use]
#[inline(always)]
pub const fn counter(reason: Reason, verdict: Verdict) -> Counter {
    match verdict {
        Verdict::Reset => Counter::ResetBlocked,
        Verdict::Tarpit => Counter::TarpittedBlocked,
        Verdict::Pass | Verdict::Drop => reason.counter(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_counters_are_numbered_alike_and_say_what_they_do() {
        for (number, reason) in Reason::ALL.iter().copied().enumerate() {
            assert_eq!(Reason::from_number(number as u32), Some(reason));
            let prefix = match reason.verdict() {
                Verdict::Pass => "passed_",
                Verdict::Drop => "dropped_",
                answer @ (Verdict::Reset | Verdict::Tarpit) => {
                    panic!("{reason:?} always answers: {answer:?}")
                }
            };
            assert!(reason.counter().name().starts_with(prefix), "{reason:?}");
            assert_eq!(Reason::ALL.iter().filter(|other| other.counter() == reason.counter()).count(), 1);
        }
        assert_eq!(Reason::from_number(Reason::ALL.len() as u32), None);
    }

    #[test]
    fn an_unknown_action_drops() {
        for action in [BlockAction::Drop, BlockAction::Reset, BlockAction::Tarpit] {
            assert_eq!(BlockAction::from_number(action as u32), action);
        }
        assert_eq!(BlockAction::from_number(77), BlockAction::Drop);
    }
}
