//! The kernel as a home of sanctions: full maps, sweeping, events, attaching. Each test loads a program of its own, and
//! those that need an interface make it in a network namespace that ends with the test's thread.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use filter_common::{Counter, PeerKey, Sanction, Timestamp};
use filter_user::config::{Hook, KernelLog};
use filter_user::kernel::{
    Attached, Entry, Fate, Kernel, KernelError, KernelSettings, Mode, PassedOver, Standing,
};
use filter_user::peers::{Admission, Enforcer, Home, LocalEnforcer};
use nix::sched::{CloneFlags, unshare};

use crate::packets::builder;
use crate::packets::kernel::{LIMIT, now, settings};
use crate::packets::row::World;

const MINUTE: Duration = Duration::from_secs(60);

pub(in crate::packets) fn load(change: impl FnOnce(&mut KernelSettings)) -> Result<Kernel, KernelError> {
    let mut settings = settings(&World::default());
    change(&mut settings);
    Kernel::start(&settings, LocalEnforcer::new(LIMIT, 1000))
}

fn peer(n: u8) -> PeerKey {
    PeerKey::from(Ipv4Addr::new(192, 0, 2, n))
}

fn fate(kernel: &Kernel, n: u8) -> Option<Fate> {
    let frame = builder::frame(&format!("ip4:192.0.2.{n} tcp:25:S")).unwrap();
    kernel.test_run(Entry::Xdp, &frame, 1).unwrap().fate
}

fn blocked(now: Timestamp) -> Sanction {
    Sanction::Blocked { until: now.plus(MINUTE) }
}

#[test]
fn a_full_map_leaves_the_rest_to_this_process() {
    let kernel = load(|settings| settings.max_peers = 4).unwrap();
    let (enforcer, now) = (kernel.kernel_enforcer(), now());
    for n in 0..10 {
        enforcer.enforce(peer(n), blocked(now), now);
    }
    assert_eq!(enforcer.in_kernel(), (4, 0));
    assert_eq!(enforcer.not_in_kernel(), 6);
    for n in 0..10 {
        let expected = if n < 4 { Fate::Dropped } else { Fate::Passed };
        assert_eq!(fate(&kernel, n), Some(expected), "peer {n}");
        assert_eq!(enforcer.admit(peer(n), now), Admission::Blocked, "peer {n}, had it come through");
    }
    // Who is not held is limited here, by the whole rate.
    enforcer.enforce(peer(20), Sanction::Limited { until: now.plus(MINUTE) }, now);
    let admitted = (0..9).filter(|_| enforcer.admit(peer(20), now) == Admission::Admitted).count();
    assert_eq!(admitted, 2);
    // What is lifted makes room at once, what is over when it is swept.
    enforcer.enforce(peer(0), Sanction::None, now);
    enforcer.enforce(peer(30), blocked(now), now);
    assert_eq!((fate(&kernel, 0), fate(&kernel, 30)), (Some(Fate::Passed), Some(Fate::Dropped)));
    let later = now.plus(2 * MINUTE);
    assert_eq!(kernel.sweep(later), 4);
    enforcer.enforce(peer(31), blocked(later), later);
    assert_eq!((enforcer.in_kernel(), fate(&kernel, 31)), ((1, 0), Some(Fate::Dropped)));
}

#[test]
fn what_is_over_is_swept() {
    let kernel = load(|settings| settings.max_peers = 1000).unwrap();
    let (enforcer, now) = (kernel.kernel_enforcer(), now());
    for n in 0..=255 {
        enforcer.enforce(peer(n), blocked(now), now);
        enforcer.enforce(PeerKey::from(Ipv4Addr::new(198, 51, 100, n)), blocked(now.plus(MINUTE)), now);
    }
    enforcer.authenticate(peer(1), now.plus(MINUTE), now);
    assert_eq!(kernel.sweep(now), 0);
    assert_eq!(kernel.sweep(now.plus(MINUTE)), 256);
    assert_eq!(enforcer.in_kernel(), (256, 0));
    assert_eq!(kernel.sweep(now.plus(2 * MINUTE)), 256);
    assert_eq!(fate(&kernel, 1), Some(Fate::Passed));
}

