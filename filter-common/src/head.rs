//! The map `HEAD`, which userspace alone reads and writes: what a later relaygate must know of the maps that it finds
//! pinned, before it believes anything else in them.

use core::mem::offset_of;

use crate::PrefixLengths;
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
    /// How much of an address is one peer. Under other lengths the keys of the table mean other peers.
    pub prefix_ipv4: u32,
    /// The same for IPv6.
    pub prefix_ipv6: u32,
}

impl Head {
    /// Words of 64 bits in it.
    pub const WORDS: usize = size_of::<Self>() / size_of::<u64>();

    /// This build's.
    #[must_use]
    pub const fn new(seed: Seed, prefixes: PrefixLengths) -> Self {
        Self {
            mark: schema::MARK,
            stamp: schema::STAMP,
            table: schema::TABLE,
            counters: schema::COUNTERS,
            seed,
            prefix_ipv4: prefixes.ipv4 as u32,
            prefix_ipv6: prefixes.ipv6 as u32,
        }
    }

    /// Whether its peers are those of these prefix lengths.
    #[must_use]
    pub const fn has_peers_of(&self, prefixes: PrefixLengths) -> bool {
        self.prefix_ipv4 == prefixes.ipv4 as u32 && self.prefix_ipv6 == prefixes.ipv6 as u32
    }
}

/// What goes into the stamp.
pub(crate) const LAYOUT: [u64; 7] = [
    size_of::<Head>() as u64,
    offset_of!(Head, stamp) as u64,
    offset_of!(Head, table) as u64,
    offset_of!(Head, counters) as u64,
    offset_of!(Head, seed) as u64,
    offset_of!(Head, prefix_ipv4) as u64,
    offset_of!(Head, prefix_ipv6) as u64,
];
