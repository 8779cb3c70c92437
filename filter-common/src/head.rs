//! The map `HEAD`, which userspace alone reads and writes: what a later relaygate must know of the maps that it finds
//! pinned, before it believes anything else in them.

use core::mem::offset_of;

use crate::schema;
use crate::table::Seed;

/// The one element of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Head {
    /// [`schema::MARK`]: whatever has another is not ours.
    pub mark: [u8; 16],
    /// [`schema::STAMP`]: where it is equal, all maps can be used as they are.
    pub stamp: u64,
    /// [`schema::TABLE`]: where it is equal, the hosts can be read.
    pub table: u64,
    /// [`schema::COUNTERS`]: where it is equal, the counters go on.
    pub counters: u64,
    /// What the hosts were placed by.
    pub seed: Seed,
}

impl Head {
    /// Words of 64 bits in it.
    pub const WORDS: usize = size_of::<Self>() / size_of::<u64>();

    /// This build's.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self {
            mark: schema::MARK,
            stamp: schema::STAMP,
            table: schema::TABLE,
            counters: schema::COUNTERS,
            seed,
        }
    }
}

/// What goes into the stamp.
pub(crate) const LAYOUT: [u64; 5] = [
    size_of::<Head>() as u64,
    offset_of!(Head, stamp) as u64,
    offset_of!(Head, table) as u64,
    offset_of!(Head, counters) as u64,
    offset_of!(Head, seed) as u64,
];
