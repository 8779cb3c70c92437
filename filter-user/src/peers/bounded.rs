//! A map of peers that never grows past its bound: when it is full, the entry that is worth least of the few that a
//! clock hand passes makes room. Knows nothing of what is kept.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use filter_common::{PeerKey, Timestamp};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

/// Entries that the hand looks at to find the least: bounds the work of an insertion into a full map.
const PASSED_BY_THE_HAND: usize = 16;

/// Maps side by side, each behind its own lock; a power of two. Many, so that workers rarely meet at one.
pub const SHARDS: usize = 64;

/// How much is lost when an entry is forgotten.
pub(super) trait Worth {
    /// Nothing is 0: such an entry is as good as absent.
    fn worth(&self, now: Timestamp) -> u64;
}

/// One bounded map.
#[derive(Debug)]
pub(super) struct Bounded<V> {
    index: HashMap<PeerKey, u32, SeedableRandomState>,
    slots: Vec<(PeerKey, V)>,
    hand: usize,
    capacity: usize,
    forgotten: u64,
    changes: u64,
}

impl<V: Worth + Default> Bounded<V> {
    fn new(capacity: usize, hasher: SeedableRandomState) -> Self {
        // An index is an u32: four thousand million peers in one shard are beyond any memory.
        let capacity = capacity.clamp(1, u32::MAX as usize);
        let index = HashMap::with_hasher(hasher);
        Self { index, slots: Vec::new(), hand: 0, capacity, forgotten: 0, changes: 0 }
    }

    pub(super) fn get_mut(&mut self, peer: PeerKey) -> Option<&mut V> {
        let slot = *self.index.get(&peer)?;
        self.slots.get_mut(slot as usize).map(|(_, value)| value)
    }

    /// Every entry, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(PeerKey, V)> {
        self.slots.iter()
    }

    /// The entry of a peer, to be changed; made, and room for it if need be, where there is none.
    pub(super) fn entry(&mut self, peer: PeerKey, now: Timestamp) -> &mut V {
        self.changes = self.changes.wrapping_add(1);
        let slot = match self.index.get(&peer) {
            Some(slot) => *slot as usize,
            None => {
                let slot = if self.slots.len() < self.capacity {
                    self.slots.push((peer, V::default()));
                    self.slots.len() - 1
                } else {
                    let slot = self.least(now);
                    // One that was worth nothing is no loss.
                    self.forgotten += u64::from(self.slots[slot].1.worth(now) > 0);
                    self.index.remove(&self.slots[slot].0);
                    self.slots[slot] = (peer, V::default());
                    slot
                };
                self.index.insert(peer, slot as u32);
                slot
            }
        };
        &mut self.slots[slot].1
    }

    /// Forgets a peer.
    pub(super) fn remove(&mut self, peer: PeerKey) {
        if let Some(slot) = self.index.remove(&peer) {
            self.changes = self.changes.wrapping_add(1);
            self.slots.swap_remove(slot as usize);
            if let Some((moved, _)) = self.slots.get(slot as usize) {
                self.index.insert(*moved, slot);
            }
        }
    }

    fn least(&mut self, now: Timestamp) -> usize {
        let mut least = (u64::MAX, self.hand % self.slots.len());
        for _ in 0..PASSED_BY_THE_HAND.min(self.slots.len()) {
            self.hand = (self.hand + 1) % self.slots.len();
            let worth = self.slots[self.hand].1.worth(now);
            if worth < least.0 {
                least = (worth, self.hand);
            }
            if worth == 0 {
                break;
            }
        }
        least.1
    }

    fn len(&self) -> usize {
        self.slots.len()
    }

    /// The memory that it has, in octets. A hash map has a place more than seven for each seven entries that it has room
    /// for, rounded up to a power of two, and an octet for each place beside its entry.
    fn memory(&self) -> usize {
        let entries = self.slots.capacity() * size_of::<(PeerKey, V)>();
        let places = match self.index.capacity() {
            0 => 0,
            few @ 1..=3 => few + 1,
            room => (room / 7 * 8).next_power_of_two(),
        };
        entries + places * (size_of::<(PeerKey, u32)>() + 1)
    }
}

/// In which of [`SHARDS`] shards a peer is. Each that is made anew has another secret, so that nobody can choose addresses
/// which all meet at one lock, and push each other's sanctions out of one small map; its clones agree.
#[derive(Clone, Debug)]
pub struct Sharding {
    shards: SeedableRandomState,
    /// Of the index within each shard: another one, because all of a shard have a part of the first's hash in common.
    index: SeedableRandomState,
}

impl Sharding {
    /// The same for the same seed: who knows the seed can choose such addresses. For runs that shall be repeated, never for
    /// strangers.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let seeded = |seed| SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        Self { shards: seeded(seed), index: seeded(!seed) }
    }

    /// The number of a peer's shard.
    #[must_use]
    pub fn shard(&self, peer: PeerKey) -> usize {
        // What is cut off is not asked for.
        self.shards.hash_one(peer) as usize % SHARDS
    }
}

impl Default for Sharding {
    fn default() -> Self {
        Self { shards: SeedableRandomState::random(), index: SeedableRandomState::random() }
    }
}

