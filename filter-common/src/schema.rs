//! One stamp over all that kernel and userspace share: two builds may work on the same maps only where it is equal. And
//! one each over the table of hosts and over the counters, which may outlive a change of the rest. They change by
//! themselves with every size, offset, counter and reason; a change of meaning alone bumps a `GENERATION`.

use core::mem::offset_of;

use crate::table::{meter, seed, state};
use crate::{Captured, Control, Counter, Event, LoadTime, NetworkEntry, PeerKey, Reason, head, table};

/// Goes up when the meaning of a field changes and its place does not.
const GENERATION: u64 = 1;

/// The same for the table of hosts: the stamp over all changes with it.
const TABLE_GENERATION: u64 = 1;

/// What stands before the stamp in the object, so that it can be found there.
pub const MARK: [u8; 16] = *b"relaygate schema";

/// Ports in one element of the map `PORTS`, a bit for each.
pub const PORTS_PER_WORD: u32 = u64::BITS;

/// Elements of the map `PORTS`.
pub const PORT_WORDS: u32 = (u16::MAX as u32 + 1) / PORTS_PER_WORD;

/// The stamp over all.
pub const STAMP: u64 = stamp();

/// The stamp over the table of hosts.
pub const TABLE: u64 = Fnv::START
    .words(&[TABLE_GENERATION, size_of::<PeerKey>() as u64])
    .words(&table::LAYOUT)
    .words(&state::LAYOUT)
    .words(&seed::LAYOUT)
    .words(&meter::LAYOUT)
    .0;

/// The stamp over the counters.
pub const COUNTERS: u64 = counters();

/// The stamp as the object carries it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Stamped {
    /// [`MARK`].
    pub mark: [u8; 16],
    /// [`STAMP`] when the object was built.
    pub stamp: u64,
}

impl Stamped {
    /// This build's.
    pub const THIS: Self = Self { mark: MARK, stamp: STAMP };

    /// The stamp in an object; nothing where it carries none.
    #[must_use]
    pub fn find(object: &[u8]) -> Option<u64> {
        let at = object.windows(MARK.len()).position(|window| window == MARK)?;
        let stamp = object.get(at + MARK.len()..)?.first_chunk()?;
        Some(u64::from_le_bytes(*stamp))
    }
}

const fn stamp() -> u64 {
    let numbers = [
        GENERATION,
        size_of::<PeerKey>() as u64,
        size_of::<NetworkEntry>() as u64,
        offset_of!(NetworkEntry, until) as u64,
        offset_of!(NetworkEntry, arrival) as u64,
        size_of::<Event>() as u64,
        offset_of!(Event, kind) as u64,
        offset_of!(Event, reason) as u64,
        offset_of!(Event, at) as u64,
        offset_of!(Event, peer) as u64,
        size_of::<Captured>() as u64,
        offset_of!(Captured, at) as u64,
        offset_of!(Captured, length) as u64,
        offset_of!(Captured, kept) as u64,
        offset_of!(Captured, reason) as u64,
        offset_of!(Captured, octets) as u64,
        size_of::<LoadTime>() as u64,
        offset_of!(LoadTime, limit) as u64,
        offset_of!(LoadTime, network) as u64,
        offset_of!(LoadTime, syn_limit) as u64,
        offset_of!(LoadTime, replies) as u64,
        offset_of!(LoadTime, seed) as u64,
        offset_of!(LoadTime, prefix_ipv4) as u64,
        offset_of!(LoadTime, prefix_ipv6) as u64,
        offset_of!(LoadTime, block_action) as u64,
        offset_of!(LoadTime, addresses) as u64,
        offset_of!(LoadTime, fences) as u64,
        PORTS_PER_WORD as u64,
        PORT_WORDS as u64,
        size_of::<Control>() as u64,
        offset_of!(Control, boot_offset) as u64,
        offset_of!(Control, generation) as u64,
        offset_of!(Control, networks) as u64,
        offset_of!(Control, capture_on) as u64,
        offset_of!(Control, capture_key) as u64,
        offset_of!(Control, replies_arrival) as u64,
        offset_of!(Control, events_arrival) as u64,
        table::GENERATIONS as u64,
        TABLE,
        COUNTERS,
    ];
    let mut hash = Fnv::START.words(&numbers).words(&head::LAYOUT);
    let mut at = 0;
    while at < Reason::ALL.len() {
        hash = hash.bytes(Reason::ALL[at].name().as_bytes());
        at += 1;
    }
    hash.0
}

const fn counters() -> u64 {
    let mut hash = Fnv::START;
    let mut at = 0;
    while at < Counter::ALL.len() {
        hash = hash.bytes(Counter::ALL[at].name().as_bytes());
        at += 1;
    }
    hash.0
}

/// FNV-1a: no secret depends on it, and it can be computed while compiling.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Fnv {
    const START: Self = Self(0xcbf2_9ce4_8422_2325);

    const fn words(mut self, words: &[u64]) -> Self {
        let mut at = 0;
        while at < words.len() {
            self = self.bytes(&words[at].to_le_bytes());
            at += 1;
        }
        self
    }

    const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0 = (self.0 ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
            at += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_is_found_behind_its_mark() {
        let mut object = vec![0; 100];
        object.extend(MARK);
        assert_eq!(Stamped::find(&object), None, "cut short");
        object.extend(STAMP.to_le_bytes());
        object.extend([1, 2, 3]);
        assert_eq!(Stamped::find(&object), Some(STAMP));
        assert_eq!(Stamped::find(b"nothing"), None);
    }

    #[test]
    fn fnv_is_fnv() {
        assert_eq!(Fnv::START.bytes(b"foobar").0, 0x8594_4171_f739_67e8);
    }
}
