//! What stands in force, and what it does to packets and connections in virtual time: the same sanctions that the daemon
//! holds, enforced as its kernel program does (each SYN is judged) or at accept alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use filter_common::{PeerKey, Sanction, Timestamp};
use filter_user::peers::{Admission, Enforcer, Held, Home, LocalEnforcer, Sharding};

use super::networks::Networks;
use super::tuning::Tuning;

/// The enforcer.
#[derive(Debug)]
pub(super) struct Gate {
    local: LocalEnforcer,
    networks: Mutex<Networks>,
    in_kernel: bool,
}

/// What becomes of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It comes to userspace.
    Passes,
    /// The kernel drops it, and all others of this peer until then.
    DroppedUntil(Timestamp),
    /// The kernel drops it; the next one may pass.
    Dropped,
}

impl Gate {
    /// Of these settings. `seed`: the same forgets the same peers where there are too many.
    pub(super) fn new(tuning: &Tuning, seed: u64) -> Self {
        let networks = Networks::new(tuning.network_threshold, tuning.prefixes, tuning.network());
        Self {
            local: LocalEnforcer::with_sharding(tuning.limit(), tuning.max_peers, Sharding::of_seed(seed)),
            networks: Mutex::new(networks),
            in_kernel: tuning.in_kernel,
        }
    }

    /// What the kernel does with a peer's SYN.
    pub(super) fn passage(&self, peer: PeerKey, now: Timestamp) -> Passage {
        if !self.in_kernel {
            return Passage::Passes;
        }
        match self.local.admit(peer, now) {
            Admission::Blocked => match self.local.sanction(peer, now) {
                Sanction::Blocked { until } => Passage::DroppedUntil(until),
                Sanction::Limited { .. } | Sanction::None => Passage::Dropped,
            },
            Admission::Limited => Passage::Dropped,
            Admission::Admitted if self.is_held(peer, now) => Passage::Passes,
            Admission::Admitted if self.networks().passes(peer, now) => Passage::Passes,
            Admission::Admitted => Passage::Dropped,
        }
    }

    /// Sanctions and authentications held now.
    pub(super) fn len(&self) -> usize {
        self.local.len()
    }

    /// The memory that holds them, in octets.
    pub(super) fn memory(&self) -> usize {
        self.local.memory()
    }

    /// Networks that were limited at once, at most.
    pub(super) fn peak_networks(&self) -> usize {
        self.networks().peak()
    }

    /// A peer that has an entry of its own is not judged by its network.
    fn is_held(&self, peer: PeerKey, now: Timestamp) -> bool {
        self.local.held(peer, now).is_some()
    }

    fn networks(&self) -> MutexGuard<'_, Networks> {
        // Held for plain counting alone, by one thread.
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Enforcer for Gate {
    fn enforce(&self, peer: PeerKey, sanction: Sanction, now: Timestamp) {
        if let Sanction::Blocked { until } = sanction
            && self.in_kernel
        {
            self.networks().blocked(peer, until, now);
        }
        self.local.enforce(peer, sanction, now);
    }

    fn authenticate(&self, peer: PeerKey, until: Timestamp, now: Timestamp) {
        self.local.authenticate(peer, until, now);
    }

    fn admit(&self, peer: PeerKey, now: Timestamp) -> Admission {
        if !self.in_kernel {
            return self.local.admit(peer, now);
        }
        // Its SYN has passed the limiter a moment ago. The daemon's own has room for one connection more than the
        // kernel's, so it lets in whoever has come through that.
        match self.local.sanction(peer, now) {
            Sanction::Blocked { .. } if !self.local.is_authenticated(peer, now) => Admission::Blocked,
            _ => Admission::Admitted,
        }
    }

    fn sharding(&self) -> Sharding {
        self.local.sharding()
    }

    fn held_in_shard(&self, shard: usize, now: Timestamp) -> Vec<Held> {
        self.local.held_in_shard(shard, now)
    }

    fn changes(&self) -> u64 {
        self.local.changes()
    }

    fn home(&self) -> Home {
        if self.in_kernel { Home::Kernel } else { Home::Process }
    }

    fn held(&self, peer: PeerKey, now: Timestamp) -> Option<Held> {
        self.local.held(peer, now)
    }
}
