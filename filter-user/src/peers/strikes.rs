//! The offences that a peer without a grant can commit.

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
