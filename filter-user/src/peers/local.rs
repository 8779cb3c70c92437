//! The home of sanctions where the kernel cannot help: this process alone, enforced at accept.

mod held;

use filter_common::table::Drops;
use filter_common::{PeerKey, Rate, Sanction, Timestamp, gcra};

use super::bounded::{Sharding, Shards, Worth};
use super::enforcer::{Admission, Dropped, Enforcer, Home};

pub use held::Held;

/// What is in force for a peer.
#[derive(Clone, Copy, Debug, Default)]
struct InForce {
    sanction: Sanction,
    authenticated_until: Timestamp,
    arrival: u64,
    /// When the sanction was put in force.
    since: Timestamp,
    dropped: Dropped,
}

impl Worth for InForce {
    fn worth(&self, now: Timestamp) -> u64 {
        // To forget an authenticated host would refuse an honest one; a block outlasts a limit.
        let authenticated = self.authenticated_until.0.saturating_sub(now.0);
        if authenticated > 0 {
            return u64::MAX;
        }
        match self.sanction.at(now) {
            Sanction::None => 0,
            Sanction::Limited { until } => (until.0 - now.0) / 2,
            Sanction::Blocked { until } => until.0 - now.0,
        }
    }
}

/// Enforces in this process.
#[derive(Debug)]
pub struct LocalEnforcer {
    peers: Shards<InForce>,
    limit: Rate,
}

impl LocalEnforcer {
    /// Limited peers may connect at `limit`; `max_peers` sanctions are held, and few more.
    #[must_use]
    pub fn new(limit: Rate, max_peers: usize) -> Self {
        Self::with_sharding(limit, max_peers, Sharding::default())
    }

    /// The same, with peers shared out as given.
    #[must_use]
    pub fn with_sharding(limit: Rate, max_peers: usize, sharding: Sharding) -> Self {
        Self { peers: Shards::new(max_peers, sharding), limit }
    }

    /// What is in force for a peer at `now`.
    #[must_use]
    pub fn sanction(&self, peer: PeerKey, now: Timestamp) -> Sanction {
        self.peers.of(peer).get_mut(peer).map_or(Sanction::None, |entry| entry.sanction.at(now))
    }

    /// Whether a peer counts as authenticated at `now`.
    #[must_use]
    pub fn is_authenticated(&self, peer: PeerKey, now: Timestamp) -> bool {
        self.peers.of(peer).get_mut(peer).is_some_and(|entry| entry.authenticated_until > now)
    }

    /// When the sanction of a peer was put in force.
    #[must_use]
    pub fn in_force_since(&self, peer: PeerKey) -> Option<Timestamp> {
        let mut peers = self.peers.of(peer);
        peers.get_mut(peer).filter(|entry| entry.sanction != Sanction::None).map(|entry| entry.since)
    }

    /// The kernel has dropped this of a peer until now, since it was last asked.
    pub fn note_dropped(&self, peer: PeerKey, drops: Drops, now: Timestamp) {
        if drops.packets == 0 {
            return;
        }
        if let Some(entry) = self.peers.of(peer).get_mut(peer) {
            let dropped = &mut entry.dropped;
            dropped.packets = dropped.packets.saturating_add(drops.packets);
            dropped.octets = dropped.octets.saturating_add(drops.octets);
            dropped.first.get_or_insert(now);
            dropped.last = Some(now);
        }
    }

