//! Limiters under many CPUs and many sources, answers within their rate, captured packets.

use std::net::Ipv4Addr;
use std::time::Duration;

use filter_common::{BlockAction, Counter, PeerKey, Rate, Sanction};
use filter_user::kernel::{Entry, Fate, Kernel};

use super::home::load;
use crate::packets::builder;
use crate::packets::kernel::now;

const HOUR: Duration = Duration::from_secs(3600);

/// So many at once, and no other while the test runs.
const fn at_once(packets: u32) -> Rate {
    Rate::new(1, HOUR, packets)
}

fn peer(n: u8) -> PeerKey {
    PeerKey::from(Ipv4Addr::new(192, 0, 2, n))
}

fn frame(words: &str) -> Vec<u8> {
    builder::frame(words).unwrap()
}

fn counted(kernel: &Kernel, counter: Counter) -> u64 {
    kernel.counters().unwrap()[counter.index() as usize].1
}

fn fate(kernel: &Kernel, entry: Entry, frame: &[u8]) -> Fate {
    kernel.test_run(entry, frame, 1).unwrap().fate.unwrap()
}

/// Runs the same packet on several threads at once, by both entry points.
fn from_all_sides(kernel: &Kernel, frame: &[u8], each: u32) {
    std::thread::scope(|scope| {
        for entry in [Entry::Xdp, Entry::Tc, Entry::Xdp, Entry::Tc] {
            scope.spawn(move || kernel.test_run(entry, frame, each).unwrap());
        }
    });
}

#[test]
fn no_number_of_cpus_gets_more_through_a_limit_than_its_rate() {
    let kernel = load(|settings| {
        settings.limit_rate = at_once(50);
        settings.network_rate = at_once(70);
        settings.syn_limit = Some(at_once(90));
        settings.network_threshold = 1;
    });
    let kernel = kernel.unwrap();
    let at = now();
    kernel.enforcer().enforce(peer(1), Sanction::Limited { until: at.plus(HOUR) }, at);
    for n in [253, 254] {
        let neighbour = PeerKey::from(std::net::Ipv4Addr::new(198, 51, 100, n));
        kernel.enforcer().enforce(neighbour, Sanction::Blocked { until: at.plus(HOUR) }, at);
    }
    let each = 50_000;
    for (source, passed, most, dropped) in [
        ("192.0.2.1", Counter::PassedLimited, 50, Counter::DroppedLimited),
        ("198.51.100.1", Counter::PassedUnknown, 70, Counter::DroppedNetwork),
        ("203.0.113.1", Counter::PassedUnknown, 90, Counter::DroppedSynLimit),
    ] {
        let before = counted(&kernel, passed);
        from_all_sides(&kernel, &frame(&format!("ip4:{source} tcp:25:S")), each);
        let through = counted(&kernel, passed) - before;
        assert_eq!(through, most, "{source}");
        assert_eq!(counted(&kernel, dropped), u64::from(4 * each) - through, "{source}");
    }
}

#[test]
fn a_million_forged_sources_change_nothing() {
    let kernel = load(|settings| {
        settings.syn_limit = Some(at_once(2));
        settings.syn_limit_peers = 1024;
    });
    let kernel = kernel.unwrap();
    let at = now();
    kernel.enforcer().enforce(peer(1), Sanction::Blocked { until: at.plus(HOUR) }, at);
    kernel.enforcer().enforce(peer(2), Sanction::Limited { until: at.plus(HOUR) }, at);
    kernel.enforcer().authenticate(peer(3), at.plus(HOUR), at);
    let held = kernel.kernel_enforcer().in_kernel();

    let mut forged = frame("ip4:10.0.0.0 tcp:25:S");
    for source in 0..1_000_000u32 {
        forged[26..30].copy_from_slice(&(0x0a00_0000 + source).to_be_bytes());
        assert_eq!(fate(&kernel, Entry::Xdp, &forged), Fate::Passed);
    }
    assert_eq!(counted(&kernel, Counter::PassedUnknown), 1_000_000);
    assert_eq!(kernel.kernel_enforcer().in_kernel(), held);
    let counted_peers = kernel.syn_limited_peers();
    assert!(counted_peers <= 1024, "{counted_peers} peers are counted");
    let served = [("192.0.2.1", Fate::Dropped), ("192.0.2.3", Fate::Passed), ("192.0.2.4", Fate::Passed)];
    for (source, expected) in served {
        let frame = frame(&format!("ip4:{source} tcp:25:S"));
        assert_eq!(fate(&kernel, Entry::Xdp, &frame), expected, "{source}");
    }
}

