//! Wanted and installed, in a kernel that is memory of this process.

use filter_common::table::{Meter, SMALLEST};
use filter_common::{PeerKey, Sanction};

use super::*;
use crate::kernel::enforcer::HostFigures;
use crate::kernel::testing::{FakeKernel, SEED, bounds, minute, peer};
use crate::peers::{Admission, Dropped};

fn blocked(minutes: u32) -> Sanction {
    Sanction::Blocked { until: minute(minutes) }
}

fn limited(minutes: u32) -> Sanction {
    Sanction::Limited { until: minute(minutes) }
}

/// What the program would find for a peer.
fn kind(kernel: &FakeKernel, peer: PeerKey) -> Option<Kind> {
    kernel.table().get(peer).map(|entry| entry.standing.kind)
}

/// Meters as the program does.
fn meter(kernel: &FakeKernel, wanted: PeerKey, more: u64) {
    let table = kernel.table();
    let place = SEED.place(wanted);
    let memory = kernel.in_force();
    for bucket in [place.first(table.generation()), place.second(table.generation())] {
        for slot in [0, 4] {
            let word = bucket as usize * 8 + slot;
            let key = [1, 2].map(|at| memory[word + at].load(std::sync::atomic::Ordering::Relaxed));
            if PeerKey::from_words(key) == wanted && table.get(wanted).is_some() {
                memory[word + 3].fetch_add(more, std::sync::atomic::Ordering::Relaxed);
                return;
            }
        }
    }
    panic!("{wanted} is not in the table");
}

fn figures(enforcer: &KernelEnforcer) -> (u64, u64) {
    let HostFigures { differences, repaired, .. } = enforcer.figures();
    (differences, repaired)
}

#[test]
fn what_differs_is_put_right_both_ways_and_told_for_a_round() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    let enforcer = kernel.enforcer(bounds(90, 10), 1000);
    for n in 0..20 {
        enforcer.enforce(peer(n), blocked(60), minute(0));
    }
    enforcer.sweep(minute(1));
    assert_eq!(figures(&enforcer), (0, 0));
    // One is gone, one is other than it shall be, one is there that nobody wants.
    enforcer.hosts().take_out(peer(1));
    enforcer.hosts().accord(peer(2), Some((Kind::Limited, minute(60))), minute(0)).unwrap();
    enforcer.hosts().accord(peer(77), Some((Kind::Blocked, minute(60))), minute(0)).unwrap();
    enforcer.sweep(minute(2));
    assert_eq!([1, 2, 77].map(|n| kind(&kernel, peer(n))), [Some(Kind::Blocked), Some(Kind::Blocked), None]);
    assert_eq!(figures(&enforcer), (3, 3));
    let figures_of = enforcer.figures().kinds.map(|of| (of.kind, of.wanted, of.installed));
    assert_eq!(figures_of, [(Kind::Limited, 0, 0), (Kind::Blocked, 20, 20), (Kind::Authenticated, 0, 0)]);
    enforcer.sweep(minute(3));
    assert_eq!(figures(&enforcer), (0, 3), "the next round finds nothing");
}

#[test]
fn what_is_over_leaves_and_what_was_metered_is_brought_in() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    let enforcer = kernel.enforcer(bounds(90, 10), 1000);
    enforcer.enforce(peer(1), blocked(10), minute(0));
    enforcer.enforce(peer(2), limited(30), minute(0));
    meter(&kernel, peer(1), 5 * Meter::blocked_frame(60));
    meter(&kernel, peer(2), 2 * Meter::limited_syn());
    assert_eq!(enforcer.sweep(minute(1)), 0);
    let first = Dropped { packets: 5, octets: 300, first: Some(minute(1)), last: Some(minute(1)) };
    assert_eq!(enforcer.dropped(peer(1)), first);
    enforcer.sweep(minute(2));
    assert_eq!(enforcer.dropped(peer(1)), first, "nothing came since");
    meter(&kernel, peer(1), Meter::blocked_frame(1500));
    assert_eq!(enforcer.sweep(minute(10)), 1);
    let all = Dropped { packets: 6, octets: 1800, first: Some(minute(1)), last: Some(minute(10)) };
    assert_eq!(enforcer.dropped(peer(1)), all);
    assert_eq!(enforcer.dropped(peer(2)).packets, 2);
    assert_eq!((enforcer.in_kernel(), kind(&kernel, peer(1))), ((1, 0), None));
    assert_eq!(figures(&enforcer), (0, 0), "what ends differs from nothing");
    // What it was limited by goes when its sanction changes.
    meter(&kernel, peer(2), Meter::limited_syn());
    enforcer.enforce(peer(2), blocked(40), minute(11));
    assert_eq!(enforcer.dropped(peer(2)).packets, 3);
    assert_eq!(enforcer.sweep(minute(41)), 1);
    assert_eq!(enforcer.in_kernel(), (0, 0));
}

