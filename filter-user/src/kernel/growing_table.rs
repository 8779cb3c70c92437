//! The table of hosts as it grows: the generation in force, the next one while it is being filled, the one before while
//! it is being settled. A little of it is done with every change and every sweep, so that nobody waits for all of it.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, TryLockError};

use filter_common::table::{BUCKET_WORDS, Drops, Entry, Full, Kind, Meter, Seed, Standing, Table, room};
use filter_common::{Mapped, PeerKey};

use super::control::ControlPage;
use crate::telemetry::field;

/// Buckets that are copied, and settled, with each host that is put in: so many that the next generation is ready long
/// before the one in force is full, so few that it costs microseconds.
const BUCKETS_WITH_EACH: u32 = 64;

/// Where generations come from. It may take its time: it is asked by sweeps, which lock no table meanwhile, and by others
/// only where no sweep came in time.
pub(super) trait Maker: fmt::Debug + Send {
    /// An empty generation, already in its element of `HOSTS`, where nobody looks yet.
    fn make(&mut self, generation: u32) -> io::Result<Mapped>;
    /// This generation is in force from now on: whoever takes over shall find it.
    fn in_force(&mut self, generation: u32) -> io::Result<()>;
    /// Gives the memory of a generation back that is not in force any more.
    fn retire(&mut self, generation: u32) -> io::Result<()>;
}

/// A maker that whoever sweeps can use beside the table.
pub(super) type SharedMaker = Arc<Mutex<dyn Maker>>;

/// Why a host is not in the table.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotHeld {
    /// As many are held as were allowed.
    #[error("as many peers are held as max-peers allows")]
    Full,
    /// The table is full and cannot grow.
    #[error("no larger table of hosts can be had{}", because(.0.as_ref()))]
    NoRoom(Option<String>),
}

fn because(error: Option<&String>) -> String {
    error.map_or_else(String::new, |error| format!(": {error}"))
}

/// The table.
#[derive(Debug)]
pub(super) struct GrowingTable {
    current: Table<Mapped>,
    /// The next one, and how many buckets this round has copied into it.
    next: Option<(Table<Mapped>, u32)>,
    /// The one before, and how many buckets of it are settled.
    previous: Option<(Table<Mapped>, u32)>,
    maker: SharedMaker,
    seed: Seed,
    control: Arc<ControlPage>,
    largest: u32,
    refused: Option<String>,
    /// Drops that were metered in a generation that is gone, until somebody hears of them.
    untold: Vec<(PeerKey, Drops)>,
    /// What is settled, until a sweep gives its memory back.
    settled: Vec<Table<Mapped>>,
    is_told: bool,
}

impl GrowingTable {
    /// The generation in force, or one that is put in force now; it grows up to 2^`largest` buckets.
    pub(super) fn new(
        current: Mapped,
        seed: Seed,
        largest: u32,
        control: Arc<ControlPage>,
        maker: SharedMaker,
    ) -> io::Result<Self> {
        let current = table(current, seed)?;
        control.set_generation(current.generation());
        Ok(Self {
            current,
            next: None,
            previous: None,
            maker,
            seed,
            control,
            largest,
            refused: None,
            untold: Vec::new(),
            settled: Vec::new(),
            is_told: true,
        })
    }

    /// Puts in what stands for a host; returns the drops that were metered while another kind stood for it.
    pub(super) fn insert(
        &mut self,
        peer: PeerKey,
        standing: Standing,
        meter: Meter,
    ) -> Result<Drops, NotHeld> {
        // Once it was refused, sweeps alone ask again, who keep nobody waiting: under an attack this is called thousands of
        // times a second.
        if self.next.is_none() && self.current.is_crowded() && self.refused.is_none() {
            self.begin();
        }
        self.settle(BUCKETS_WITH_EACH);
        let mut inserted = self.current.insert(peer, standing, meter);
        if let Some((next, _)) = &mut self.next {
            // There is twice the room. Were there none, the round that ends the copy finds out.
            let _ = next.insert(peer, standing, meter);
            let buckets = if inserted.is_err() { u32::MAX } else { BUCKETS_WITH_EACH };
            self.copy(buckets);
            if inserted.is_err() {
                inserted = self.current.insert(peer, standing, meter);
            }
        }
        inserted.map_err(|Full| NotHeld::NoRoom(self.refused.clone()))
    }

    /// Takes a host out; returns what was there.
    pub(super) fn remove(&mut self, peer: PeerKey) -> Option<Entry> {
        if let Some((next, _)) = &mut self.next {
            next.remove(peer);
        }
        self.current.remove(peer)
    }

    /// What stands for a host.
    pub(super) fn get(&self, peer: PeerKey) -> Option<Entry> {
        self.current.get(peer)
    }

    /// What was metered of a host since the last time: its drops, whether it used its exemption.
    pub(super) fn harvest(&self, peer: PeerKey) -> Option<(Drops, bool)> {
        self.current.harvest(peer)
    }

    /// The table in force.
    pub(super) fn current(&self) -> &Table<Mapped> {
        &self.current
    }

