//! The committed object in the kernel, filled through the real enforcer, run without an interface.

use std::net::IpAddr;
use std::time::Duration;

use filter_common::{Counter, PeerKey, PrefixLengths, Rate, Sanction, Timestamp};
use filter_user::config::Hook;
use filter_user::kernel::{Kernel, KernelSettings};
use filter_user::peers::LocalEnforcer;
use ipnet::IpNet;

use super::row::{Known, Outcome, Row};

pub(super) const PORTS: &[u16] = &[0, 25, 465, 587, 65535];
/// Six a minute, two at once.
pub(super) const LIMIT: Rate = Rate::new(6, Duration::from_secs(60), 2);

pub(super) fn now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Timestamp(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

pub(super) fn settings(allow: Vec<IpNet>, prefixes: PrefixLengths) -> KernelSettings {
    KernelSettings {
        interfaces: Vec::new(),
        hook: Hook::Auto,
        ports: PORTS.to_vec(),
        allow,
        prefixes,
        limit_rate: LIMIT,
        max_peers: 100,
        max_authenticated: 100,
        pins: None,
        owner: None,
        trace: false,
    }
}

/// A program whose maps know what the row says, put in so long ago that the packet comes now.
pub(super) fn prepare(row: &Row) -> Kernel {
    let allow = row.known.iter().filter_map(|known| match known {
        Known::Allowed(network) => Some(*network),
        _ => None,
    });
    let kernel =
        Kernel::start(&settings(allow.collect(), row.prefixes), LocalEnforcer::new(LIMIT, 100)).unwrap();
    let now = now();
    // On a machine that has not run for so long, what is over has ended when it started.
    let moment = |after: Duration| {
        let at = i128::from(now.0) - row.at.as_nanos() as i128 + after.as_nanos() as i128;
        Timestamp(u64::try_from(at).unwrap_or(u64::from(after > Duration::ZERO)))
    };
    let start = moment(Duration::ZERO);
    let enforcer = kernel.enforcer();
    let enforce =
        |host: IpAddr, sanction| enforcer.enforce(PeerKey::from_ip(host, row.prefixes), sanction, start);
    for known in &row.known {
        match *known {
            Known::Allowed(_) => {}
            Known::Authenticated { host, until } => {
                enforcer.authenticate(PeerKey::from_ip(host, row.prefixes), moment(until), start);
            }
            Known::Limited { host, until } => enforce(host, Sanction::Limited { until: moment(until) }),
            Known::Blocked { host, until } => enforce(host, Sanction::Blocked { until: moment(until) }),
            Known::Lifted(host) => enforce(host, Sanction::None),
        }
    }
    kernel
}

/// The last packet's outcome in a program of its own.
pub(super) fn run(row: &Row) -> Outcome {
    let kernel = prepare(row);
    for _ in 1..row.times {
        kernel.test_run(&row.frame, 1).unwrap();
    }
    run_in(&kernel, row)
}

/// One packet's outcome. It must be counted exactly once.
pub(super) fn run_in(kernel: &Kernel, row: &Row) -> Outcome {
    let before = kernel.counters().unwrap();
    let verdict =
        kernel.test_run(&row.frame, 1).unwrap().verdict.expect("only pass and drop are ever answered");
    let after = kernel.counters().unwrap();
    let counted: Vec<Counter> = before
        .iter()
        .zip(&after)
        .filter(|((_, before), (_, after))| before != after)
        .inspect(|((counter, before), (_, after))| assert_eq!(after - before, 1, "{counter:?}, {}", row.name))
        .map(|((counter, _), _)| *counter)
        .collect();
    let [counter] = counted[..] else { panic!("{}: counted as {counted:?}", row.name) };
    Outcome { verdict, counter }
}