/// Bounded maps side by side, each behind its own lock.
#[derive(Debug)]
pub(super) struct Shards<V> {
    shards: Box<[Mutex<Bounded<V>>]>,
    sharding: Sharding,
}

impl<V: Worth + Default> Shards<V> {
    /// Room for `capacity` peers in all, whichever shards they fall into: each has room for a mean share and six standard
    /// deviations more, which no shard needs in practice.
    pub(super) fn new(capacity: usize, sharding: Sharding) -> Self {
        let mean = capacity.div_ceil(SHARDS);
        let each = mean.saturating_add(6 * mean.isqrt());
        let shard = |_| Mutex::new(Bounded::new(each, sharding.index.clone()));
        Self { shards: (0..SHARDS).map(shard).collect(), sharding }
    }

    /// The map that a peer belongs to. A flood from one address meets one lock, which its sessions would contend for
    /// anyway.
    pub(super) fn of(&self, peer: PeerKey) -> MutexGuard<'_, Bounded<V>> {
        self.shard(self.sharding.shard(peer))
    }

    /// Which map that is, for others that shall share peers out alike.
    pub(super) fn sharding(&self) -> &Sharding {
        &self.sharding
    }

    /// One map of them, by its number; beyond the last comes the first again.
    pub(super) fn shard(&self, number: usize) -> MutexGuard<'_, Bounded<V>> {
        // A panic while the lock was held cannot leave an entry half-written: entries are plain values.
        self.shards[number % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Peers that were forgotten although they were worth something.
    pub(super) fn forgotten(&self) -> u64 {
        (0..SHARDS).map(|number| self.shard(number).forgotten).sum()
    }

    /// A number that is another one when any entry may be.
    pub(super) fn changes(&self) -> u64 {
        (0..SHARDS).fold(0, |changes, number| changes.wrapping_add(self.shard(number).changes))
    }

    /// Peers held now.
    pub(super) fn len(&self) -> usize {
        (0..SHARDS).map(|number| self.shard(number).len()).sum()
    }

    /// The memory that they have, in octets.
    pub(super) fn memory(&self) -> usize {
        (0..SHARDS).map(|number| self.shard(number).memory()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Expiry(u64);

    impl Worth for Expiry {
        fn worth(&self, now: Timestamp) -> u64 {
            self.0.saturating_sub(now.0)
        }
    }

    fn peer(n: u32) -> PeerKey {
        PeerKey::from(std::net::Ipv4Addr::from(n))
    }

    #[test]
    fn a_full_map_forgets_the_expired_before_the_lasting() {
        let mut map = Bounded::<Expiry>::new(3, SeedableRandomState::random());
        for (n, until) in [(1, 50), (2, 5), (3, 90)] {
            *map.entry(peer(n), Timestamp(0)) = Expiry(until);
        }
        *map.entry(peer(4), Timestamp(10)) = Expiry(70);
        assert_eq!(map.len(), 3);
        assert!(map.get_mut(peer(2)).is_none());
        *map.entry(peer(5), Timestamp(10)) = Expiry(80);
        assert!(map.get_mut(peer(1)).is_none(), "none is expired: the one that ends first goes");
        assert!(map.get_mut(peer(3)).is_some() && map.get_mut(peer(4)).is_some());
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_is_found() {
        let mut map = Bounded::<Expiry>::new(10, SeedableRandomState::random());
        for n in 0..5 {
            map.entry(peer(n), Timestamp(0)).0 = u64::from(n) + 1;
        }
        map.remove(peer(1));
        map.remove(peer(9));
        assert!(map.get_mut(peer(1)).is_none());
        for n in [0, 2, 3, 4] {
            assert_eq!(map.get_mut(peer(n)).map(|e| e.0), Some(u64::from(n) + 1));
        }
    }

    #[test]
    fn as_many_peers_fit_as_shall_and_any_number_in_the_bound() {
        let shards = Shards::<Expiry>::new(100_000, Sharding::default());
        let put = |peers: std::ops::Range<u32>| {
            peers.for_each(|n| shards.of(peer(n)).entry(peer(n), Timestamp(0)).0 = 1);
        };
        put(0..100_000);
        assert_eq!((shards.len(), shards.forgotten()), (100_000, 0));
        put(100_000..1_000_000);
        assert!(shards.len() < 116_000, "{} peers held", shards.len());
    }

    #[test]
    fn nobody_can_tell_which_peers_share_a_shard() {
        // Their octets give one number, if each counts 31 times what the next does.
        let peers: Vec<_> = (0..8u8)
            .flat_map(|a| (0..8u8).map(move |b| (a, b)))
            .map(|(a, b)| PeerKey::from(std::net::Ipv4Addr::new(10, a, 217 - 31 * a + b, 255 - 31 * b)))
            .collect();
        let place = || {
            let sharding = Sharding::default();
            peers.iter().map(|peer| sharding.shard(*peer)).collect::<Vec<_>>()
        };
        let (one, another) = (place(), place());
        let used: std::collections::HashSet<_> = one.iter().collect();
        assert!(used.len() > SHARDS / 4, "{} shards for {} peers", used.len(), peers.len());
        assert_ne!(one, another, "and each time other ones");
    }
}
