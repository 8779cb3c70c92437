//! A generation that follows another has the same hosts, and nothing that was metered meanwhile is lost.

use std::collections::HashMap;

use super::super::{Drops, Kind, Meter, generation_for, room};
use super::{empty, peer, standing};
use crate::PeerKey;

#[test]
fn hosts_limiters_and_drops_go_into_the_next_generation() {
    let (mut old, mut next) = (empty(8), empty(9));
    for n in 0..400 {
        let kind = Kind::ALL[n as usize % 3];
        old.insert(peer(n), standing(kind, 1 + u64::from(n)), Meter::default()).unwrap();
    }
    let limited = peer(0);
    let blocked = peer(1);
    old.add_to_meter(limited, Meter::default().with_arrival(1 << 30).0 + 2 * Meter::limited_syn());
    old.add_to_meter(blocked, 3 * Meter::blocked_frame(60));
    // In steps; between two of them, one host comes and one goes.
    old.copy_into(0..100, &mut next).unwrap();
    for table in [&mut old, &mut next] {
        table.insert(peer(1000), standing(Kind::Blocked, 7), Meter::default()).unwrap();
        table.remove(peer(5));
    }
    old.copy_into(100..256, &mut next).unwrap();
    // Whoever moved into a bucket that was copied already is found by the second round.
    if old.len() != next.len() {
        old.copy_into(0..256, &mut next).unwrap();
    }
    let hosts = |table: &super::Table<_>| -> HashMap<PeerKey, _> {
        table.entries(0..u32::MAX).map(|entry| (entry.peer, entry.standing)).collect()
    };
    assert_eq!(hosts(&old), hosts(&next));
    assert_eq!(next.len(), 400);

    // What the program metered since, before the swap and after it.
    old.add_to_meter(limited, Meter::default().with_arrival(1 << 20).0 + Meter::limited_syn());
    old.add_to_meter(blocked, Meter::blocked_frame(1500));
    old.add_to_meter(peer(4), Meter::blocked_frame(60));
    old.add_to_meter(peer(2), Meter::USED.0);
    next.add_to_meter(blocked, Meter::blocked_frame(60));
    let mut told = HashMap::new();
    old.settle(0..256, &next, |peer, drops| _ = told.insert(peer, drops));
    let drops = |packets, octets| Drops { packets, octets };
    assert_eq!(
        told,
        HashMap::from([(limited, drops(3, 0)), (blocked, drops(4, 180 + 1500)), (peer(4), drops(1, 60)),])
    );
    assert_eq!(next.harvest(blocked), Some((drops(1, 60), false)));
    assert_eq!(next.harvest(peer(2)), Some((Drops::default(), true)), "the use of an exemption");
    let limiter = next.get(limited).unwrap().meter;
    assert_eq!(limiter.arrival(), (1 << 30) + (1 << 20));
    assert!(!limiter.has_no_limited_drop(), "its first drop was told");
    assert_eq!(next.harvest(limited), Some((Drops::default(), false)));
    assert_ne!(next.get(peer(4)).unwrap().meter, Meter::default(), "its first drop was told");
}

#[test]
fn a_generation_has_room_for_those_it_was_chosen_for() {
    for hosts in [0, 1, 104, 105, 65_536, 1_000_000, 1 << 20] {
        let generation = generation_for(hosts);
        assert!(room(generation) >= hosts);
        assert!(generation == super::super::SMALLEST || room(generation - 1) < hosts);
    }
    // A million hosts, in octets: within 128 MiB.
    assert_eq!(generation_for(1_000_000), 20);
    assert_eq!(64usize << 20, 64 * 1024 * 1024);
}