#[test]
fn an_authenticated_host_is_never_dropped_even_where_the_kernel_cannot_know() {
    let kernel = load(|settings| settings.max_authenticated = 1).unwrap();
    let (enforcer, now) = (kernel.kernel_enforcer(), now());
    for n in [1, 2] {
        enforcer.enforce(peer(n), blocked(now), now);
        assert_eq!(fate(&kernel, n), Some(Fate::Dropped));
        enforcer.authenticate(peer(n), now.plus(MINUTE), now);
        assert_eq!(fate(&kernel, n), Some(Fate::Passed), "peer {n}");
        enforcer.enforce(peer(n), blocked(now), now);
        assert_eq!(fate(&kernel, n), Some(Fate::Passed), "peer {n}, blocked after it authenticated");
        assert_eq!(enforcer.admit(peer(n), now), Admission::Admitted, "peer {n}");
    }
    assert_eq!(
        enforcer.in_kernel(),
        (0, 1),
        "authentication took the first's place, and the second is not there"
    );
    assert_eq!(enforcer.home(), Home::Kernel);
}

#[test]
fn a_strike_earns_no_fresh_burst() {
    let kernel = load(|_| {}).unwrap();
    let (enforcer, now) = (kernel.enforcer(), now());
    let mut passed = 0;
    for strike in 1..10 {
        enforcer.enforce(peer(1), Sanction::Limited { until: now.plus(strike * MINUTE) }, now);
        passed += u32::from(fate(&kernel, 1) == Some(Fate::Passed));
    }
    assert_eq!(passed, 2);
    // Had they come another way than through the program, this process limits them.
    let admitted = (0..9).filter(|_| enforcer.admit(peer(1), now) == Admission::Admitted).count();
    assert_eq!(admitted, 2);
}

#[test]
fn the_first_drop_is_told_once_with_its_time() {
    let mut kernel = load(|_| {}).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.spawn(kernel.run_events().expect("not taken yet"));
    assert!(kernel.run_events().is_none());
    for n in [1, 2, 1] {
        let now = now();
        kernel.enforcer().enforce(peer(n), Sanction::None, now);
        kernel.enforcer().enforce(peer(n), blocked(now), now);
        for _ in 0..1000 {
            assert_eq!(fate(&kernel, n), Some(Fate::Dropped));
        }
    }
    let drops = kernel.first_drops().clone();
    let told = runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(5), async {
            while drops.latencies().count < 3 {
                tokio::task::yield_now().await;
            }
        })
        .await
    });
    assert!(told.is_ok(), "{:?}", drops.latencies());
    let latencies = drops.latencies();
    assert_eq!((latencies.count, latencies.latest.map(|(peer, _)| peer)), (3, Some(peer(1))));
    assert!(latencies.longest < Duration::from_secs(1), "{latencies:?}");
    println!("from enforcing a block to the first packet that it dropped, at most: {:?}", latencies.longest);
    let counters = kernel.counters().unwrap();
    assert!(
        counters.contains(&(Counter::DroppedBlocked, 3000)) && counters.contains(&(Counter::EventsLost, 0))
    );
}

#[test]
fn the_program_traces_its_decisions_where_asked_to() {
    // The other code path: the verifier must take it too, and the verdicts are the same.
    let kernel = load(|settings| settings.log_level = KernelLog::Trace).unwrap();
    let now = now();
    kernel.enforcer().enforce(peer(1), blocked(now), now);
    assert_eq!((fate(&kernel, 1), fate(&kernel, 2)), (Some(Fate::Dropped), Some(Fate::Passed)));
}

