//! The home of sanctions in the kernel. This process holds what is wanted, in a [`LocalEnforcer`], which also enforces
//! what does not come through the kernel; the table of hosts holds what is installed. Both are written together, and
//! `sweep` keeps them in accord.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use filter_common::table::Kind;
use filter_common::{PeerKey, Sanction, Timestamp};
use ipnet::IpNet;

use super::allow::AllowList;
use super::growing_table::NotHeld;
use super::hosts::{Done, HostTable, Wanted};
use super::reconcile::Rounds;
use crate::peers::{Admission, Dropped, Enforcer, Held, Home, LocalEnforcer, NotExempted, Sharding};
use crate::telemetry::field;

/// Enforces in the kernel.
#[derive(Debug)]
pub struct KernelEnforcer {
    /// Locked before the peer's entry in `local`, never after it.
    hosts: Mutex<HostTable>,
    allow: Box<dyn AllowList>,
    local: LocalEnforcer,
    rounds: Mutex<Rounds>,
    not_held: AtomicU64,
    /// Whether somebody is wanted for whom there was no room.
    is_short: AtomicBool,
}

/// One kind of hosts: how many are wanted, how many are installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindFigures {
    /// Which.
    pub kind: Kind,
    /// As this process knows them, at the last round.
    pub wanted: usize,
    /// As they stand in the kernel's table.
    pub installed: usize,
}

/// How the kernel's table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFigures {
    /// Each kind.
    pub kinds: [KindFigures; Kind::ALL.len()],
    /// How many hosts the generation in force has slots for.
    pub capacity: usize,
    /// Entries that differed from what is wanted at the last whole round, for no reason that is known.
    pub differences: u64,
    /// Entries that were put right, ever.
    pub repaired: u64,
    /// Sanctions and authentications for which there was no room, ever.
    pub not_held: u64,
    /// Authenticated peers that had to go for others, ever.
    pub evicted: u64,
    /// Networks that are limited.
    pub limited_networks: usize,
}

/// What shall stand in the kernel's table, of what is in force.
pub(super) fn wanted(held: Option<&Held>, now: Timestamp) -> Wanted {
    let held = held?;
    if held.authenticated_until > now {
        return Some((Kind::Authenticated, held.authenticated_until));
    }
    match held.sanction.at(now) {
        Sanction::None => None,
        Sanction::Limited { until } => Some((Kind::Limited, until)),
        Sanction::Blocked { until } => Some((Kind::Blocked, until)),
    }
}

impl KernelEnforcer {
    /// Who is in the table already, is in force from now on.
    pub(super) fn new(
        mut hosts: HostTable,
        allow: Box<dyn AllowList>,
        local: LocalEnforcer,
        now: Timestamp,
    ) -> Self {
        hosts.inherit(now, |peer, kind, until| match kind {
            Kind::Authenticated => local.authenticate(peer, until, now),
            Kind::Limited => local.enforce(peer, Sanction::Limited { until }, now),
            Kind::Blocked => local.enforce(peer, Sanction::Blocked { until }, now),
        });
        Self {
            hosts: Mutex::new(hosts),
            allow,
            local,
            rounds: Mutex::default(),
            not_held: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
        }
    }

    /// What an earlier process had exempt goes on so from the start, for its sanctions do; until this is called by who knows
    /// what is exempt now. What is not in the settings, and not `still` allowed, is like anybody's then.
    pub fn settle_exempt(&self, still: impl Fn(IpNet) -> bool) {
        for network in self.allow.left().iter().filter(|network| !still(**network)) {
            if let Err(error) = self.exempt(*network, false) {
                tracing::warn!({ field::ERROR } = %error, "a network that is allowed no longer stays so in the kernel");
            }
        }
    }

    /// How many sanctions and authentications did not get into the kernel's table, because it was full. This process
    /// enforces them alone, until there is room.
    #[must_use]
    pub fn not_in_kernel(&self) -> u64 {
        self.not_held.load(Ordering::Relaxed)
    }

    /// Hosts in the kernel's table: sanctioned, authenticated.
    #[must_use]
    pub fn in_kernel(&self) -> (usize, usize) {
        let hosts = self.hosts();
        (hosts.sanctioned(), hosts.table().count(Kind::Authenticated))
    }

