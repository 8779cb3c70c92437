//! What an attacker can cause, and what not, with real packets: the tests that docs/threat-model.md names beside those
//! that stand elsewhere. Each chapter of that page is a file here, or shown by other tests.
#![allow(clippy::print_stdout, reason = "what was measured is for the reader")]

mod answers;
mod floods;
mod forger;
mod forgery;
mod networks;

use std::time::Duration;

use crate::as_root::site::{Site, offend};
use crate::daemon::{Daemon, metric};
use crate::dialogue::Dialogue;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
/// More than a SYN takes on a busy machine, less than TCP waits before it sends the next.
const SOON: Duration = Duration::from_millis(400);

const OFFENDER: &str = "192.0.2.66";
const HONEST: &str = "192.0.2.7";

/// A daemon that enforces in the kernel for as long as it runs.
fn start(site: &Site, flags: &str) -> Daemon {
    let daemon = site.daemon(LONG, &format!("--interface e0 --pin-directory none {flags}"));
    daemon.logged("sanctions are enforced in the kernel");
    daemon
}

/// A session that has got as far as its first recipient.
fn greeted(site: &Site, peer: &str) -> Dialogue {
    let mut dialogue = site.open(peer);
    dialogue.expect(&[("EHLO host.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    dialogue
}

/// Offends until it is limited, and gives the session that did.
fn get_limited(site: &Site, peer: &str) -> Dialogue {
    let mut dialogue = greeted(site, peer);
    offend(&mut dialogue, 3);
    dialogue
}

/// Offends until it is blocked.
fn get_blocked(site: &Site, peer: &str) {
    let mut dialogue = greeted(site, peer);
    offend(&mut dialogue, 4);
    let last = dialogue.try_say("RCPT TO:<someone@elsewhere.example>");
    assert!(last.is_empty() || last.starts_with("550"), "{peer}: {last}");
}

/// How many packets a counter of the program has counted.
fn packets(site: &Site, counter: &str) -> u64 {
    metric(&site.metrics(), &format!("relaygate_kernel_packets_total{{counter=\"{counter}\"}}")) as u64
}
