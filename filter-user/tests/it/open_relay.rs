//! nmap's smtp-open-relay against each profile of a listener: what an auditor, or a spammer, would run first.

use std::net::SocketAddr;
use std::process::Command;

use crate::daemon::{Daemon, file};

/// What the script says of a server. It tries sixteen ways, the known disguises among them, to reach a foreign domain.
fn scanned(address: SocketAddr) -> String {
    let output = Command::new("nmap")
        .args(["-Pn", "-n", "-p", &address.port().to_string(), "--script", "+smtp-open-relay"])
        .arg(address.ip().to_string())
        .output()
        .expect("nmap is not installed: run `cargo xtask doctor --install`");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.split_once("smtp-open-relay: "));
    line.map(|(_, found)| found.to_owned()).unwrap_or_else(|| panic!("the script said nothing: {said}"))
}

/// Starts relaygate with a listener of this profile. The scanner is allowed, so that no strike ends its scan early.
fn started(profile: &str, flags: &str) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "user\n");
    Daemon::start_with_listeners(
        &[&format!("127.0.0.1:0 profile={profile}")],
        &format!(
            "--backend sink: --allow 127.0.0.1 --local-domain example.test --mailboxes {} {flags}",
            mailboxes.display()
        ),
    )
}

#[test]
fn nmap_finds_no_open_relay_in_profile_mx() {
    let daemon = started("mx", "--relay-network 192.0.2.0/24");
    assert_eq!(scanned(daemon.address), "Server doesn't seem to be an open relay, all tests failed");
}

#[test]
fn nmap_finds_no_open_relay_in_profile_submission() {
    let daemon = started("submission", "");
    let found = scanned(daemon.address);
    assert!(!found.contains("is an open relay"), "{found}");
}

/// Who can connect to an internal address may relay: that is what it is for. So the scanner stands on the never-list,
/// and without it the same scan finds what it looks for.
#[test]
fn nmap_finds_profile_inside_open_to_those_inside_alone() {
    let outsider = started("inside", "--never-relay 127.0.0.1");
    assert_eq!(scanned(outsider.address), "Server doesn't seem to be an open relay, all tests failed");
    let insider = started("inside", "");
    let found = scanned(insider.address);
    assert!(found.contains("Server is an open relay"), "the scan sees nothing at all: {found}");
}
