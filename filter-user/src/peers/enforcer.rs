//! Where sanctions are enforced: the kernel's maps, or this process alone.

use filter_common::{PeerKey, Sanction, Timestamp};

use super::local::Held;

/// What is done with a connection of a peer when it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is served.
    Admitted,
    /// The peer is limited and this one is beyond its rate.
    Limited,
    /// The peer is blocked.
    Blocked,
}

/// Which home enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The XDP program, and this process for what does not come through it.
    Kernel,
    /// This process, when it accepts.
    Process,
}

/// Puts sanctions in force. Called by every worker: implementations are shared and must not block for long.
pub trait Enforcer: Send + Sync {
    /// Puts a sanction in force in place of an earlier one; [`Sanction::None`] lifts it.
    fn enforce(&self, peer: PeerKey, sanction: Sanction, now: Timestamp);
    /// This peer has authenticated: no sanction is applied to it until then.
    fn authenticate(&self, peer: PeerKey, until: Timestamp, now: Timestamp);
    /// What is done with a connection that was just accepted. Order: authenticated, then sanctions.
    fn admit(&self, peer: PeerKey, now: Timestamp) -> Admission;
    /// What is in force at `now` for the peers of one shard, of [`SHARDS`](super::SHARDS).
    fn held_in_shard(&self, shard: usize, now: Timestamp) -> Vec<Held>;
    /// A number that is another one when what is in force may be something else.
    fn changes(&self) -> u64;
    /// Which home this is.
    fn home(&self) -> Home;
}
