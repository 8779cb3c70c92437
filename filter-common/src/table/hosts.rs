//! One generation of the table, as its only writer has it. How states and keys are published is in the module's
//! page. Knows no time: what is over stays until it is removed.

use core::ops::Range;

use super::{BUCKET_WORDS, Drops, KEY, Kind, LARGEST, METER, Memory, Meter, Place, SLOT_WORDS, SLOTS, STATE};
use super::{SMALLEST, Seed, Standing, State, Words, find, moves, room};
use crate::PeerKey;

/// What the table holds of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub peer: PeerKey,
    /// What stands.
    pub standing: Standing,
    /// What the program wrote of it.
    pub meter: Meter,
}

/// No room was found: the next generation is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The writer.
#[derive(Debug)]
pub struct Table<M> {
    memory: M,
    seed: Seed,
    generation: u32,
    counts: [usize; Kind::ALL.len()],
}

impl<M: Memory> Table<M> {
    /// The table that lies in this memory, empty or as an earlier writer left it: what that one was in the middle of is
    /// put right. Nothing where the memory is not the size of a generation.
    pub fn new(memory: M, seed: Seed) -> Option<Self> {
        let buckets = memory.words() / BUCKET_WORDS;
        let generation = buckets.checked_ilog2()?;
        if memory.words() != BUCKET_WORDS << generation || !(SMALLEST..=LARGEST).contains(&generation) {
            return None;
        }
        Some(Self::adopted(memory, seed, generation))
    }

    /// Counts what is there. Who cannot be found where it lies, or lies there twice since a move was cut short, goes.
    pub(super) fn adopted(memory: M, seed: Seed, generation: u32) -> Self {
        let mut table = Self { memory, seed, generation, counts: [0; Kind::ALL.len()] };
        for slot in (0..table.memory.words()).step_by(SLOT_WORDS) {
            let Some(entry) = table.entry_in(slot) else { continue };
            match table.slot_of(entry.peer) {
                Some((found, _)) if found == slot => table.counts[index(entry.standing.kind)] += 1,
                _ => table.clear(slot),
            }
        }
        table
    }

    /// Puts something in place of what stood for this host, or where nothing did. A host whose kind changes, or that is
    /// new, begins with `meter`; another's meter goes on. Returns the drops that were metered for another kind.
    pub fn insert(&mut self, peer: PeerKey, standing: Standing, meter: Meter) -> Result<Drops, Full> {
        let place = self.seed.place(peer);
        if let Some((slot, state)) = self.slot_at(peer, place) {
            return Ok(self.replace(slot, state, standing, meter));
        }
        let slot = moves::make_room(self, place).ok_or(Full)?;
        self.publish(slot, peer, place.tag, standing, meter);
        self.counts[index(standing.kind)] += 1;
        Ok(Drops::default())
    }

    /// One store. Where the kind changes the state goes first: whoever still meters for the kind before then does so in
    /// the meter that is about to go.
    fn replace(&mut self, slot: usize, before: State, standing: Standing, meter: Meter) -> Drops {
        self.memory.store(slot + STATE, before.with(standing).0);
        let Some(kind) = before.kind().filter(|kind| *kind != standing.kind) else { return Drops::default() };
        self.counts[index(kind)] -= 1;
        self.counts[index(standing.kind)] += 1;
        Meter(self.memory.swap(slot + METER, meter.0)).harvest(kind).1
    }

    /// Takes a host out; returns what was there.
    pub fn remove(&mut self, peer: PeerKey) -> Option<Entry> {
        let (slot, state) = self.slot_of(peer)?;
        let standing = state.standing()?;
        self.clear(slot);
        self.counts[index(standing.kind)] -= 1;
        // Read after the slot was cleared, so that it is the last word.
        Some(Entry { peer, standing, meter: Meter(self.memory.load(slot + METER)) })
    }

    /// What the table holds of a host.
    #[must_use]
    pub fn get(&self, peer: PeerKey) -> Option<Entry> {
        self.slot_of(peer).and_then(|(slot, _)| self.entry_in(slot))
    }

    /// Takes what was metered of a host since the last time: its drops, or that an authenticated host used its exemption.
    pub fn harvest(&self, peer: PeerKey) -> Option<(Drops, bool)> {
        let (slot, state) = self.slot_of(peer)?;
        let kind = state.kind()?;
        let (taken, drops) = Meter(self.memory.load(slot + METER)).harvest(kind);
        if taken != 0 {
            self.memory.add(slot + METER, taken.wrapping_neg());
        }
        Some((drops, kind == Kind::Authenticated && taken != 0))
    }

    /// Adds to a host's meter, wrapping.
    pub(super) fn add_to_meter(&self, peer: PeerKey, more: u64) {
        if let Some((slot, _)) = self.slot_of(peer) {
            self.memory.add(slot + METER, more);
        }
    }