#[test]
fn a_packet_costs_nanoseconds() {
    let kernel = load(|settings| settings.max_peers = 1_000_000).unwrap();
    let now = now();
    for n in 0..100_000u32 {
        let peer = PeerKey::from(Ipv4Addr::from(0x0a00_0000 + n));
        kernel.enforcer().enforce(peer, Sanction::Blocked { until: now.plus(10 * MINUTE) }, now);
    }
    kernel.enforcer().enforce(peer(1), Sanction::Blocked { until: now.plus(10 * MINUTE) }, now);
    for (what, packet, expected) in [
        ("not ours, UDP", "ip4:192.0.2.2 udp:25", Fate::Passed),
        ("not ours, another port", "ip4:192.0.2.2 tcp:443:S", Fate::Passed),
        ("unknown, IPv4", "ip4:192.0.2.2 tcp:25:S", Fate::Passed),
        ("unknown, IPv6", "ip6:2001:db8::2 tcp:25:S", Fate::Passed),
        ("blocked, IPv4", "ip4:192.0.2.1 tcp:25:S", Fate::Dropped),
    ] {
        let run = kernel.test_run(Entry::Xdp, &builder::frame(packet).unwrap(), 1_000_000).unwrap();
        assert_eq!(run.fate, Some(expected), "{what}");
        println!("{what}: {} ns a packet", run.time.as_nanos());
    }
}

/// Runs in a network namespace of its own, which is gone when this returns.
pub(in crate::packets) fn in_a_namespace(test: impl FnOnce() + Send + 'static) {
    let outcome = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        test();
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

pub(in crate::packets) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn attached_to(interface: &'static str) -> Result<Kernel, KernelError> {
    load(|settings| settings.interfaces = vec![interface.to_owned()])
}

#[test]
fn it_attaches_natively_where_the_driver_can_and_leaves_when_dropped() {
    in_a_namespace(|| {
        ip("link add v0 type veth peer name v1");
        let kernel = attached_to("v0").unwrap();
        let native = Attached { interface: "v0".to_owned(), mode: Mode::Native, passed_over: Vec::new() };
        assert_eq!(kernel.attached(), [native]);
        assert!(ip("link show dev v0").contains("xdp"));
        let native = |settings: &mut KernelSettings| {
            (settings.interfaces, settings.hook) = (vec!["v0".to_owned()], Hook::XdpNative);
        };
        let taken = load(native).unwrap_err();
        assert!(matches!(&taken, KernelError::NowhereAttached { .. }), "{taken}");
        let taken = taken.to_string();
        assert!(
            taken.contains("not on v0 (native XDP: another XDP program has it: `relaygate`, id "),
            "{taken}"
        );
        drop(kernel);
        assert!(!ip("link show dev v0").contains("xdp"));
    });
}

#[test]
fn it_attaches_through_the_network_stack_elsewhere() {
    in_a_namespace(|| {
        let kernel = attached_to("lo").unwrap();
        let native = PassedOver { mode: Mode::Native, reason: "its driver has none".to_owned() };
        let generic = Attached { interface: "lo".to_owned(), mode: Mode::Generic, passed_over: vec![native] };
        assert_eq!(kernel.attached(), [generic]);
        assert!(ip("link show dev lo").contains("xdpgeneric"));
    });
}

#[test]
fn an_interface_that_is_not_there_keeps_no_other_waiting() {
    in_a_namespace(|| {
        let both = vec!["nowhere0".to_owned(), "lo".to_owned(), "lo".to_owned()];
        let kernel = load(|settings| settings.interfaces = both).unwrap();
        let standing = kernel.standing();
        assert_eq!(standing.len(), 2, "named twice, it is attached once: {standing:?}");
        assert_eq!(standing[0], Standing::Absent { interface: "nowhere0".to_owned() });
        assert!(matches!(&standing[1], Standing::Attached(it) if it.interface == "lo"), "{standing:?}");
        assert!(ip("link show dev lo").contains("xdp"));
    });
}

#[test]
fn runs_are_counted_while_asked_for() {
    in_a_namespace(|| {
        ip("link set lo up");
        let kernel = attached_to("lo").unwrap();
        let measuring = kernel.measure_runs().unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            socket.send_to(b"not ours", socket.local_addr().unwrap()).unwrap();
        }
        let stats = kernel.program_stats().unwrap();
        drop(measuring);
        assert!(stats.runs >= 10 && stats.time > Duration::ZERO, "{stats:?}");
        let not_ours = kernel.counters().unwrap()[Counter::PassedNotOurs.index() as usize];
        assert_eq!(not_ours, (Counter::PassedNotOurs, stats.runs));
    });
}