#[test]
fn use_prolongs_an_authentication_everywhere() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    let enforcer = kernel.enforcer(bounds(90, 10), 1000);
    enforcer.authenticate(peer(1), minute(10), minute(0));
    enforcer.authenticate(peer(2), minute(10), minute(0));
    meter(&kernel, peer(1), Meter::USED.0);
    enforcer.sweep(minute(6));
    // A strike of a neighbour: not while it counts.
    enforcer.enforce(peer(1), blocked(60), minute(12));
    assert_eq!(enforcer.sweep(minute(12)), 1, "the other has not come again");
    assert_eq!([1, 2].map(|n| kind(&kernel, peer(n))), [Some(Kind::Authenticated), None]);
    assert_eq!(enforcer.admit(peer(1), minute(12)), Admission::Admitted);
    assert_eq!(enforcer.sweep(minute(16)), 1);
    assert_eq!(kind(&kernel, peer(1)), Some(Kind::Blocked), "what was waiting behind it");
    assert_eq!((figures(&enforcer), enforcer.in_kernel()), ((0, 0), (1, 0)));
}

#[test]
fn who_found_no_room_comes_in_when_there_is_some_and_that_is_no_difference() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    let enforcer = kernel.enforcer(bounds(4, 1), 1000);
    for n in 0..6 {
        enforcer.enforce(peer(n), blocked(if n < 4 { 10 } else { 60 }), minute(0));
    }
    for n in 10..13 {
        enforcer.authenticate(peer(n), minute(20 + n), minute(0));
    }
    assert_eq!((enforcer.in_kernel(), enforcer.not_in_kernel()), ((4, 1), 2));
    assert_eq!(kind(&kernel, peer(12)), Some(Kind::Authenticated), "the one that lasts longest stays");
    assert_eq!(enforcer.figures().evicted, 2);
    enforcer.sweep(minute(1));
    assert_eq!((enforcer.in_kernel(), figures(&enforcer)), ((4, 1), (0, 0)));
    assert_eq!(enforcer.admit(peer(5), minute(1)), Admission::Blocked);
    enforcer.sweep(minute(10));
    assert_eq!((enforcer.in_kernel(), figures(&enforcer)), ((2, 1), (0, 2)));
    // An evicted host is exempt here, so it is not sanctioned there.
    enforcer.enforce(peer(11), blocked(60), minute(11));
    enforcer.sweep(minute(12));
    assert_eq!((kind(&kernel, peer(11)), enforcer.in_kernel()), (None, (2, 1)));
    enforcer.authenticate(peer(12), minute(0), minute(13));
    enforcer.sweep(minute(14));
    assert_eq!(enforcer.in_kernel(), (2, 1), "one of the evicted is in again");
    assert_eq!(figures(&enforcer), (0, 3));
}

#[test]
fn the_table_grows_as_hosts_come_and_no_reader_misses_anybody() {
    let kernel = FakeKernel::new(SMALLEST, 12);
    let enforcer = kernel.enforcer(bounds(6000, 10), 10_000);
    for n in 0..6000 {
        enforcer.enforce(peer(n), blocked(60), minute(0));
        if n.is_power_of_two() {
            let table = kernel.table();
            assert!((0..=n).all(|n| table.get(peer(n)).is_some()), "after {n}");
        }
        if n == 90 {
            // Metered in the first generation, before it is left.
            meter(&kernel, peer(7), 3 * Meter::blocked_frame(60));
        }
        if n % 50 == 0 {
            enforcer.sweep(minute(1));
        }
    }
    assert_eq!((enforcer.in_kernel(), enforcer.not_in_kernel()), ((6000, 0), 0));
    enforcer.sweep(minute(2));
    assert_eq!(kernel.maker.made(), [12], "the older ones were given back");
    assert_eq!(kernel.maker.0.lock().unwrap().in_force, [7, 8, 9, 10, 11, 12]);
    let table = kernel.table();
    assert!((0..6000).all(|n| table.get(peer(n)).is_some()));
    assert_eq!(enforcer.dropped(peer(7)).packets, 3);
    assert_eq!(figures(&enforcer), (0, 0));
    for n in 0..6000 {
        enforcer.enforce(peer(n), Sanction::None, minute(3));
    }
    assert_eq!(kernel.table().entries(0..u32::MAX).count(), 0);
}