    /// The entries of some buckets.
    pub fn entries(&self, buckets: Range<u32>) -> impl Iterator<Item = Entry> + '_ {
        let end = buckets.end.min(self.buckets()) as usize * SLOTS;
        (buckets.start as usize * SLOTS..end).filter_map(|slot| self.entry_in(slot * SLOT_WORDS))
    }

    /// How many buckets there are.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        1 << self.generation
    }

    /// Which generation this is.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// How many hosts of a kind are held.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.counts[index(kind)]
    }

    /// How many hosts are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// How many slots there are.
    #[must_use]
    pub fn capacity(&self) -> usize {
        SLOTS << self.generation
    }

    /// Whether nobody is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the next generation is due.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.len() >= room(self.generation)
    }

    /// The memory, for another writer.
    #[must_use]
    pub fn into_memory(self) -> M {
        self.memory
    }

    /// Writes a host into a free slot: its key and meter, then its state.
    fn publish(&self, slot: usize, peer: PeerKey, tag: u16, standing: Standing, meter: Meter) {
        let state = State(self.memory.load(slot + STATE));
        let key = peer.words();
        self.memory.store(slot + KEY, key[0]);
        self.memory.store(slot + KEY + 1, key[1]);
        self.memory.store(slot + METER, meter.0);
        self.memory.store(slot + STATE, state.next_stay(tag, standing).0);
    }

    fn clear(&self, slot: usize) {
        let state = State(self.memory.load(slot + STATE));
        self.memory.store(slot + STATE, state.cleared().0);
    }

    /// Moves a host into a free slot of its other bucket: copies, then clears.
    pub(super) fn relocate(&self, from: usize, to: usize) {
        let Some(entry) = self.entry_in(from) else { return };
        self.publish(to, entry.peer, self.seed.place(entry.peer).tag, entry.standing, entry.meter);
        self.clear(from);
        // What the program metered in the old place meanwhile.
        let more = self.memory.load(from + METER).wrapping_sub(entry.meter.0);
        if more != 0 {
            self.memory.add(to + METER, more);
        }
    }

    /// A free slot of a bucket.
    pub(super) fn free_slot(&self, bucket: u32) -> Option<usize> {
        Self::slots(bucket).into_iter().find(|slot| State(self.memory.load(slot + STATE)).is_empty())
    }

    /// The slots of a bucket.
    pub(super) fn slots(bucket: u32) -> [usize; SLOTS] {
        let first = bucket as usize * BUCKET_WORDS;
        [first, first + SLOT_WORDS]
    }

    /// The other bucket of the host in a slot of this one.
    pub(super) fn other_bucket(&self, slot: usize, bucket: u32) -> Option<u32> {
        let entry = self.entry_in(slot)?;
        let [first, second] = self.buckets_of(self.seed.place(entry.peer));
        Some(if first == bucket { second } else { first })
    }

    pub(super) fn buckets_of(&self, place: Place) -> [u32; 2] {
        [place.first(self.generation), place.second(self.generation)]
    }

    fn entry_in(&self, slot: usize) -> Option<Entry> {
        let standing = State(self.memory.load(slot + STATE)).standing()?;
        let peer = PeerKey::from_words([self.memory.load(slot + KEY), self.memory.load(slot + KEY + 1)]);
        Some(Entry { peer, standing, meter: Meter(self.memory.load(slot + METER)) })
    }

    fn slot_of(&self, peer: PeerKey) -> Option<(usize, State)> {
        self.slot_at(peer, self.seed.place(peer))
    }

    /// As the kernel program looks for it.
    fn slot_at(&self, peer: PeerKey, place: Place) -> Option<(usize, State)> {
        self.buckets_of(place).into_iter().find_map(|bucket| {
            let bucket = Bucket { memory: &self.memory, first: bucket as usize * BUCKET_WORDS };
            let found = find(&bucket, peer.words(), place.tag)?;
            Some((found.slot.first, found.state))
        })
    }
}

/// A bucket to whom nobody else writes states and keys.
struct Bucket<'a, M> {
    memory: &'a M,
    first: usize,
}

impl<M: Memory> Words for Bucket<'_, M> {
    fn word(&self, index: usize) -> u64 {
        self.memory.load(self.first + index)
    }

    fn fence(&self) {}

    fn slot(&self, first: usize) -> Self {
        Self { memory: self.memory, first: self.first + first }
    }
}

const fn index(kind: Kind) -> usize {
    kind as usize - 1
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SEED, empty, peer, standing};
    use super::*;

    #[test]
    fn what_a_writer_was_killed_over_is_put_right() {
        let mut table = empty(SMALLEST);
        for n in 0..50 {
            table.insert(peer(n), standing(Kind::Blocked, 5), Meter::default()).unwrap();
        }
        // Copied, not yet cleared: the host stands in both of its buckets.
        let twice = (0..50)
            .find_map(|n| {
                let (slot, _) = table.slot_of(peer(n))?;
                let place = SEED.place(peer(n));
                let [first, second] = table.buckets_of(place);
                let other =
                    table.free_slot(second).filter(|_| first != second && (slot / 8) as u32 == first)?;
                table.publish(other, peer(n), place.tag, standing(Kind::Blocked, 5), Meter::default());
                Some(n)
            })
            .unwrap();
        // Written where nobody looks for it.
        let lost = peer(99);
        let astray = (0..64).find(|bucket| !table.buckets_of(SEED.place(lost)).contains(bucket)).unwrap();
        let slot = table.free_slot(astray).unwrap();
        table.publish(slot, lost, SEED.place(lost).tag, standing(Kind::Blocked, 5), Meter::default());

        let mut table = Table::new(table.into_memory(), SEED).unwrap();
        assert_eq!((table.len(), table.entries(0..64).count()), (50, 50));
        assert!(table.remove(peer(twice)).is_some() && table.remove(peer(twice)).is_none());
        assert_eq!(table.get(lost), None);
    }
}
