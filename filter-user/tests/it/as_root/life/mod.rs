//! What the kernel's part does over its life: it outlasts the daemon, is taken over, follows its interfaces, and is taken
//! off. Each test mounts what it pins to in mounts of its own.

mod exempt;
mod failed;
mod growth;
mod interfaces;
mod pins;
mod privilege;
mod restart;
mod stamps;
mod state;

use std::process::{Command, Output};
use std::time::Duration;

use filter_common::Counter;

use crate::as_root::site::{Site, offend};
use crate::daemon::{Daemon, relaygate};
use crate::dialogue::Dialogue;

/// Where everything is pinned: a folder that a test has for itself, for it has its own mounts.
const PINS: &str = "/sys/fs/bpf/relaygate";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
/// More than a SYN takes on a busy machine, less than TCP waits before it sends the next.
const SOON: Duration = Duration::from_millis(400);

/// Flags of a daemon whose kernel's part is pinned.
fn pinned() -> String {
    format!("--interface e0 --pin-directory {PINS}")
}

/// A daemon whose kernel's part is pinned.
fn start(site: &Site) -> Daemon {
    let daemon = site.daemon(LONG, &pinned());
    daemon.logged("sanctions are enforced in the kernel");
    daemon
}

/// Runs the binary on the edge host.
fn run(site: &Site, command_line: &str) -> Output {
    let arguments: Vec<String> = command_line.split_whitespace().map(str::to_owned).collect();
    site.edge.run(move || relaygate().args(arguments).output().unwrap())
}

/// What a program prints on the edge host.
fn prints(site: &Site, command_line: &str) -> String {
    let words: Vec<String> = command_line.split_whitespace().map(str::to_owned).collect();
    site.edge.run(move || {
        let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    })
}

/// Whether the interface has an XDP program.
fn has_xdp(site: &Site) -> bool {
    prints(site, "ip link show dev e0").contains("xdp")
}

/// What is pinned.
fn pins(site: &Site) -> Vec<String> {
    site.edge.run(|| {
        let Ok(folder) = std::fs::read_dir(PINS) else { return Vec::new() };
        let mut names: Vec<String> =
            folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    })
}

/// What a counter of the pinned map stands at, whether a daemon is there or not.
fn counter(site: &Site, counter: Counter) -> u64 {
    site.kernel_counter(&format!("{PINS}/COUNTERS"), counter)
}

/// Offends until it is blocked.
fn get_blocked(site: &Site, peer: &str) {
    let mut dialogue: Dialogue = site.open(peer);
    dialogue.expect(&[("EHLO offender.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    offend(&mut dialogue, 4);
    dialogue.try_say("RCPT TO:<someone@elsewhere.example>");
    assert!(site.connect(peer, SOON).is_err(), "blocked in the kernel");
}