    /// How the table stands.
    #[must_use]
    pub fn figures(&self) -> HostFigures {
        let rounds = self.rounds();
        let hosts = self.hosts();
        HostFigures {
            kinds: Kind::ALL.map(|kind| KindFigures {
                kind,
                wanted: rounds.wanted(kind),
                installed: hosts.table().count(kind),
            }),
            capacity: hosts.table().current().capacity(),
            differences: rounds.differences(),
            repaired: rounds.repaired(),
            not_held: self.not_in_kernel(),
            evicted: hosts.evicted(),
            limited_networks: hosts.limited_networks(),
        }
    }

    /// What is wanted, and enforced where the kernel does not.
    #[must_use]
    pub fn local(&self) -> &LocalEnforcer {
        &self.local
    }

    /// When the sanction that is in force for a peer was put in force.
    pub(super) fn in_force_since(&self, peer: PeerKey) -> Option<Timestamp> {
        self.local.in_force_since(peer)
    }

    pub(super) fn hosts(&self) -> MutexGuard<'_, HostTable> {
        // A panic while it was held can at worst leave a difference, which a sweep puts right.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locked before the hosts, never after them.
    pub(super) fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    pub(super) fn set_short(&self, is_short: bool) {
        self.is_short.store(is_short, Ordering::Relaxed);
    }

    fn note(&self, peer: PeerKey, done: Result<Done, NotHeld>, now: Timestamp) {
        let reason = match done {
            Ok(Done { drops, .. }) => {
                self.local.note_dropped(peer, drops, now);
                return;
            }
            Err(reason) => reason,
        };
        self.set_short(true);
        // The first is told; that there are more, the metric tells: the log must cost less than the attack.
        if self.not_held.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                { field::PEER } = %peer,
                { field::REASON } = %reason,
                "not in the kernel's table of hosts: enforced at accept, as all such from now on"
            );
        }
    }

    /// Changes what is wanted for a peer, and lets the table hold it.
    fn change(&self, peer: PeerKey, now: Timestamp, change: impl FnOnce(&LocalEnforcer)) {
        let mut hosts = self.hosts();
        change(&self.local);
        let done = hosts.accord(peer, wanted(self.local.held(peer, now).as_ref(), now), now);
        drop(hosts);
        self.note(peer, done, now);
    }
}

impl Enforcer for KernelEnforcer {
    fn enforce(&self, peer: PeerKey, sanction: Sanction, now: Timestamp) {
        self.change(peer, now, |local| local.enforce(peer, sanction, now));
    }

    fn authenticate(&self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        let mut hosts = self.hosts();
        self.local.authenticate(peer, until, now);
        let evicted = hosts.evicted();
        let done = if until > now {
            hosts.authenticate(peer, until, now)
        } else {
            hosts.accord(peer, wanted(self.local.held(peer, now).as_ref(), now), now)
        };
        let has_evicted = hosts.evicted() != evicted;
        drop(hosts);
        if has_evicted {
            self.set_short(true);
        }
        self.note(peer, done, now);
    }

    fn inherit(&self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        self.change(peer, now, |local| local.inherit(peer, until, now));
    }

    fn admit(&self, peer: PeerKey, now: Timestamp) -> Admission {
        // A limited peer that came through the program has passed its limiter; one that came another way has not, and
        // this cannot tell them apart. So both are limited here too, by a limiter with one connection more of burst, which
        // whoever has passed the kernel's has always room in.
        self.local.admit(peer, now)
    }

    fn held_in_shard(&self, shard: usize, now: Timestamp) -> Vec<Held> {
        self.local.held_in_shard(shard, now)
    }

    fn sharding(&self) -> Sharding {
        self.local.sharding()
    }

    fn changes(&self) -> u64 {
        self.local.changes()
    }

    fn home(&self) -> Home {
        Home::Kernel
    }

    fn held(&self, peer: PeerKey, now: Timestamp) -> Option<Held> {
        self.local.held(peer, now)
    }

    fn is_installed(&self, peer: PeerKey) -> bool {
        self.hosts().table().get(peer).is_some()
    }

    fn limited_network(&self, peer: PeerKey, now: Timestamp) -> Option<IpNet> {
        self.hosts().limited_network(peer, now)
    }

    fn dropped(&self, peer: PeerKey) -> Dropped {
        self.local.dropped(peer)
    }

    fn exempt(&self, network: IpNet, exempt: bool) -> Result<(), NotExempted> {
        let mut hosts = self.hosts();
        self.allow.set(network, exempt)?;
        hosts.exempt(network, exempt);
        Ok(())
    }
}