#[test]
fn it_grows_without_sweeps_too() {
    let kernel = FakeKernel::new(SMALLEST, 12);
    let enforcer = kernel.enforcer(bounds(6000, 10), 10_000);
    for n in 0..6000 {
        enforcer.enforce(peer(n), blocked(60), minute(0));
    }
    assert_eq!((enforcer.in_kernel(), enforcer.not_in_kernel()), ((6000, 0), 0));
    let table = kernel.table();
    assert!((0..6000).all(|n| table.get(peer(n)).is_some()));
}

#[test]
fn where_it_cannot_grow_the_rest_is_enforced_here() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    kernel.maker.0.lock().unwrap().largest = 12;
    let enforcer = kernel.enforcer(bounds(1000, 10), 1000);
    kernel.maker.0.lock().unwrap().largest = SMALLEST;
    for n in 0..200 {
        enforcer.enforce(peer(n), blocked(60), minute(0));
    }
    let (installed, _) = enforcer.in_kernel();
    assert!(installed > 100 && enforcer.not_in_kernel() == 200 - installed as u64);
    assert!((0..200).all(|n| enforcer.admit(peer(n), minute(1)) == Admission::Blocked));
    // Now it can.
    kernel.maker.0.lock().unwrap().largest = 12;
    enforcer.sweep(minute(2));
    enforcer.sweep(minute(3));
    assert_eq!(enforcer.in_kernel(), (200, 0));
    assert_eq!(enforcer.figures().differences, 0);
}

#[test]
fn a_refusal_is_not_heard_again_with_every_peer() {
    let kernel = FakeKernel::new(SMALLEST, 12);
    let enforcer = kernel.enforcer(bounds(1000, 10), 1000);
    let asked = || std::mem::take(&mut kernel.maker.0.lock().unwrap().asked);
    kernel.maker.0.lock().unwrap().largest = SMALLEST;
    asked();
    for n in 0..1000 {
        enforcer.enforce(peer(n), blocked(60), minute(0));
    }
    assert_eq!(asked(), 1, "with the table locked");
    enforcer.sweep(minute(1));
    assert_eq!(asked(), 1, "and once with each sweep, while nobody waits");
    kernel.maker.0.lock().unwrap().largest = 12;
    for n in 2..9 {
        enforcer.sweep(minute(n));
    }
    assert_eq!(enforcer.in_kernel(), (1000, 0));
}

/// Each peer that comes does a little of the copy, and those that moved meanwhile are copied no other way.
#[test]
fn whoever_moves_while_the_table_grows_is_copied_in_small_steps_too() {
    let kernel = FakeKernel::new(12, 14);
    let enforcer = kernel.enforcer(bounds(20_000, 10), 100_000);
    let steps_of_a_round = 4096 / 64;
    let (mut began, mut ended) = (None, None);
    for n in 0..8000 {
        enforcer.enforce(peer(n), blocked(60), minute(0));
        if kernel.maker.made().contains(&13) {
            began = began.or(Some(n));
        }
        if began.is_some() && ended.is_none() && kernel.table().generation() == 13 {
            ended = Some(n);
        }
    }
    let steps = ended.unwrap() - began.unwrap() + 1;
    assert!(steps > steps_of_a_round && steps < 5 * steps_of_a_round, "{steps}");
    assert_eq!(steps % steps_of_a_round, 0, "one more round, as the first was");
    let table = kernel.table();
    assert!((0..8000).all(|n| table.get(peer(n)).is_some()));
}

