//! What is in force, as values that can be put away and given back.

use filter_common::{PeerKey, Sanction, Timestamp};

use super::{InForce, LocalEnforcer};
use crate::peers::bounded::Worth as _;

/// What is in force for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// For whom.
    pub peer: PeerKey,
    /// What.
    pub sanction: Sanction,
    /// Until when it counts as authenticated.
    pub authenticated_until: Timestamp,
}

impl Held {
    pub(super) fn of(peer: PeerKey, in_force: &InForce, now: Timestamp) -> Self {
        Self { peer, sanction: in_force.sanction.at(now), authenticated_until: in_force.authenticated_until }
    }
}

impl LocalEnforcer {
    /// What is in force at `now` for the peers of one shard. The shard is locked while it is copied, the others are not.
    pub(super) fn of_shard(&self, shard: usize, now: Timestamp) -> Vec<Held> {
        let peers = self.peers.shard(shard);
        let in_force = peers.iter().filter(|(_, in_force)| in_force.worth(now) > 0);
        in_force.map(|(peer, in_force)| Held::of(*peer, in_force, now)).collect()
    }
}
