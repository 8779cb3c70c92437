//! What the kernel knows of hosts, as userspace writes it: who stands in the table, within its bounds. What shall stand
//! there it is told; it neither decides nor remembers that.

use std::time::Duration;

use filter_common::table::{Drops, Entry, Kind, Meter, Standing};
use filter_common::{PeerKey, Timestamp};
use ipnet::IpNet;

use super::aggregates::Aggregates;
use super::allow::Allowed;
use super::authenticated::Authenticated;
use super::growing_table::{GrowingTable, NotHeld};

/// How many hosts the table holds at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Limited and blocked.
    pub(super) max_peers: usize,
    /// Authenticated.
    pub(super) max_authenticated: usize,
    /// How long use may prolong an authentication.
    pub(super) authenticated_max: Duration,
}

/// What shall stand for a host: nothing, or this until then.
pub(super) type Wanted = Option<(Kind, Timestamp)>;

/// What was done so that the table holds what it shall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Whether anything was.
    pub(super) changed: bool,
    /// Drops that were metered under what stood before.
    pub(super) drops: Drops,
}

/// The table and what is counted of it.
#[derive(Debug)]
pub(super) struct HostTable {
    table: GrowingTable,
    authenticated: Authenticated,
    aggregates: Aggregates,
    allowed: Allowed,
    max_peers: usize,
    evicted: u64,
}

impl HostTable {
    /// The table as it was found; [`Self::inherit`] looks at who is in it.
    pub(super) fn new(table: GrowingTable, aggregates: Aggregates, allowed: Allowed, bounds: Bounds) -> Self {
        let authenticated = Authenticated::new(bounds.max_authenticated, bounds.authenticated_max);
        Self { table, authenticated, aggregates, allowed, max_peers: bounds.max_peers, evicted: 0 }
    }

    /// Counts who was in the table before this process, and tells of each. What is over goes.
    pub(super) fn inherit(&mut self, now: Timestamp, mut tell: impl FnMut(PeerKey, Kind, Timestamp)) {
        let entries: Vec<Entry> = self.table.current().entries(0..u32::MAX).collect();
        for Entry { peer, standing, .. } in entries {
            if standing.until <= now {
                self.table.remove(peer);
                continue;
            }
            match standing.kind {
                Kind::Authenticated => {
                    if let Some(evicted) = self.authenticated.inherit(peer, standing.until) {
                        self.evict(evicted);
                        if evicted == peer {
                            continue;
                        }
                    }
                }
                Kind::Blocked => self.aggregates.blocked(peer, standing.until, now),
                Kind::Limited => {}
            }
            // The allow list may be another than the last process had.
            let _ =
                self.table.insert(peer, self.standing(peer, standing.kind, standing.until), Meter::default());
            tell(peer, standing.kind, standing.until);
        }
    }

