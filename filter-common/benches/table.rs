//! What the table of hosts itself costs, in mapped memory: a million hosts inserted, found, changed and removed, one after
//! the other, in no order that a cache could guess. Run: `cargo bench -p filter-common --features user`. With `--min N` it
//! fails where fewer than N million a second are inserted.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made says where, and fails")]
#![allow(clippy::print_stdout, reason = "the figures are for the reader")]
#![allow(missing_docs, reason = "a program, not a library")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use filter_common::table::{BUCKET_WORDS, Kind, Meter, Seed, Standing, Table, generation_for};
use filter_common::{Mapped, PeerKey, Timestamp};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::time::{ClockId, clock_gettime};

const HOSTS: u32 = 1_000_000;

/// Rounds; the median counts.
const ROUNDS: usize = 9;

const SEED: Seed = Seed([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);

/// All of them different, neighbours far apart.
fn peer(n: u32) -> PeerKey {
    std::net::Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1)).into()
}

fn blocked(n: u32) -> Standing {
    Standing { kind: Kind::Blocked, until: Timestamp(u64::from(n) << 24), overlaps_allow: false }
}

fn mapped(words: usize) -> Mapped {
    let memory = memfd_create("table", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&memory, (words * size_of::<u64>()) as u64).unwrap();
    let mapped = Mapped::new(memory, words).unwrap();
    // A BPF array's pages are there from the start.
    mapped.iter().for_each(|word| word.store(0, std::sync::atomic::Ordering::Relaxed));
    mapped
}

/// In time of this thread alone: what else the machine does is not counted.
fn timed(work: impl FnOnce()) -> Duration {
    let spent = || {
        let spent = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(spent.tv_sec).unwrap(), u32::try_from(spent.tv_nsec).unwrap())
    };
    let start = spent();
    work();
    spent() - start
}

fn main() -> ExitCode {
    let minimum = std::env::args().skip_while(|argument| argument != "--min").nth(1);
    let minimum: f64 = minimum.map_or(0.0, |number| number.parse().expect("--min takes a number"));
    let generation = generation_for(HOSTS as usize);
    let mut rounds: Vec<[Duration; 5]> = (0..ROUNDS).map(|_| round(generation)).collect();
    let names = ["insert", "find", "find none", "change", "remove"];
    println!("{HOSTS} hosts in 2^{generation} buckets, the middle one of {ROUNDS} rounds:");
    let mut inserted = 0.0;
    for (at, name) in names.into_iter().enumerate() {
        rounds.sort_by_key(|round| round[at]);
        let time = rounds[ROUNDS / 2][at];
        let millions = f64::from(HOSTS) / time.as_secs_f64() / 1e6;
        println!("{name:>10}: {millions:6.1} million a second, {:5.0} ns each", 1e3 / millions);
        if at == 0 {
            inserted = millions;
        }
    }
    if inserted < minimum {
        println!("{inserted:.1} million inserts a second are fewer than {minimum}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn round(generation: u32) -> [Duration; 5] {
    let mut table = Table::new(mapped(BUCKET_WORDS << generation), SEED).unwrap();
    let insert = timed(|| {
        for n in 0..HOSTS {
            table.insert(peer(n), blocked(n), Meter::default()).unwrap();
        }
    });
    assert_eq!(table.len(), HOSTS as usize);
    let find = timed(|| {
        for n in 0..HOSTS {
            black_box(table.get(peer(n)).unwrap());
        }
    });
    let find_none = timed(|| {
        for n in 0..HOSTS {
            black_box(table.get(peer(HOSTS + n)));
        }
    });
    let change = timed(|| {
        for n in 0..HOSTS {
            table.insert(peer(n), blocked(n + 1), Meter::default()).unwrap();
        }
    });
    let remove = timed(|| {
        for n in 0..HOSTS {
            table.remove(peer(n)).unwrap();
        }
    });
    assert!(table.is_empty());
    [insert, find, find_none, change, remove]
}
