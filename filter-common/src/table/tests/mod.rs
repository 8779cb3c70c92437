//! The table against models: its writer against a `HashMap`, writer and reader in every order that a machine allows.

mod against_a_map;
mod growth;
mod interleaved;

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicU64;

use super::{BUCKET_WORDS, Kind, Seed, Standing, Table};
use crate::{PeerKey, Timestamp};

pub(super) const SEED: Seed = Seed([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);

pub(super) fn empty(generation: u32) -> Table<Box<[AtomicU64]>> {
    Table::new(words(generation), SEED).unwrap()
}

fn words(generation: u32) -> Box<[AtomicU64]> {
    (0..BUCKET_WORDS << generation).map(|_| AtomicU64::new(0)).collect()
}

pub(super) fn peer(n: u32) -> PeerKey {
    Ipv4Addr::from(0x0a00_0000 + n).into()
}

/// Units of what the table keeps, so that nothing is rounded.
fn until(units: u64) -> Timestamp {
    Timestamp(units << 20)
}

pub(super) fn standing(kind: Kind, units: u64) -> Standing {
    Standing { kind, until: until(units), overlaps_allow: false }
}
