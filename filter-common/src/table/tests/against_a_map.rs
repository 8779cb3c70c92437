//! Whatever is done to the table, it holds what a `HashMap` holds after the same.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::{Drops, Full, Kind, Meter, SMALLEST, Standing, Table, room};
use super::{SEED, empty, peer, standing, until};
use crate::{PeerKey, Timestamp};

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, Kind, u64, bool),
    Remove(u32),
    /// The program drops so many frames of 60 octets, or SYNs, or lets one of an authenticated host pass.
    Meter(u32, u64),
    Harvest(u32),
    /// The writer ends, and another takes over the memory.
    Adopt,
}

/// Of 112 hosts, as many as make a table of 128 slots move.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let host = 0u32..112;
    let kind = prop::sample::select(&Kind::ALL[..]);
    let step = prop_oneof![
        6 => (host.clone(), kind, 1u64..1000, any::<bool>()).prop_map(|(n, k, u, o)| Step::Insert(n, k, u, o)),
        2 => host.clone().prop_map(Step::Remove),
        3 => (host.clone(), 1u64..9).prop_map(|(n, m)| Step::Meter(n, m)),
        2 => host.prop_map(Step::Harvest),
        1 => Just(Step::Adopt),
    ];
    prop::collection::vec(step, 1..600)
}

/// What the map knows of a host: what stands, and how often it was metered since the last harvest.
type Known = HashMap<PeerKey, (Standing, u64)>;

fn drops(kind: Kind, metered: u64) -> Drops {
    match kind {
        Kind::Blocked => Drops { packets: metered, octets: metered * 60 },
        Kind::Limited => Drops { packets: metered, octets: 0 },
        Kind::Authenticated => Drops::default(),
    }
}

fn metered(kind: Kind, times: u64) -> u64 {
    times
        * match kind {
            Kind::Blocked => Meter::blocked_frame(60),
            Kind::Limited => Meter::limited_syn(),
            Kind::Authenticated => Meter::USED.0,
        }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_holds_what_a_map_holds(steps in steps()) {
        let mut table = empty(SMALLEST);
        let mut known = Known::new();
        for step in steps {
            match step {
                Step::Insert(n, kind, units, overlaps_allow) => {
                    let new = Standing { kind, until: until(units), overlaps_allow };
                    let before = known.get(&peer(n)).copied();
                    let Ok(left) = table.insert(peer(n), new, Meter::default()) else {
                        prop_assert!(before.is_none() && known.len() > 64, "full at {}", known.len());
                        continue;
                    };
                    let (kept, expected) = match before {
                        Some((old, times)) if old.kind == kind => (times, Drops::default()),
                        Some((old, times)) => (0, drops(old.kind, times)),
                        None => (0, Drops::default()),
                    };
                    prop_assert_eq!(left, expected);
                    known.insert(peer(n), (new, kept));
                }
                Step::Remove(n) => {
                    let gone = table.remove(peer(n)).map(|entry| (entry.standing, entry.meter));
                    let expected = known.remove(&peer(n));
                    prop_assert_eq!(gone.map(|(standing, _)| standing), expected.map(|(standing, _)| standing));
                    if let (Some((standing, meter)), Some((_, times))) = (gone, expected) {
                        prop_assert_eq!(meter.harvest(standing.kind).1, drops(standing.kind, times));
                    }
                }
                Step::Meter(n, times) => {
                    if let Some((standing, before)) = known.get_mut(&peer(n)) {
                        *before += times;
                        table.add_to_meter(peer(n), metered(standing.kind, times));
                    }
                }
                Step::Harvest(n) => {
                    let harvested = table.harvest(peer(n));
                    let expected = known.get_mut(&peer(n)).map(|(standing, times)| {
                        let times = std::mem::take(times);
                        (drops(standing.kind, times), standing.kind == Kind::Authenticated && times > 0)
                    });
                    prop_assert_eq!(harvested, expected);
                }
                Step::Adopt => {
                    table = Table::new(table.into_memory(), SEED).unwrap();
                }
            }
            prop_assert_eq!(table.len(), known.len());
        }
        for n in 0..112 {
            let held = table.get(peer(n)).map(|entry| entry.standing);
            prop_assert_eq!(held, known.get(&peer(n)).map(|(standing, _)| *standing));
        }
        for kind in Kind::ALL {
            prop_assert_eq!(table.count(kind), known.values().filter(|(held, _)| held.kind == kind).count());
        }
        let listed: HashMap<_, _> =
            table.entries(0..u32::MAX).map(|entry| (entry.peer, entry.standing)).collect();
        let known: HashMap<_, _> = known.into_iter().map(|(peer, (standing, _))| (peer, standing)).collect();
        prop_assert_eq!(listed, known);
    }
}

#[test]
fn the_load_that_growth_allows_is_reached_in_every_size() {
    for generation in SMALLEST..=14 {
        for shift in [0, 8] {
            // Neighbours, and one host of each /24.
            let mut table = empty(generation);
            for n in 0..room(generation) as u32 {
                assert!(!table.is_crowded());
                let blocked = standing(Kind::Blocked, 1 + u64::from(n));
                let inserted = table.insert(peer(n << shift), blocked, Meter::default());
                assert_eq!(inserted, Ok(Drops::default()), "host {n} of generation {generation}");
            }
            assert!(table.is_crowded());
            for n in 0..room(generation) as u32 {
                let held = table.get(peer(n << shift)).map(|entry| entry.standing.until);
                assert_eq!(held, Some(until(1 + u64::from(n))));
            }
        }
    }
}

#[test]
fn a_full_table_says_so_and_holds_what_it_held() {
    let mut table = empty(SMALLEST);
    let blocked = standing(Kind::Blocked, 9);
    let mut inside = Vec::new();
    for n in 0..1000 {
        match table.insert(peer(n), blocked, Meter::default()) {
            Ok(_) => inside.push(n),
            Err(Full) => assert!(table.get(peer(n)).is_none()),
        }
    }
    assert!(inside.len() <= 128 && inside.len() > 110, "{} in 128 slots", inside.len());
    assert!(inside.iter().all(|n| table.get(peer(*n)).is_some()));
    assert_eq!(table.len(), inside.len());
    // Who is inside can still change.
    let limited = standing(Kind::Limited, 9);
    assert!(table.insert(peer(inside[0]), limited, Meter::default()).is_ok());
    assert_eq!(table.get(peer(inside[0])).unwrap().standing, limited);
}

#[test]
fn memory_that_is_no_generation_is_refused() {
    for words in [0, 8, 500, 512 + 8, 512 + 4, 3 * 512] {
        let memory: Box<[std::sync::atomic::AtomicU64]> = (0..words).map(|_| Default::default()).collect();
        assert!(Table::new(memory, SEED).is_none(), "{words} words");
    }
}

#[test]
fn what_never_ends_never_ends() {
    let mut table = empty(SMALLEST);
    let forever = Standing { kind: Kind::Blocked, until: Timestamp::NEVER, overlaps_allow: true };
    table.insert(peer(1), forever, Meter::default()).unwrap();
    assert_eq!(table.get(peer(1)).unwrap().standing, forever);
}