    /// Peers that were forgotten to make room for others.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.peers.forgotten()
    }

    /// The memory that they are held in, in octets.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.peers.memory()
    }

    /// Peers held now, sanctioned or authenticated.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Enforcer for LocalEnforcer {
    fn enforce(&self, peer: PeerKey, sanction: Sanction, now: Timestamp) {
        let mut peers = self.peers.of(peer);
        if sanction == Sanction::None {
            match peers.get_mut(peer) {
                Some(entry) if entry.authenticated_until > now => entry.sanction = sanction,
                Some(_) => peers.remove(peer),
                None => {}
            }
        } else {
            let entry = peers.entry(peer, now);
            (entry.sanction, entry.since) = (sanction, now);
        }
    }

    fn authenticate(&self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        self.peers.of(peer).entry(peer, now).authenticated_until = until;
    }

    fn admit(&self, peer: PeerKey, now: Timestamp) -> Admission {
        let mut peers = self.peers.of(peer);
        let Some(entry) = peers.get_mut(peer) else { return Admission::Admitted };
        if entry.authenticated_until > now {
            return Admission::Admitted;
        }
        match entry.sanction.at(now) {
            Sanction::None => Admission::Admitted,
            Sanction::Blocked { .. } => Admission::Blocked,
            Sanction::Limited { .. } => match gcra::step(entry.arrival, now, self.limit) {
                Some(arrival) => {
                    entry.arrival = arrival;
                    Admission::Admitted
                }
                None => Admission::Limited,
            },
        }
    }

    fn held_in_shard(&self, shard: usize, now: Timestamp) -> Vec<Held> {
        self.of_shard(shard, now)
    }

    fn sharding(&self) -> Sharding {
        self.peers.sharding().clone()
    }

    fn changes(&self) -> u64 {
        self.peers.changes()
    }

    fn home(&self) -> Home {
        Home::Process
    }

    fn held(&self, peer: PeerKey, now: Timestamp) -> Option<Held> {
        let mut peers = self.peers.of(peer);
        let in_force = peers.get_mut(peer).filter(|in_force| in_force.worth(now) > 0)?;
        Some(Held::of(peer, in_force, now))
    }

    fn dropped(&self, peer: PeerKey) -> Dropped {
        self.peers.of(peer).get_mut(peer).map_or_else(Dropped::default, |entry| entry.dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    fn enforcer() -> LocalEnforcer {
        LocalEnforcer::new(Rate::new(6, Duration::from_secs(60), 1), 1000)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    #[test]
    fn a_blocked_peer_stays_out_until_its_time_is_over() {
        let enforcer = enforcer();
        let peer = PeerKey::from(PEER);
        enforcer.enforce(peer, Sanction::Blocked { until: at(100) }, at(0));
        assert_eq!(enforcer.admit(peer, at(99)), Admission::Blocked);
        assert_eq!(enforcer.admit(PeerKey::from(Ipv4Addr::LOCALHOST), at(99)), Admission::Admitted);
        assert_eq!(enforcer.admit(peer, at(100)), Admission::Admitted);
    }

    #[test]
    fn a_limited_peer_comes_in_at_its_rate() {
        let enforcer = enforcer();
        let peer = PeerKey::from(PEER);
        enforcer.enforce(peer, Sanction::Limited { until: at(1000) }, at(0));
        let admitted = (0..60).filter(|s| enforcer.admit(peer, at(10 + s)) == Admission::Admitted).count();
        assert_eq!(admitted, 6);
    }

    #[test]
    fn an_authenticated_host_is_never_refused() {
        let enforcer = enforcer();
        let peer = PeerKey::from(PEER);
        enforcer.enforce(peer, Sanction::Blocked { until: at(100) }, at(0));
        enforcer.authenticate(peer, at(50), at(0));
        assert_eq!(enforcer.admit(peer, at(49)), Admission::Admitted);
        assert_eq!(enforcer.admit(peer, at(50)), Admission::Blocked);
    }

    #[test]
    fn what_the_kernel_dropped_is_kept_with_the_peer() {
        let enforcer = enforcer();
        let peer = PeerKey::from(PEER);
        enforcer.note_dropped(peer, Drops { packets: 1, octets: 60 }, at(1));
        assert!(enforcer.is_empty(), "of a peer that is not held, nothing is");
        enforcer.enforce(peer, Sanction::Blocked { until: at(100) }, at(0));
        for (seconds, packets) in [(1, 0), (2, 3), (3, 0), (4, 2)] {
            enforcer.note_dropped(peer, Drops { packets, octets: packets * 60 }, at(seconds));
        }
        let dropped = Dropped { packets: 5, octets: 300, first: Some(at(2)), last: Some(at(4)) };
        assert_eq!((enforcer.dropped(peer), enforcer.in_force_since(peer)), (dropped, Some(at(0))));
    }

    #[test]
    fn a_lifted_sanction_leaves_nothing_behind() {
        let enforcer = enforcer();
        let peer = PeerKey::from(PEER);
        enforcer.enforce(peer, Sanction::Blocked { until: at(100) }, at(0));
        enforcer.enforce(peer, Sanction::None, at(1));
        assert_eq!(enforcer.admit(peer, at(2)), Admission::Admitted);
        assert!(enforcer.is_empty());
    }
}