#[test]
fn another_process_takes_over_what_stands() {
    let kernel = FakeKernel::new(SMALLEST, 9);
    let before = kernel.enforcer(bounds(500, 10), 1000);
    for n in 0..300 {
        before.enforce(peer(n), if n % 2 == 0 { blocked(60) } else { limited(30) }, minute(0));
    }
    before.authenticate(peer(999), minute(20), minute(0));
    meter(&kernel, peer(2), Meter::blocked_frame(60));
    drop(before);
    let after = kernel.enforcer(bounds(500, 10), 1000);
    assert_eq!(after.in_kernel(), (300, 1));
    assert_eq!(after.admit(peer(0), minute(5)), Admission::Blocked);
    assert_eq!(after.sweep(minute(6)), 0);
    assert_eq!((figures(&after), after.dropped(peer(2)).packets), ((0, 0), 1));
    // Nobody knows any more when it authenticated: use does not prolong that.
    meter(&kernel, peer(999), Meter::USED.0);
    after.sweep(minute(19));
    assert_eq!(after.sweep(minute(20)), 1);
    assert_eq!(after.sweep(minute(30)), 150);
    assert_eq!(after.sweep(minute(60)), 150);
    assert_eq!(after.in_kernel(), (0, 0));
}

#[test]
fn networks_are_counted_as_their_peers_come_and_go() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    let enforcer = kernel.enforcer(bounds(90, 10), 1000);
    for n in 0..3 {
        enforcer.enforce(peer(n), blocked(10 + n), minute(0));
    }
    assert_eq!(enforcer.figures().limited_networks, 1);
    enforcer.authenticate(peer(0), minute(30), minute(1));
    assert_eq!(enforcer.figures().limited_networks, 0, "who has authenticated is not blocked");
    enforcer.enforce(peer(4), blocked(20), minute(2));
    assert_eq!(enforcer.figures().limited_networks, 1);
    enforcer.sweep(minute(11));
    assert_eq!(enforcer.figures().limited_networks, 0);
}

#[test]
fn what_this_process_forgot_for_want_of_room_leaves_the_kernel_too() {
    let kernel = FakeKernel::new(SMALLEST, 12);
    // Room for one peer in each shard of this process, and six more for chance.
    let enforcer = kernel.enforcer(bounds(2000, 10), SHARDS);
    for n in 0..1000 {
        enforcer.enforce(peer(n), blocked(10 + n), minute(0));
    }
    enforcer.sweep(minute(1));
    enforcer.sweep(minute(2));
    assert!(enforcer.local().len() <= 7 * SHARDS);
    assert_eq!(enforcer.in_kernel().0, enforcer.local().len());
    assert_eq!(enforcer.figures().differences, 0, "nothing is wrong");
}

#[test]
fn what_was_over_before_another_process_took_over_counts_for_nothing() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    let before = kernel.enforcer(bounds(90, 10), 1000);
    for n in 0..3 {
        before.enforce(peer(n), blocked(10), minute(0));
    }
    assert_eq!(before.figures().limited_networks, 1);
    drop(before);
    let after = kernel.enforcer_at(bounds(90, 10), 1000, minute(10));
    assert_eq!((after.in_kernel(), after.figures().limited_networks), ((0, 0), 0));
    after.enforce(peer(4), blocked(20), minute(10));
    assert_eq!((after.sweep(minute(11)), after.in_kernel()), (0, (1, 0)));
    assert_eq!(after.figures().limited_networks, 0, "one of them is blocked, not four");
}

/// A restart must not be a way to be exempt for ever.
#[test]
fn an_authentication_that_is_given_back_ends_when_it_would_have_whatever_its_use() {
    let kernel = FakeKernel::new(SMALLEST, SMALLEST);
    let enforcer = kernel.enforcer(bounds(90, 10), 1000);
    enforcer.inherit(peer(1), minute(60), minute(0));
    enforcer.authenticate(peer(2), minute(60), minute(0));
    for n in [1, 2] {
        meter(&kernel, peer(n), 1);
    }
    enforcer.sweep(minute(50));
    let until = |n| enforcer.held(peer(n), minute(50)).map(|held| held.authenticated_until);
    assert_eq!((until(1), until(2)), (Some(minute(60)), Some(minute(110))));
}
