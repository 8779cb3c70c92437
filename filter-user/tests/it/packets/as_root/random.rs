//! A million random and mangled packets for each hook, for which nobody wrote down an answer: kernel and model agree on
//! each, limiters included. The limiters have an hour for each packet more, so that the time that this takes moves none.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use filter_common::{BlockAction, Counter, Rate};
use filter_user::kernel::{Entry, Kernel, KernelSettings};

use crate::packets::model::{Model, Rates};
use crate::packets::row::{Known, World};
use crate::packets::{kernel, rows};

const PACKETS: usize = 1_000_000;

/// Packets between two looks at the counters.
const BATCH: usize = 10_000;

const AT: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);

/// Some at once and no more, half a packet away from where rounding would matter.
const fn at_once(packets: u32) -> Rate {
    let rate = Rate::new(1, HOUR, packets);
    Rate { interval: rate.interval, tolerance: rate.tolerance + rate.interval / 2 }
}

/// SplitMix64: the same packets each time, for any seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A frame: a row's, with some octets changed and perhaps another length, or no more than the beginning of one.
fn frame(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = seeds[random.below(seeds.len())].clone();
    if random.below(10) == 0 {
        let kept = random.below(40);
        for octet in frame.iter_mut().skip(kept) {
            *octet = random.next() as u8;
        }
    }
    for _ in 0..random.below(4) {
        let at = random.below(90);
        if let Some(octet) = frame.get_mut(at) {
            *octet = random.next() as u8;
        }
    }
    if random.below(4) == 0 {
        frame.resize(random.below(120), random.next() as u8);
    }
    frame
}

/// One of each kind of peer, as the rows name them, and the ways to go wrong with them.
fn world(action: BlockAction) -> World {
    let v4 = |n: u8| std::net::IpAddr::from([192, 0, 2, n]);
    let v6 = |n: u16| std::net::IpAddr::from([0x2001, 0xdb8, n, 0, 0, 0, 0, 7]);
    let (until, over) = (10 * HOUR, Duration::from_secs(1));
    let mut world = World {
        known: vec![
            Known::Blocked { host: v4(7), until },
            Known::Blocked { host: v6(0), until },
            Known::Limited { host: v4(8), until },
            Known::Limited { host: v6(1), until },
            Known::Authenticated { host: v4(9), until },
            Known::Authenticated { host: v6(2), until },
            Known::Blocked { host: v4(10), until: over },
            Known::Blocked { host: v4(11), until },
            Known::Limited { host: v4(12), until },
        ],
        allow: vec!["192.0.2.11/32".parse().unwrap(), "192.0.2.12/32".parse().unwrap()],
        action,
        has_syn_limit: true,
        ..World::default()
    };
    world.limit("192.0.2.0/24".parse().unwrap(), until);
    world.limit("2001:db8:3::/48".parse().unwrap(), until);
    world
}

/// The rows' frames, and each of those that come from 192.0.2.7 or 2001:db8::7 from every known peer too.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for row in rows() {
        for n in 7..=13 {
            let mut frame = row.frame.clone();
            for at in 14..frame.len().saturating_sub(16) {
                if frame[at..at + 4] == [192, 0, 2, 7] {
                    frame[at + 3] = n;
                } else if frame[at..at + 6] == [0x20, 0x01, 0x0d, 0xb8, 0, 0] {
                    frame[at + 5] = n - 7;
                }
            }
            seeds.push(frame);
        }
    }
    seeds
}

fn agree(entry: Entry, seed: u64) {
    let seeds = seeds();
    let mut random = Random(seed);
    for action in [BlockAction::Reset, BlockAction::Tarpit] {
        let world = world(action);
        let rates = Rates { limit: at_once(1000), network: at_once(2000), syn_limit: at_once(3) };
        let settings = KernelSettings {
            limit_rate: rates.limit,
            network_rate: rates.network,
            syn_limit: Some(rates.syn_limit),
            syn_limit_peers: 1 << 18,
            ..kernel::settings_of_rows(&world)
        };
        let kernel = kernel::prepare(&world, AT, &settings);
        let model = Model::new(&world, rates);
        let mut expected: HashMap<Counter, u64> = HashMap::new();
        for batch in 0..PACKETS / 2 / BATCH {
            for _ in 0..BATCH {
                let mut frame = frame(&mut random, &seeds);
                while !kernel::is_runnable(entry, &frame) {
                    frame.push(random.next() as u8);
                }
                let outcome = model.run(&frame, AT);
                let (fate, answer) = kernel::fate(&kernel, entry, &frame);
                assert_eq!(
                    (kernel::verdict(fate, action), &answer),
                    (outcome.verdict, &outcome.answer),
                    "{entry:?}, seed {seed}: {frame:02x?}"
                );
                *expected.entry(outcome.counter).or_default() += 1;
            }
            assert_counted(&kernel, &expected, batch);
        }
        let missing: Vec<_> = kernel::counted(&kernel).into_iter().filter(|(_, count)| *count == 0).collect();
        let unused = [Counter::ResetBlocked, Counter::TarpittedBlocked];
        assert!(missing.iter().all(|(counter, _)| unused.contains(counter)), "never came: {missing:?}");
    }
}

fn assert_counted(kernel: &Kernel, expected: &HashMap<Counter, u64>, batch: usize) {
    for (counter, count) in kernel::counted(kernel) {
        assert_eq!(count, expected.get(&counter).copied().unwrap_or(0), "{counter:?} after batch {batch}");
    }
}

#[test]
fn kernel_and_model_agree_on_a_million_packets_for_each_hook() {
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| agree(Entry::Xdp, 1));
        scope.spawn(|| agree(Entry::Tc, 2));
    });
    println!("{PACKETS} packets for XDP and as many for tc: {:?}", began.elapsed());
}