#[test]
fn answers_keep_to_their_rate_and_the_rest_is_dropped() {
    for action in [BlockAction::Reset, BlockAction::Tarpit] {
        let kernel = load(|settings| {
            settings.block_action = action;
            settings.reply_rate = at_once(5);
        });
        let kernel = kernel.unwrap();
        let at = now();
        for n in 0..20 {
            kernel.enforcer().enforce(peer(n), Sanction::Blocked { until: at.plus(HOUR) }, at);
        }
        let fates: Vec<_> = (0..20)
            .map(|n| fate(&kernel, Entry::Xdp, &frame(&format!("ip4:192.0.2.{n} tcp:25:S"))))
            .collect();
        assert!(fates[..5].iter().all(|fate| *fate == Fate::Answered), "{fates:?}");
        assert!(fates[5..].iter().all(|fate| *fate == Fate::Dropped), "{fates:?}");
        assert_eq!(counted(&kernel, Counter::RepliesWithheld), 15);
        assert_eq!(counted(&kernel, Counter::DroppedBlocked), 15);
    }
}

#[test]
fn dropped_packets_of_one_peer_are_captured_as_they_came() {
    let mut kernel = load(|_| {}).unwrap();
    let mut captured = kernel.take_captured().expect("not taken yet");
    assert!(kernel.take_captured().is_none());
    let at = now();
    for n in [1, 2] {
        kernel.enforcer().enforce(peer(n), Sanction::Blocked { until: at.plus(HOUR) }, at);
    }
    kernel.capture(Some((peer(1), 1)));
    let frames = [
        frame("ip4:192.0.2.1 tcp:25:S pad"),
        frame("vlan ip4:192.0.2.1 tcp:25:PA+data=17"),
        frame("ip4:192.0.2.1 tcp:25:PA+data=1000"),
        frame("ip4:192.0.2.1 tcp:25:PA+data=138"),
        frame("ip4:192.0.2.1 tcp:25:PA+data=137"),
    ];
    for entry in [Entry::Xdp, Entry::Tc] {
        for frame in &frames {
            fate(&kernel, entry, frame);
            fate(&kernel, entry, &self::frame("ip4:192.0.2.2 tcp:25:S"));
        }
        for frame in &frames {
            let packet = captured.next_packet().unwrap();
            assert_eq!(packet.frame(), &frame[..frame.len().min(192)], "{entry:?}");
            assert_eq!(packet.length as usize, frame.len(), "{entry:?}");
            assert!(packet.at >= at.0);
        }
    }
    assert!(captured.next_packet().is_none(), "nobody else's");
    kernel.capture(Some((peer(1), 10)));
    kernel.test_run(Entry::Xdp, &frames[0], 1000).unwrap();
    let sampled = std::iter::from_fn(|| captured.next_packet()).count();
    assert!((20..500).contains(&sampled), "{sampled} of 1000, asked for one of ten");
    kernel.capture(None);
    kernel.test_run(Entry::Xdp, &frames[0], 1000).unwrap();
    assert!(captured.next_packet().is_none(), "off");
    // And more than there is room for are counted.
    kernel.capture(Some((peer(1), 1)));
    kernel.test_run(Entry::Xdp, &frames[0], 5000).unwrap();
    let read = std::iter::from_fn(|| captured.next_packet()).count() as u64;
    assert_eq!(read + counted(&kernel, Counter::CapturesLost), 5000);
}
