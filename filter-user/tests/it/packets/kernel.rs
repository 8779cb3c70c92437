//! The committed object in the kernel, filled through the real enforcer, run without an interface.

use std::net::IpAddr;
use std::time::Duration;

use filter_common::{BlockAction, Counter, PeerKey, Rate, Sanction, Timestamp, Verdict};
use filter_user::config::{Hook, KernelLog};
use filter_user::kernel::{Entry, Fate, Growing, Kernel, KernelSettings};
use filter_user::peers::LocalEnforcer;

use super::row::{Known, Outcome, Row, World};

pub(super) const PORTS: &[u16] = &[0, 25, 465, 587, 65535];
/// Six a minute, two at once.
pub(super) const LIMIT: Rate = Rate::new(6, Duration::from_secs(60), 2);
/// Of a network: three at once.
pub(super) const NETWORK: Rate = Rate::new(6, Duration::from_secs(60), 3);
/// Of everybody else: four at once.
pub(super) const SYN_LIMIT: Rate = Rate::new(6, Duration::from_secs(60), 4);
/// More than any test sends.
const REPLIES: Rate = Rate::new(1_000_000_000, Duration::from_secs(1), 1_000_000_000);

pub(super) fn now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Timestamp(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

pub(super) fn settings(world: &World) -> KernelSettings {
    KernelSettings {
        interfaces: Vec::new(),
        hook: Hook::Auto,
        ports: PORTS.to_vec(),
        addresses: world.addresses.clone(),
        allow: world.allow.clone(),
        prefixes: world.prefixes,
        limit_rate: LIMIT,
        network_rate: NETWORK,
        network_threshold: 32,
        syn_limit: world.has_syn_limit.then_some(SYN_LIMIT),
        syn_limit_peers: 1000,
        block_action: world.action,
        reply_rate: REPLIES,
        max_peers: 100,
        max_authenticated: 100,
        authenticated_max: Duration::from_secs(24 * 3600),
        growing: Growing::Here,
        pins: None,
        owner: None,
        log_level: KernelLog::Off,
    }
}

/// The same, where two blocked peers limit the network that they are in: as rows limit one.
pub(super) fn settings_of_rows(world: &World) -> KernelSettings {
    KernelSettings { network_threshold: 1, ..settings(world) }
}

/// A program whose maps know what the world is, put in so long ago that a packet after `at` comes now.
pub(super) fn prepare(world: &World, at: Duration, settings: &KernelSettings) -> Kernel {
    let kernel = Kernel::start(settings, LocalEnforcer::new(LIMIT, 100)).unwrap();
    tell(&kernel, world, at);
    kernel
}

fn tell(kernel: &Kernel, world: &World, at: Duration) {
    let now = now();
    // On a machine that has not run for so long, what is over has ended when it started.
    let moment = |after: Duration| {
        let at = i128::from(now.0) - at.as_nanos() as i128 + after.as_nanos() as i128;
        Timestamp(u64::try_from(at).unwrap_or(u64::from(after > Duration::ZERO)))
    };
    let start = moment(Duration::ZERO);
    let enforcer = kernel.enforcer();
    let peer = |host: IpAddr| PeerKey::from_ip(host, world.prefixes);
    for known in &world.known {
        match *known {
            Known::Authenticated { host, until } => enforcer.authenticate(peer(host), moment(until), start),
            Known::Limited { host, until } => {
                enforcer.enforce(peer(host), Sanction::Limited { until: moment(until) }, start);
            }
            Known::Blocked { host, until } => {
                enforcer.enforce(peer(host), Sanction::Blocked { until: moment(until) }, start);
            }
            Known::Lifted(host) => enforcer.enforce(peer(host), Sanction::None, start),
            // It follows from who is blocked.
            Known::Network { .. } => {}
        }
    }
}

/// Takes out of a program's maps what a row had put in.
fn forget(kernel: &Kernel, world: &World) {
    let (enforcer, now) = (kernel.enforcer(), now());
    for known in &world.known {
        match *known {
            Known::Authenticated { host, .. } | Known::Limited { host, .. } | Known::Blocked { host, .. } => {
                let peer = PeerKey::from_ip(host, world.prefixes);
                enforcer.authenticate(peer, Timestamp(0), now);
                enforcer.enforce(peer, Sanction::None, now);
            }
            Known::Network { .. } | Known::Lifted(_) => {}
        }
    }
}

/// Loaded programs, each for all rows that are alike but for the hosts in them: the verifier takes its time.
#[derive(Default)]
pub(super) struct Programs(Vec<(World, Kernel)>);

impl Programs {
    /// Runs with a program that knows what a row's world is and no more.
    pub(super) fn with<T>(&mut self, world: &World, at: Duration, run: impl FnOnce(&Kernel) -> T) -> T {
        if world.has_syn_limit {
            // What a peer took from that limiter stays taken.
            return run(&prepare(world, at, &settings_of_rows(world)));
        }
        let empty = World { known: Vec::new(), ..world.clone() };
        let found = self.0.iter().position(|(known, _)| *known == empty);
        let index = found.unwrap_or_else(|| {
            self.0.push((empty.clone(), prepare(&empty, at, &settings_of_rows(&empty))));
            self.0.len() - 1
        });
        let kernel = &self.0[index].1;
        tell(kernel, world, at);
        let outcome = run(kernel);
        forget(kernel, world);
        outcome
    }
}

/// The outcome of the last of a row's packets.
pub(super) fn run(programs: &mut Programs, row: &Row, entry: Entry) -> Outcome {
    programs.with(&row.world, row.at, |kernel| {
        for _ in 1..row.times {
            kernel.test_run(entry, &row.frame, 1).unwrap();
        }
        let before = counted(kernel);
        let (fate, answer) = fate(kernel, entry, &row.frame);
        let after = counted(kernel);
        let changed = before.iter().zip(&after).filter(|((_, before), (_, after))| before != after);
        let counters: Vec<Counter> = changed
            .inspect(|((counter, before), (_, after))| {
                assert_eq!(after - before, 1, "{counter:?}, {}", row.name);
            })
            .map(|((counter, _), _)| *counter)
            .collect();
        let [counter] = counters[..] else { panic!("{}: counted as {counters:?}", row.name) };
        Outcome { verdict: verdict(fate, row.world.action), counter, answer }
    })
}

/// Every counter of packets.
pub(super) fn counted(kernel: &Kernel) -> Vec<(Counter, u64)> {
    let mut counters = kernel.counters().unwrap();
    counters.retain(|(counter, _)| !counter.meaning().contains("no packets"));
    counters
}

/// Whether the kernel runs this frame without an interface: none without an Ethernet header, and for tc none without what
/// the EtherType says is behind it.
pub(super) fn is_runnable(entry: Entry, frame: &[u8]) -> bool {
    let least = match (entry, frame.get(12..14)) {
        (Entry::Xdp, _) => 14,
        (Entry::Tc, Some([0x08, 0x00])) => 14 + 20,
        (Entry::Tc, Some([0x86, 0xdd])) => 14 + 40,
        (Entry::Tc, _) => 15,
    };
    frame.len() >= least
}

/// What happens to one frame, and what goes back.
pub(super) fn fate(kernel: &Kernel, entry: Entry, frame: &[u8]) -> (Fate, Option<Vec<u8>>) {
    let run = kernel.test_run(entry, frame, 1).unwrap();
    let fate = run.fate.expect("it says only what it may");
    match fate {
        Fate::Answered => (fate, Some(run.frame)),
        Fate::Passed | Fate::Dropped => {
            assert_eq!(run.frame, frame, "what passes, passes as it came");
            (fate, None)
        }
    }
}

/// The verdict that stands behind what happens.
pub(super) fn verdict(fate: Fate, action: BlockAction) -> Verdict {
    match (fate, action) {
        (Fate::Passed, _) => Verdict::Pass,
        (Fate::Dropped, _) => Verdict::Drop,
        (Fate::Answered, BlockAction::Tarpit) => Verdict::Tarpit,
        (Fate::Answered, _) => Verdict::Reset,
    }
}