    /// A peer has authenticated just now.
    pub(super) fn authenticate(
        &mut self,
        peer: PeerKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Done, NotHeld> {
        match self.authenticated.authenticate(peer, until, now) {
            Some(evicted) if evicted == peer => {
                self.evicted += 1;
                Ok(self.take_out(peer))
            }
            Some(evicted) => {
                self.evict(evicted);
                self.put(peer, Kind::Authenticated, until, now)
            }
            None => self.put(peer, Kind::Authenticated, until, now),
        }
    }

    /// Lets the table hold what it shall of a peer.
    pub(super) fn accord(&mut self, peer: PeerKey, wanted: Wanted, now: Timestamp) -> Result<Done, NotHeld> {
        let Some((kind, until)) = wanted else { return Ok(self.take_out(peer)) };
        match (kind, self.authenticated.until(peer)) {
            (Kind::Authenticated, Some(known)) if known == until => self.put(peer, kind, until, now),
            (Kind::Authenticated, Some(_)) => {
                // When it authenticated is not known: use does not prolong it.
                self.authenticated.inherit(peer, until);
                self.put(peer, kind, until, now)
            }
            (Kind::Authenticated, None) if self.authenticated.has_room() => {
                self.authenticated.inherit(peer, until);
                self.put(peer, kind, until, now)
            }
            // It was evicted. It must not be dropped where nobody knows that it has authenticated.
            (Kind::Authenticated, None) => Ok(self.take_out(peer)),
            (Kind::Limited | Kind::Blocked, _) => {
                self.authenticated.remove(peer);
                let is_sanctioned =
                    self.table.get(peer).is_some_and(|entry| entry.standing.kind != Kind::Authenticated);
                if !is_sanctioned && self.sanctioned() >= self.max_peers {
                    self.take_out(peer);
                    return Err(NotHeld::Full);
                }
                self.put(peer, kind, until, now)
            }
        }
    }

    /// Whether the table holds what it shall; where a peer was evicted, that is nothing.
    pub(super) fn accords(&self, peer: PeerKey, wanted: Wanted) -> bool {
        let held = self.table.get(peer).map(|entry| entry.standing);
        match (held, wanted) {
            (None, None) => true,
            (None, Some((Kind::Authenticated, _))) => !self.authenticated.has_room(),
            (Some(held), Some((kind, until))) => held == self.standing(peer, kind, until),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// What is metered of a peer since the last time: its drops, and until when its use of an exemption prolongs that.
    pub(super) fn harvest(&mut self, peer: PeerKey, now: Timestamp) -> (Drops, Option<Timestamp>) {
        let Some((drops, is_used)) = self.table.harvest(peer) else { return (Drops::default(), None) };
        let until = if is_used { self.authenticated.used(peer, now) } else { None };
        if let Some(until) = until {
            // In place: there is always room for it.
            let _ = self.put(peer, Kind::Authenticated, until, now);
        }
        (drops, until)
    }

    /// Notes that a network is allowed, or not any more: the program asks the allow list for those alone that it overlaps.
    pub(super) fn exempt(&mut self, network: IpNet, exempt: bool) {
        self.allowed.set(network, exempt);
        let all = self.table.current().entries(0..u32::MAX);
        let changed: Vec<_> = all
            .map(|Entry { peer, standing, .. }| {
                (peer, standing, self.standing(peer, standing.kind, standing.until))
            })
            .filter(|(_, before, shall)| before != shall)
            .collect();
        for (peer, _, shall) in changed {
            // In place of what stands there, so there is room; of the same kind, so nothing is metered for another.
            let _ = self.table.insert(peer, shall, Meter::default());
        }
    }

    /// Renews what is due of the limits of networks, as many as that; whether others are left.
    pub(super) fn renew_networks(&mut self, most: usize, now: Timestamp) -> bool {
        self.aggregates.renew(most, now)
    }

    /// Takes a peer out.
    pub(super) fn take_out(&mut self, peer: PeerKey) -> Done {
        self.authenticated.remove(peer);
        let Some(entry) = self.table.remove(peer) else { return Done::default() };
        if entry.standing.kind == Kind::Blocked {
            self.aggregates.unblocked(peer);
        }
        Done { changed: true, drops: entry.meter.harvest(entry.standing.kind).1 }
    }

    /// The table, to grow.
    pub(super) fn table_mut(&mut self) -> &mut GrowingTable {
        &mut self.table
    }

    /// The table.
    pub(super) fn table(&self) -> &GrowingTable {
        &self.table
    }

    /// How many peers are sanctioned.
    pub(super) fn sanctioned(&self) -> usize {
        self.table.count(Kind::Limited) + self.table.count(Kind::Blocked)
    }

    /// Authenticated peers that had to go for others.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Networks that are limited.
    pub(super) fn limited_networks(&self) -> usize {
        self.aggregates.limited()
    }

    /// The network of a peer, where that is limited.
    pub(super) fn limited_network(&self, peer: PeerKey, now: Timestamp) -> Option<IpNet> {
        self.aggregates.limited_network(peer, now)
    }

    fn evict(&mut self, peer: PeerKey) {
        self.evicted += 1;
        if self.table.get(peer).is_some_and(|entry| entry.standing.kind == Kind::Authenticated) {
            self.table.remove(peer);
        }
    }

    fn put(&mut self, peer: PeerKey, kind: Kind, until: Timestamp, now: Timestamp) -> Result<Done, NotHeld> {
        let standing = self.standing(peer, kind, until);
        let before = self.table.get(peer).map(|entry| entry.standing);
        if before == Some(standing) {
            return Ok(Done::default());
        }
        let drops = self.table.insert(peer, standing, Meter::default()).inspect_err(|_| {
            // Nothing stands for it now either way.
            self.authenticated.remove(peer);
        })?;
        let was_blocked = before.is_some_and(|before| before.kind == Kind::Blocked);
        match (was_blocked, kind == Kind::Blocked) {
            (false, true) => self.aggregates.blocked(peer, standing.until, now),
            (true, true) => self.aggregates.prolonged(peer, standing.until, now),
            (true, false) => self.aggregates.unblocked(peer),
            (false, false) => {}
        }
        Ok(Done { changed: true, drops })
    }

    /// As the table keeps it.
    fn standing(&self, peer: PeerKey, kind: Kind, until: Timestamp) -> Standing {
        // Who has authenticated is never dropped.
        let overlaps_allow = kind != Kind::Authenticated && self.allowed.overlaps(peer);
        Standing { kind, until, overlaps_allow }.as_kept()
    }
}
