//! Where sanctions are enforced: the kernel's maps, or this process alone.

use filter_common::{PeerKey, Sanction, Timestamp};
use ipnet::IpNet;

use super::bounded::Sharding;
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

/// What a peer has lost to its sanctions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Packets.
    pub packets: u64,
    /// Octets of them.
    pub octets: u64,
    /// When the first was.
    pub first: Option<Timestamp>,
    /// When the last was, as far as is known.
    pub last: Option<Timestamp>,
}

/// Why a network cannot be exempted, or not any more.
#[derive(Debug, thiserror::Error)]
#[error("the kernel does not take the network {network}: {reason}")]
pub struct NotExempted {
    /// Which.
    pub network: IpNet,
    /// What the kernel said.
    pub reason: String,
}

/// Puts sanctions in force. Called by every worker: implementations are shared and must not block for long.
pub trait Enforcer: Send + Sync {
    /// Puts a sanction in force in place of an earlier one; [`Sanction::None`] lifts it.
    fn enforce(&self, peer: PeerKey, sanction: Sanction, now: Timestamp);
    /// This peer has authenticated: no sanction is applied to it until then; a time that is over ends it.
    fn authenticate(&self, peer: PeerKey, until: Timestamp, now: Timestamp);
    /// The same of a peer that an earlier process knew to have authenticated. When it did is not known any more, so its use
    /// does not prolong that.
    fn inherit(&self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        self.authenticate(peer, until, now);
    }

    /// What is done with a connection that was just accepted. Order: authenticated, then sanctions.
    fn admit(&self, peer: PeerKey, now: Timestamp) -> Admission;
    /// What is in force at `now` for the peers of one shard, of [`SHARDS`](super::SHARDS).
    fn held_in_shard(&self, shard: usize, now: Timestamp) -> Vec<Held>;
    /// In which of them a peer is.
    fn sharding(&self) -> Sharding;
    /// A number that is another one when what is in force may be something else.
    fn changes(&self) -> u64;
    /// Which home this is.
    fn home(&self) -> Home;
    /// What is in force at `now` for a peer.
    fn held(&self, peer: PeerKey, now: Timestamp) -> Option<Held>;
    /// Whether the kernel has what is in force for a peer.
    fn is_installed(&self, peer: PeerKey) -> bool {
        let _ = peer;
        false
    }
    /// The network that a peer is in, where new connections of all of it are limited: too many of its peers are blocked.
    fn limited_network(&self, peer: PeerKey, now: Timestamp) -> Option<IpNet> {
        let _ = (peer, now);
        None
    }

    /// What a peer has lost to its sanctions, where somebody counts it.
    fn dropped(&self, peer: PeerKey) -> Dropped {
        let _ = peer;
        Dropped::default()
    }
    /// From now on nothing of this network is dropped, or is like anybody's again. Who calls it lifts what is in force
    /// for its peers, and puts in force anew what is for a peer that only a part of it is exempt of.
    fn exempt(&self, network: IpNet, exempt: bool) -> Result<(), NotExempted> {
        let _ = (network, exempt);
        Ok(())
    }
}
