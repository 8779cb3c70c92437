//! The table of hosts: one look-up a packet answers authenticated, limited, blocked or nothing. Its layout, its hash,
//! its reader (for the kernel program and userspace alike) and its writer (userspace alone).
//!
//! A *generation* of the table is a power of two of buckets; a bucket is one cache line with two slots; a host lies in
//! one of the two buckets that its key's hash names. So a host that is known costs one cache miss or two, however many
//! attack. A table that fills is followed by a generation of twice the size.
//!
//! # Who writes what
//!
//! Userspace alone writes states and keys, one store a word; the program changes meters alone, by atomics. A slot's
//! state is published after its key and meter, and cleared before either is used for another host; each use of a slot
//! has a version of its own. A reader that finds the same version and tag before and after it read the key has read one
//! host's entry: it never sees half an entry, nor takes one host's sanction for another's. While an entry moves between
//! its two buckets it is copied before it is cleared: at worst a reader that looks into both just then, in the other
//! order, does not find it, and its packet passes.
//!
//! # Which generation
//!
//! The map `HOSTS` holds a generation of 2^n buckets in its element n. Which is in force says one word,
//! [`Control::generation`](crate::Control): a reader takes the element and the number of buckets from the same load, so a
//! swap is one store, and no packet ever looks for a host in the wrong place.

pub mod find;
pub mod meter;
pub mod seed;
pub mod state;

#[cfg(any(test, feature = "user"))]
mod growth;
#[cfg(any(test, feature = "user"))]
mod hosts;
#[cfg(any(test, feature = "user"))]
mod memory;
#[cfg(any(test, feature = "user"))]
mod moves;
#[cfg(test)]
mod tests;

pub use find::{Found, Words, find};
#[cfg(any(test, feature = "user"))]
pub use hosts::{Entry, Full, Table};
#[cfg(any(test, feature = "user"))]
pub use memory::Memory;
pub use meter::{Drops, Meter};
pub use seed::{Place, Seed};
pub use state::{Kind, Standing, State};

/// Words of 64 bits in a slot: state, two of the key, meter.
pub const SLOT_WORDS: usize = 4;

/// Slots in a bucket.
pub const SLOTS: usize = 2;

/// Words in a bucket: one cache line.
pub const BUCKET_WORDS: usize = SLOT_WORDS * SLOTS;

/// Where a slot's state lies in it.
pub const STATE: usize = 0;

/// Where a slot's key lies in it: two words.
pub const KEY: usize = 1;

/// Where a slot's meter lies in it.
pub const METER: usize = 3;

/// The smallest generation has 2^6 buckets: one page, which is as little as can be mapped.
pub const SMALLEST: u32 = 6;

/// The largest has 2^25: 2 GiB, more hosts than any machine here can hold.
pub const LARGEST: u32 = 25;

/// Elements of the map `HOSTS`, one for each size.
pub const GENERATIONS: u32 = LARGEST + 1;

/// A bucket as the kernel maps hold it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Bucket(pub [u64; BUCKET_WORDS]);

/// How many hosts a generation of 2^`generation` buckets takes before the next is due: 13 of 16 slots. Two choices of
/// two slots can be filled to 89 of 100 before moves find no end; below this they end after a few.
#[must_use]
pub const fn room(generation: u32) -> usize {
    (SLOTS << generation) / 16 * 13
}

/// The smallest generation with room for as many hosts; the largest where none has.
#[must_use]
pub const fn generation_for(hosts: usize) -> u32 {
    let mut generation = SMALLEST;
    while generation < LARGEST && room(generation) < hosts {
        generation += 1;
    }
    generation
}

/// What goes into the table's stamp, besides what its parts name.
pub(crate) const LAYOUT: [u64; 6] =
    [SLOT_WORDS as u64, SLOTS as u64, STATE as u64, KEY as u64, METER as u64, size_of::<Bucket>() as u64];

const _: () = assert!(size_of::<Bucket>() == BUCKET_WORDS * size_of::<u64>());
