//! The offences that a peer without a grant can commit, what each weighs, and the level that they add up to, which
//! leaks away with time.

use std::time::Duration;

use filter_common::Timestamp;

/// One offence; only completed TCP handshakes can earn one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strike {
    /// Tried to relay without a grant.
    RelayAttempt,
    /// Tried to relay by an address inside an address.
    DisguisedRelayAttempt,
    /// Asked for a mailbox that the directory does not know: harvesting.
    UnknownRecipient,
    /// Failed to authenticate.
    FailedAuth,
    /// Broke the protocol: talked before the banner, spoke HTTP, kept erring.
    ProtocolAbuse,
}

impl Strike {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::RelayAttempt,
        Self::DisguisedRelayAttempt,
        Self::UnknownRecipient,
        Self::FailedAuth,
        Self::ProtocolAbuse,
    ];

    /// The kind of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RelayAttempt => "relay_attempt",
            Self::DisguisedRelayAttempt => "disguised_relay_attempt",
            Self::UnknownRecipient => "unknown_recipient",
            Self::FailedAuth => "failed_auth",
            Self::ProtocolAbuse => "protocol_abuse",
        }
    }
}

/// How many strikes one offence of each kind counts for; 0 forgives the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Of a relay attempt.
    pub relay_attempt: u32,
    /// Of a disguised relay attempt.
    pub disguised_relay_attempt: u32,
    /// Of an unknown recipient.
    pub unknown_recipient: u32,
    /// Of a failed AUTH.
    pub failed_auth: u32,
    /// Of protocol abuse.
    pub protocol_abuse: u32,
}

impl Weights {
    /// The weight of a kind.
    #[must_use]
    pub const fn of(&self, strike: Strike) -> u32 {
        match strike {
            Strike::RelayAttempt => self.relay_attempt,
            Strike::DisguisedRelayAttempt => self.disguised_relay_attempt,
            Strike::UnknownRecipient => self.unknown_recipient,
            Strike::FailedAuth => self.failed_auth,
            Strike::ProtocolAbuse => self.protocol_abuse,
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            relay_attempt: 1,
            disguised_relay_attempt: 1,
            unknown_recipient: 1,
            failed_auth: 1,
            protocol_abuse: 1,
        }
    }
}

/// The strikes of a peer that have not leaked away, kept as the moment when all of them will have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrikeLevel {
    empty_at: Timestamp,
}

impl StrikeLevel {
    /// As many strikes as will have leaked away by then.
    #[must_use]
    pub const fn until(empty_at: Timestamp) -> Self {
        Self { empty_at }
    }

    /// Adds strikes, each of which takes `decay` to leak away.
    #[must_use]
    pub fn add(self, weight: u32, decay: Duration, now: Timestamp) -> Self {
        Self { empty_at: self.empty_at.max(now).plus(decay.saturating_mul(weight)) }
    }

    /// How many strikes stand at `now`; one that has leaked in part counts whole, so that the third strike is three.
    #[must_use]
    pub fn strikes(self, decay: Duration, now: Timestamp) -> u32 {
        let left = self.empty_at.since(now).as_nanos();
        u32::try_from(left.div_ceil(decay.as_nanos().max(1))).unwrap_or(u32::MAX)
    }

    /// When fewer than `strikes` will stand.
    #[must_use]
    pub fn below(self, strikes: u32, decay: Duration) -> Timestamp {
        let kept =
            u64::try_from(decay.saturating_mul(strikes.saturating_sub(1)).as_nanos()).unwrap_or(u64::MAX);
        Timestamp(self.empty_at.0.saturating_sub(kept))
    }

    /// As many as stand at `now`, or as `strikes`, whichever is less.
    #[must_use]
    pub fn at_most(self, strikes: u32, decay: Duration, now: Timestamp) -> Self {
        Self { empty_at: self.empty_at.min(now.plus(decay.saturating_mul(strikes))) }
    }

    /// When all have leaked away.
    #[must_use]
    pub const fn empty_at(self) -> Timestamp {
        self.empty_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    #[test]
    fn the_third_strike_is_three_even_if_they_took_a_while() {
        let level = StrikeLevel::default();
        let level = level.add(1, DECAY, at(1000));
        let level = level.add(1, DECAY, at(1100));
        assert_eq!(level.strikes(DECAY, at(1100)), 2);
        let level = level.add(1, DECAY, at(1200));
        assert_eq!(level.strikes(DECAY, at(1200)), 3);
    }

    #[test]
    fn strikes_leak_one_by_one() {
        let level = StrikeLevel::default().add(3, DECAY, at(0));
        assert_eq!(level.strikes(DECAY, at(599)), 3);
        assert_eq!(level.strikes(DECAY, at(600)), 2);
        assert_eq!(level.below(3, DECAY), at(600));
        assert_eq!(level.strikes(DECAY, at(1800)), 0);
        assert_eq!(level.below(1, DECAY), at(1800));
    }

    #[test]
    fn one_strike_now_and_then_never_adds_up() {
        let mut level = StrikeLevel::default();
        for hour in 1..1000 {
            level = level.add(1, DECAY, at(hour * 3600));
            assert_eq!(level.strikes(DECAY, at(hour * 3600)), 1);
        }
    }
}
