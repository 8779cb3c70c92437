//! The register of peers: who has how many strikes, in bounded memory; puts what they earn in force.

mod edit;
mod inherited;
mod remembered;
mod roll;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use filter_common::{PeerKey, PrefixLengths, Sanction, Timestamp};
use ipnet::IpNet;

use super::allow_list::AllowList;
use super::bounded::{Shards, Worth};
use super::enforcer::{Admission, Enforcer};
use super::ladder::Ladder;
use super::orders::Orders;
use super::strikes::{Strike, StrikeLevel, Weights};

pub use edit::EditError;
pub use inherited::Inherited;
pub use remembered::Remembered;
pub use roll::{Cursor, LONGEST_PAGE, Page, RollSettings, Sorting, Standing, State};

/// What is remembered of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    level: StrikeLevel,
    /// How often it was blocked, and until when the last time.
    blocks: u32,
    blocked_until: Timestamp,
    /// The end of the block after which the peer was last limited again.
    resumed_after: Timestamp,
    authenticated_until: Timestamp,
    last_strike: Option<LastStrike>,
}

/// The offence that a peer was struck for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastStrike {
    /// Its kind.
    pub kind: Strike,
    /// When.
    pub at: Timestamp,
}

impl Worth for Record {
    fn worth(&self, now: Timestamp) -> u64 {
        // Whoever has proved honest is not forgotten for those who have not, as where it is enforced.
        if self.authenticated_until > now {
            return u64::MAX;
        }
        self.level.empty_at().max(self.blocked_until).0.saturating_sub(now.0)
    }
}

/// What a strike came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The strikes that stand now, this one among them.
    pub strikes: u32,
    /// What is in force now.
    pub sanction: Sanction,
    /// Whether this strike made it worse.
    pub escalated: bool,
}

/// Remembers strikes and sanctions.
pub struct Register {
    peers: Shards<Record>,
    ladder: Ladder,
    weights: Weights,
    prefixes: PrefixLengths,
    allow: AllowList,
    orders: Orders,
    /// Another number when an operator has changed something.
    edits: AtomicU64,
    enforcer: Arc<dyn Enforcer>,
}

impl Register {
    /// Remembers at most `max_peers`, never sanctions those in `allow`.
    #[must_use]
    pub fn new(
        ladder: Ladder,
        weights: Weights,
        prefixes: PrefixLengths,
        allow: &[IpNet],
        max_peers: usize,
        enforcer: Arc<dyn Enforcer>,
    ) -> Self {
        Self {
            // What is remembered and what is in force of a peer are read side by side.
            peers: Shards::new(max_peers, enforcer.sharding()),
            ladder,
            weights,
            prefixes,
            allow: AllowList::new(allow),
            orders: Orders::default(),
            edits: AtomicU64::new(0),
            enforcer,
        }
    }

    /// The key of a peer.
    #[must_use]
    pub fn key(&self, address: IpAddr) -> PeerKey {
        PeerKey::from_ip(address, self.prefixes)
    }