    /// Hosts of a kind.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.current.count(kind)
    }

    /// Does a part of what growth has left to do; `told` hears the drops that the generation before had metered.
    pub(super) fn go_on(&mut self, buckets: u32, mut told: impl FnMut(PeerKey, Drops)) {
        self.copy(buckets);
        self.settle(buckets);
        self.untold.drain(..).for_each(|(peer, drops)| told(peer, drops));
    }

    /// Grows as far as it ever may, now.
    pub(super) fn grow_whole(&mut self) -> Result<(), NotHeld> {
        while self.current.generation() < self.largest {
            let generation = self.current.generation();
            self.begin();
            self.copy(u32::MAX);
            if self.current.generation() == generation {
                return Err(NotHeld::NoRoom(self.refused.clone()));
            }
            self.settle(u32::MAX);
        }
        Ok(())
    }

    /// Who makes generations.
    pub(super) fn maker(&self) -> SharedMaker {
        self.maker.clone()
    }

    /// Which generation will soon be needed, where that is another one, and what its hosts are placed by. Its maker is
    /// locked before this is asked, so that nobody else makes it too.
    pub(super) fn soon_needed(&self) -> Option<(u32, Seed)> {
        let is_soon = self.current.len() >= room(self.current.generation()) / 4 * 3;
        let next = self.current.generation() + 1;
        (is_soon && self.next.is_none() && next <= self.largest).then_some((next, self.seed))
    }

    /// Generations that nobody looks into any more.
    pub(super) fn take_settled(&mut self) -> Vec<Table<Mapped>> {
        std::mem::take(&mut self.settled)
    }

    /// Makes the next generation, unless this is the largest, or somebody makes it just now.
    fn begin(&mut self) {
        let generation = self.current.generation() + 1;
        if generation > self.largest {
            return;
        }
        let maker = self.maker.clone();
        let made = match maker.try_lock() {
            Ok(mut maker) => make(&mut *maker, generation, self.seed),
            Err(TryLockError::Poisoned(maker)) => make(&mut *maker.into_inner(), generation, self.seed),
            Err(TryLockError::WouldBlock) => return,
        };
        self.grow_into(generation, made);
    }

    /// The next generation is this, if it is still wanted.
    pub(super) fn grow_into(&mut self, generation: u32, made: io::Result<Table<Mapped>>) {
        if self.next.is_some() || generation != self.current.generation() + 1 {
            return;
        }
        match made {
            Ok(next) => {
                // Two at a time.
                self.settle(u32::MAX);
                self.next = Some((next, 0));
                self.refused = None;
            }
            Err(error) => {
                if self.refused.is_none() {
                    tracing::warn!(
                        { field::ERROR } = %error,
                        "the kernel's table of hosts cannot grow: who finds no room in it is enforced at accept"
                    );
                }
                self.refused = Some(error.to_string());
            }
        }
    }

    /// Copies some more buckets; with the last host, the next generation is in force.
    fn copy(&mut self, buckets: u32) {
        let mut left = buckets;
        while left > 0 {
            let Some((next, copied)) = &mut self.next else { return };
            let end = copied.saturating_add(left).min(self.current.buckets());
            if self.current.copy_into(*copied..end, next).is_err() {
                return;
            }
            left -= end - *copied;
            *copied = end;
            if end < self.current.buckets() {
                return;
            }
            if next.len() == self.current.len() {
                self.put_in_force();
                return;
            }
            // Some have moved meanwhile, into a bucket that was copied before. They are few, and fewer after each round; it
            // is as little at once as the first, for all others wait.
            *copied = 0;
        }
    }

    fn put_in_force(&mut self) {
        if let Some((next, _)) = self.next.take() {
            self.control.set_generation(next.generation());
            self.previous = Some((std::mem::replace(&mut self.current, next), 0));
            self.tell_in_force();
        }
    }

    /// At once, for this process may be killed at any moment; by the sweep that has the maker just now, otherwise. Never by
    /// waiting for it: it may be waiting for this table.
    fn tell_in_force(&mut self) {
        let maker = self.maker.clone();
        match maker.try_lock() {
            Ok(mut maker) => self.tell_in_force_to(&mut *maker),
            Err(TryLockError::Poisoned(maker)) => self.tell_in_force_to(&mut *maker.into_inner()),
            Err(TryLockError::WouldBlock) => self.is_told = false,
        }
    }

    /// What could not be told when the generation came in force.
    pub(super) fn tell_in_force_to(&mut self, maker: &mut dyn Maker) {
        self.is_told = true;
        if let Err(error) = maker.in_force(self.current.generation()) {
            tracing::warn!(
                { field::ERROR } = %error,
                "the kernel's table of hosts has grown, but the larger one ends with this process"
            );
        }
    }

    /// Whether the maker knows which generation is in force.
    pub(super) fn is_told(&self) -> bool {
        self.is_told
    }

    fn settle(&mut self, buckets: u32) {
        let Some((previous, settled)) = &mut self.previous else { return };
        let end = settled.saturating_add(buckets).min(previous.buckets());
        let untold = &mut self.untold;
        previous.settle(*settled..end, &self.current, |peer, drops| untold.push((peer, drops)));
        *settled = end;
        if end < previous.buckets() {
            return;
        }
        self.settled.extend(self.previous.take().map(|(settled, _)| settled));
    }
}

/// Makes a generation, and looks at its memory, which takes its time too.
pub(super) fn make(maker: &mut dyn Maker, generation: u32, seed: Seed) -> io::Result<Table<Mapped>> {
    table(maker.make(generation)?, seed)
}

/// Gives the memory of generations back.
pub(super) fn give_back(settled: Vec<Table<Mapped>>, maker: &mut dyn Maker) {
    for table in settled {
        let generation = table.generation();
        drop(table);
        if let Err(error) = maker.retire(generation) {
            tracing::warn!(
                { field::ERROR } = %error,
                "a generation of the kernel's table of hosts that is not used any more keeps its memory"
            );
        }
    }
}

fn table(memory: Mapped, seed: Seed) -> io::Result<Table<Mapped>> {
    let words = memory.len();
    Table::new(memory, seed).ok_or_else(|| {
        io::Error::other(format!("{} buckets are no generation of the table of hosts", words / BUCKET_WORDS))
    })
}
