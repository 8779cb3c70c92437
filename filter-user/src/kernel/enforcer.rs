//! The home of sanctions in the kernel, and in this process for what the kernel does not hold or does not see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use filter_common::{PeerKey, Sanction, Timestamp};
use ipnet::IpNet;

use super::allow::AllowMap;
use super::hosts::{HostTable, NotHeld};
use crate::peers::{Admission, Enforcer, Held, Home, LocalEnforcer, NotExempted};

/// Entries removed before other threads get their turn at the maps.
const SWEPT_AT_ONCE: usize = 256;

/// Enforces in the kernel.
#[derive(Debug)]
pub struct KernelEnforcer {
    hosts: Mutex<HostTable>,
    allow: AllowMap,
    local: LocalEnforcer,
    not_held: AtomicU64,
}

impl KernelEnforcer {
    pub(super) fn new(hosts: HostTable, allow: AllowMap, local: LocalEnforcer) -> Self {
        Self { hosts: Mutex::new(hosts), allow, local, not_held: AtomicU64::new(0) }
    }

    /// How many sanctions and authentications did not get into the kernel's maps, because they were full or the kernel
    /// refused. This process enforces them alone.
    #[must_use]
    pub fn not_in_kernel(&self) -> u64 {
        self.not_held.load(Ordering::Relaxed)
    }

    /// Entries in the kernel's maps: sanctioned peers, authenticated peers.
    #[must_use]
    pub fn in_kernel(&self) -> (usize, usize) {
        self.hosts().len()
    }

    /// What is enforced where the kernel does not.
    #[must_use]
    pub fn local(&self) -> &LocalEnforcer {
        &self.local
    }

    /// When the sanction that the kernel holds for a peer was put in force.
    pub(super) fn in_force_since(&self, peer: PeerKey) -> Option<Timestamp> {
        self.hosts().in_force_since(peer)
    }

    /// Removes what is over.
    pub(super) fn sweep(&self, now: Timestamp) -> usize {
        let mut swept = 0;
        loop {
            let batch = self.hosts().sweep(now, SWEPT_AT_ONCE);
            swept += batch;
            if batch < SWEPT_AT_ONCE {
                return swept;
            }
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HostTable> {
        // A panic while it was held can at worst leave an entry in the kernel that ends by itself.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, peer: PeerKey, held: Result<(), NotHeld>) {
        let Err(reason) = held else { return };
        // The first is told; that there are more, the metric tells: the log must cost less than the attack.
        if self.not_held.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(%peer, %reason, "not in the kernel's maps: enforced at accept, as all such from now on");
        }
    }
}

impl Enforcer for KernelEnforcer {
    fn enforce(&self, peer: PeerKey, sanction: Sanction, now: Timestamp) {
        self.local.enforce(peer, sanction, now);
        let mut hosts = self.hosts();
        let held = if self.local.is_authenticated(peer, now) && !hosts.knows_authenticated(peer, now) {
            // It must not be dropped where nobody knows that it has authenticated.
            hosts.lift(peer);
            Ok(())
        } else {
            hosts.sanction(peer, sanction, now).inspect_err(|_| hosts.lift(peer))
        };
        drop(hosts);
        self.count(peer, held);
    }

    fn authenticate(&self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        self.local.authenticate(peer, until, now);
        let mut hosts = self.hosts();
        let held = hosts.authenticate(peer, until, now).inspect_err(|_| hosts.lift(peer));
        drop(hosts);
        self.count(peer, held);
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
        self.hosts().in_force_since(peer).is_some()
    }

    fn exempt(&self, network: IpNet, exempt: bool) -> Result<(), NotExempted> {
        self.allow.set(network, exempt)?;
        self.hosts().set_allowed(network, exempt);
        Ok(())
    }
}
