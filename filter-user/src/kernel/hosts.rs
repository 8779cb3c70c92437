//! What the kernel knows of hosts, as userspace writes it: one generation of the table, large enough from the start.

use filter_common::table::{Entry, Full, Kind, Meter, Standing, Table};
use filter_common::{Mapped, PeerKey, Sanction, Timestamp};
use ipnet::IpNet;

use super::allowed::Allowed;
use super::held::Held;
use crate::peers::{Enforcer as _, LocalEnforcer};

/// Why a host is not in the kernel's maps.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotHeld {
    /// As many are held as were allowed, and none of them is over.
    #[error("the table is full")]
    Full,
}

/// The table and what is in it.
#[derive(Debug)]
pub(super) struct HostTable {
    table: Table<Mapped>,
    allowed: Allowed,
    /// With each, when its sanction was put in force.
    sanctioned: Held<Timestamp>,
    exempt: Held<()>,
}

impl HostTable {
    pub(super) fn new(
        table: Table<Mapped>,
        allowed: Allowed,
        max_peers: usize,
        max_authenticated: usize,
    ) -> Self {
        Self { table, allowed, sanctioned: Held::new(max_peers), exempt: Held::new(max_authenticated) }
    }

    /// Takes for its own what an earlier process has put into the table, and tells `local`, which is to want the same.
    pub(super) fn adopt(&mut self, local: &LocalEnforcer) {
        let now = Timestamp(0);
        let (mut limited, mut blocked, mut authenticated) = (0, 0, 0);
        for Entry { peer, standing: Standing { kind, until, .. }, .. } in
            self.table.entries(0..self.table.buckets())
        {
            match kind {
                Kind::Limited => {
                    limited += 1;
                    self.sanctioned.put(peer, until, now);
                    local.enforce(peer, Sanction::Limited { until }, now);
                }
                Kind::Blocked => {
                    blocked += 1;
                    self.sanctioned.put(peer, until, now);
                    local.enforce(peer, Sanction::Blocked { until }, now);
                }
                Kind::Authenticated => {
                    authenticated += 1;
                    self.exempt.put(peer, until, ());
                    local.authenticate(peer, until, now);
                }
            }
        }
        tracing::info!(
            "what an earlier relaygate left in the kernel is taken over: {blocked} blocked, {limited} limited, \
             {authenticated} authenticated"
        );
    }

    /// Puts a sanction in force in place of an earlier one. What the peer took from its limiter stays taken: another
    /// strike must not earn it a fresh burst. Whoever counts as authenticated gets none.
    pub(super) fn sanction(
        &mut self,
        peer: PeerKey,
        sanction: Sanction,
        now: Timestamp,
    ) -> Result<(), NotHeld> {
        let (kind, until) = match sanction.at(now) {
            Sanction::None => {
                self.lift(peer);
                return Ok(());
            }
            Sanction::Limited { until } => (Kind::Limited, until),
            Sanction::Blocked { until } => (Kind::Blocked, until),
        };
        if self.knows_authenticated(peer, now) {
            return Ok(());
        }
        if !self.sanctioned.has_room_for(peer) {
            self.sweep_peers(now, 1);
        }
        if !self.sanctioned.has_room_for(peer) {
            return Err(NotHeld::Full);
        }
        self.put(peer, kind, until)?;
        self.exempt.remove(peer);
        self.sanctioned.put(peer, until, now);
        Ok(())
    }

    /// Takes a peer's sanction out of the kernel.
    pub(super) fn lift(&mut self, peer: PeerKey) {
        if self.sanctioned.remove(peer) {
            self.table.remove(peer);
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
                self.table.remove(peer);
            }
            return Ok(());
        }
        if !self.exempt.has_room_for(peer) {
            self.sweep_authenticated(now, 1);
        }
        if !self.exempt.has_room_for(peer) {
            return Err(NotHeld::Full);
        }
        self.put(peer, Kind::Authenticated, until)?;
        self.sanctioned.remove(peer);
        self.exempt.put(peer, until, ());
        Ok(())
    }

    fn put(&mut self, peer: PeerKey, kind: Kind, until: Timestamp) -> Result<(), NotHeld> {
        let standing = Standing { kind, until, overlaps_allow: self.allowed.overlaps(peer) };
        self.table.insert(peer, standing, Meter::default()).map(|_| ()).map_err(|Full| NotHeld::Full)
    }

    /// Notes that a network is allowed, or not any more: the program asks the allow list for those alone that it overlaps.
    pub(super) fn set_allowed(&mut self, network: IpNet, allowed: bool) {
        self.allowed.set(network, allowed);
        let all = self.table.entries(0..self.table.buckets());
        let changed: Vec<_> = all
            .filter(|entry| entry.standing.overlaps_allow != self.allowed.overlaps(entry.peer))
            .map(|entry| (entry.peer, entry.standing))
            .collect();
        for (peer, standing) in changed {
            let standing = Standing { overlaps_allow: !standing.overlaps_allow, ..standing };
            // In place of what stands there, so there is room.
            let _ = self.table.insert(peer, standing, Meter::default());
        }
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
            self.table.remove(peer);
            swept += 1;
        }
        swept
    }

    fn sweep_authenticated(&mut self, now: Timestamp, at_most: usize) -> usize {
        let mut swept = 0;
        while swept < at_most
            && let Some(peer) = self.exempt.take_over(now)
        {
            self.table.remove(peer);
            swept += 1;
        }
        swept
    }
}