    /// Whether a host is on the allow-list.
    #[must_use]
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        self.allow.contains(address)
    }

    /// Whether just this network was allowed by hand.
    #[must_use]
    pub fn is_allowed_by_hand(&self, network: IpNet) -> bool {
        self.allow.has_added(network)
    }

    /// What is done with a connection that was just accepted. Order: authenticated, allowed, then sanctions.
    #[must_use]
    pub fn admit(&self, address: IpAddr, now: Timestamp) -> Admission {
        if self.is_allowed(address) {
            return Admission::Admitted;
        }
        let peer = self.key(address);
        let admission = self.enforcer.admit(peer, now);
        if admission == Admission::Admitted && self.come_back(peer, now) {
            return self.enforcer.admit(peer, now);
        }
        admission
    }

    /// Puts in force what a peer has earned that was admitted nevertheless; says whether there was anything.
    fn come_back(&self, peer: PeerKey, now: Timestamp) -> bool {
        let mut peers = self.peers.of(peer);
        let Some(record) = peers.get_mut(peer) else { return false };
        if !record.awaits_return() || self.authenticated_until(peer, record, now) > now {
            return false;
        }
        if record.blocked_until > now {
            self.remind(peer, record, now);
            return true;
        }
        self.resume(peer, record, now)
    }

    /// A block stands: it is put in force again where whoever enforces had to forget it for want of room.
    fn remind(&self, peer: PeerKey, record: &Record, now: Timestamp) {
        let held = self.enforcer.held(peer, now).map_or(Sanction::None, |held| held.sanction);
        if !matches!(held, Sanction::Blocked { .. }) {
            self.enforcer.enforce(peer, self.in_force(peer, record, now), now);
        }
    }

    /// A block that is over leaves the strikes that earned it: the peer is limited for as long as they say. Done once,
    /// when the peer comes back; says whether it was now.
    fn resume(&self, peer: PeerKey, record: &mut Record, now: Timestamp) -> bool {
        record.resumed_after = record.blocked_until;
        match self.in_force(peer, record, now) {
            limited @ Sanction::Limited { .. } => {
                self.enforcer.enforce(peer, limited, now);
                true
            }
            Sanction::None | Sanction::Blocked { .. } => false,
        }
    }

    /// Records an offence, and puts in force what it earns. Allow-listed and authenticated hosts earn nothing, and
    /// neither does a kind that is forgiven.
    pub fn strike(&self, address: IpAddr, strike: Strike, now: Timestamp) -> Option<Struck> {
        let weight = self.weights.of(strike);
        if weight == 0 {
            return None;
        }
        let peer = self.key(address);
        // Held until the sanction is in force: of two workers that strike at once, the later word must not be the milder;
        // and who is put on the allow-list meanwhile must not be struck after its sanction was lifted.
        let mut peers = self.peers.of(peer);
        if self.is_allowed(address) {
            return None;
        }
        let record = peers.entry(peer, now);
        if self.authenticated_until(peer, record, now) > now {
            return None;
        }
        let ordered = self.orders.sanction(peer, now);
        let before = self.earned(record, now).max(ordered);
        if let Sanction::Blocked { .. } = before {
            // What a blocked peer's open session still says prolongs nothing: it is reset anyway.
            self.remind(peer, record, now);
            let strikes = record.level.strikes(self.ladder.decay, now);
            return Some(Struck { strikes, sanction: before, escalated: false });
        }
        self.forget_old_blocks(record, now);
        record.level = record.level.add(weight, self.ladder.decay, now);
        record.last_strike = Some(LastStrike { kind: strike, at: now });
        let strikes = record.level.strikes(self.ladder.decay, now);
        let earned = self.ladder.sanction(record.level, record.blocks, now);
        if let Sanction::Blocked { until } = earned {
            record.blocks = record.blocks.saturating_add(1);
            record.blocked_until = until;
        }
        let sanction = earned.max(ordered);
        let escalated = std::mem::discriminant(&sanction) != std::mem::discriminant(&before);
        if sanction != Sanction::None {
            self.enforcer.enforce(peer, sanction, now);
        }
        Some(Struck { strikes, sanction, escalated })
    }

    /// The host has authenticated: its strikes are cleared, and none of its sanctions apply until then. What an operator
    /// has ordered stands: they may know that the password was stolen; and they may have vouched for it for longer.
    pub fn authenticate(&self, address: IpAddr, until: Timestamp, now: Timestamp) {
        self.exempt(self.key(address), now, |before| before.max(until));
    }

    /// Exempts a peer from sanctions until a time that follows from the one until which it is exempt already; says whether
    /// that is done, against which an order would stand.
    fn exempt(&self, peer: PeerKey, now: Timestamp, until: impl FnOnce(Timestamp) -> Timestamp) -> bool {
        let mut peers = self.peers.of(peer);
        if self.orders.sanction(peer, now) != Sanction::None {
            return false;
        }
        let record = peers.entry(peer, now);
        let until = until(self.authenticated_until(peer, record, now));
        *record = Record { authenticated_until: until, ..Record::default() };
        self.enforcer.enforce(peer, Sanction::None, now);
        self.enforcer.authenticate(peer, until, now);
        true
    }

    /// Blocks count no more that have ended as long ago as the longest lasts.
    fn forget_old_blocks(&self, record: &mut Record, now: Timestamp) {
        if record.blocked_until.plus(self.ladder.block_max) <= now {
            record.blocks = 0;
        }
    }

    /// Peers remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// The memory that they are remembered in, in octets.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.peers.memory()
    }

    /// Peers that were forgotten to make room for others.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.peers.forgotten()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in force for a peer: what it has earned, or what is ordered, whichever is harder.
    fn in_force(&self, peer: PeerKey, record: &Record, now: Timestamp) -> Sanction {
        self.earned(record, now).max(self.orders.sanction(peer, now))
    }

    fn earned(&self, record: &Record, now: Timestamp) -> Sanction {
        if record.blocked_until > now {
            return Sanction::Blocked { until: record.blocked_until };
        }
        match self.ladder.sanction(record.level, record.blocks, now) {
            // Strikes that outlast a block do not block again by themselves: the next strike does.
            Sanction::Blocked { .. } | Sanction::Limited { .. } => {
                Sanction::Limited { until: record.level.below(self.ladder.to_limit, self.ladder.decay) }
            }
            Sanction::None => Sanction::None,
        }
    }
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register")
            .field("ladder", &self.ladder)
            .field("peers", &self.len())
            .finish_non_exhaustive()
    }
}
