//! What the kernel knows of hosts, as userspace writes it: the maps `PEERS` and `AUTHENTICATED`. Another table in the
//! kernel replaces this file and its counterpart, `filter-ebpf/src/decide.rs`, and nothing else.

use aya::maps::{HashMap, MapData, MapError};
use filter_common::{PeerEntry, PeerKey, Sanction, Timestamp};

use super::held::Held;

/// Why a host is not in the kernel's maps.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotHeld {
    /// As many are held as were allowed, and none of them is over.
    #[error("the map is full")]
    Full,
    /// The kernel said no.
    #[error("the kernel refused the entry: {0}")]
    Refused(MapError),
}

/// The maps and what is in them.
#[derive(Debug)]
pub(super) struct HostTable {
    peers: HashMap<MapData, PeerKey, PeerEntry>,
    authenticated: HashMap<MapData, PeerKey, u64>,
    /// With each, when its sanction was put in force.
    sanctioned: Held<Timestamp>,
    exempt: Held<()>,
}

impl HostTable {
    pub(super) fn new(
        peers: HashMap<MapData, PeerKey, PeerEntry>,
        authenticated: HashMap<MapData, PeerKey, u64>,
        max_peers: usize,
        max_authenticated: usize,
    ) -> Self {
        Self { peers, authenticated, sanctioned: Held::new(max_peers), exempt: Held::new(max_authenticated) }
    }

    /// Puts a sanction in force in place of an earlier one. What the peer took from its limiter stays taken: another
    /// strike must not earn it a fresh burst.
    pub(super) fn sanction(
        &mut self,
        peer: PeerKey,
        sanction: Sanction,
        now: Timestamp,
    ) -> Result<(), NotHeld> {
        let until = match sanction.at(now) {
            Sanction::None => {
                self.lift(peer);
                return Ok(());
            }
            Sanction::Limited { until } | Sanction::Blocked { until } => until,
        };
        if !self.sanctioned.has_room_for(peer) {
            self.sweep_peers(now, 1);
        }
        if !self.sanctioned.has_room_for(peer) {
            return Err(NotHeld::Full);
        }
        let arrival = match self.sanctioned.get(peer) {
            Some(_) => self.peers.get(&peer, 0).map_or(0, |entry| entry.arrival),
            None => 0,
        };
        self.peers.insert(peer, PeerEntry::new(sanction, arrival), 0).map_err(NotHeld::Refused)?;
        self.sanctioned.put(peer, until, now);
        Ok(())
    }

    /// Takes a peer's sanction out of the kernel.
    pub(super) fn lift(&mut self, peer: PeerKey) {
        if self.sanctioned.remove(peer) {
            // Absent is what it shall be; any other failure leaves an entry that ends by itself.
            let _ = self.peers.remove(&peer);
        }
    }

    /// Exempts a peer from sanctions until then.
    pub(super) fn authenticate(
        &mut self,
        peer: PeerKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), NotHeld> {
        if until <= now {
            if self.exempt.remove(peer) {
                let _ = self.authenticated.remove(&peer);
            }
            return Ok(());
        }
        if !self.exempt.has_room_for(peer) {
            self.sweep_authenticated(now, 1);
        }
        if !self.exempt.has_room_for(peer) {
            return Err(NotHeld::Full);
        }
        self.authenticated.insert(peer, until.0, 0).map_err(NotHeld::Refused)?;
        self.exempt.put(peer, until, ());
        Ok(())
    }

    /// Whether the kernel knows at `now` that this peer has authenticated.
    pub(super) fn knows_authenticated(&self, peer: PeerKey, now: Timestamp) -> bool {
        self.exempt.get(peer).is_some_and(|(until, ())| *until > now)
    }

    /// When the sanction that is in force for a peer was put in force.
    pub(super) fn in_force_since(&self, peer: PeerKey) -> Option<Timestamp> {
        self.sanctioned.get(peer).map(|(_, since)| *since)
    }

    /// How many peers are sanctioned and how many are authenticated, what is over included until it is swept.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.sanctioned.len(), self.exempt.len())
    }

    /// Removes up to `at_most` of each kind that are over.
    pub(super) fn sweep(&mut self, now: Timestamp, at_most: usize) -> usize {
        self.sweep_peers(now, at_most) + self.sweep_authenticated(now, at_most)
    }

    fn sweep_peers(&mut self, now: Timestamp, at_most: usize) -> usize {
        let mut swept = 0;
        while swept < at_most
            && let Some(peer) = self.sanctioned.take_over(now)
        {
            let _ = self.peers.remove(&peer);
            swept += 1;
        }
        swept
    }

    fn sweep_authenticated(&mut self, now: Timestamp, at_most: usize) -> usize {
        let mut swept = 0;
        while swept < at_most
            && let Some(peer) = self.exempt.take_over(now)
        {
            let _ = self.authenticated.remove(&peer);
            swept += 1;
        }
        swept
    }
}
