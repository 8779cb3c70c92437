//! Killed while the table of hosts grows: wherever that was, the next process finds everybody who was in it.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use filter_common::PeerKey;
use filter_user::kernel::{Kernel, KernelSettings};
use filter_user::peers::{Enforcer as _, LocalEnforcer};

use super::{LONG, PINS, pinned, pins, run};
use crate::as_root::site::{SERVER, Site};
use crate::daemon::{eventually, relaygate};
use crate::packets;
use crate::state_file::write_blocked;

/// So many that the table, which begins with room for 25,000, doubles three times.
const PEERS: u32 = 150_000;
const MAX_PEERS: usize = 262_144;

/// A daemon that reads its state file, and ends with this value at the latest.
struct Starting(Child);

impl Starting {
    fn new(site: &Site, state: &Path) -> Self {
        let more = format!(
            "{} --max-peers {MAX_PEERS} --network-threshold 0 --state-file {}",
            pinned(),
            state.display()
        );
        let flags = Site::flags(LONG, &more);
        site.edge.run(move || {
            let mut command = relaygate();
            command.args(["run", "--listen", SERVER]).args(flags.split_whitespace());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Self(command.spawn().unwrap())
        })
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The peers of a state file, in the order in which they are put in force.
fn in_order(state: &Path) -> Vec<PeerKey> {
    let text = std::fs::read_to_string(state).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let address =
        |line: serde_json::Value| line["peer"].as_str().map(|peer| peer.parse::<std::net::Ipv4Addr>());
    lines.filter_map(address).map(|address| PeerKey::from(address.unwrap())).collect()
}

/// What the next process finds.
#[derive(Debug)]
struct Found {
    hosts: usize,
    /// Of those that were put in force, one after the other: how many are there before the first that is not.
    without_a_gap: usize,
    capacity: usize,
    differences: u64,
}

fn take_over(order: &[PeerKey]) -> Found {
    let settings = KernelSettings {
        interfaces: vec!["e0".to_owned()],
        pins: Some(PINS.into()),
        max_peers: MAX_PEERS,
        network_threshold: 0,
        ..packets::usual_settings()
    };
    let kernel = Kernel::start(&settings, LocalEnforcer::new(settings.limit_rate, MAX_PEERS)).unwrap();
    let enforcer = kernel.kernel_enforcer();
    let without_a_gap = order.iter().take_while(|peer| enforcer.is_installed(**peer)).count();
    let found = enforcer.figures();
    for _ in 0..8 {
        kernel.sweep(filter_user::judge::boot_now());
    }
    let differences = enforcer.figures().differences;
    Found { hosts: enforcer.in_kernel().0, without_a_gap, capacity: found.capacity, differences }
}

#[test]
fn a_kill_while_the_table_grows_loses_nobody() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    write_blocked(&state, PEERS);
    let order = Arc::new(in_order(&state));
    assert_eq!(order.len(), PEERS as usize);
    let mut midway = 0;
    // Once this is pinned, so many must be there; and then some time, to be in the middle of something.
    for (pin, least, delay) in [
        ("link-e0", 0, 900),
        ("hosts-15", 26_000, 0),
        ("hosts-15", 26_000, 150),
        ("hosts-15", 26_000, 400),
        ("hosts-16", 52_000, 50),
    ] {
        let mut daemon = Starting::new(&site, &state);
        eventually(pin, || pins(&site).contains(&pin.to_owned()).then_some(()));
        std::thread::sleep(Duration::from_millis(delay));
        daemon.kill();
        let order = Arc::clone(&order);
        let found = site.edge.run(move || take_over(&order));
        println!("killed {delay} ms after {pin}: {found:?}");
        assert_eq!(found.hosts, found.without_a_gap, "{delay} ms after {pin}: {found:?}");
        assert_eq!(found.differences, 0, "{delay} ms after {pin}: {found:?}");
        assert!(found.hosts >= least && found.capacity >= found.hosts, "{delay} ms after {pin}: {found:?}");
        midway += usize::from(found.hosts > 0 && found.hosts < PEERS as usize);
        let detached = run(&site, &format!("detach --pin-directory {PINS}"));
        assert!(detached.status.success(), "{detached:?}");
    }
    assert!(midway >= 2, "{midway} kills came while it grew: the delays are wrong for this machine");
}
