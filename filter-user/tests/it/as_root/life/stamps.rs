//! What another version has left in the kernel is taken over as far as it is laid out as this one would: hosts and counters
//! each by its own stamp. The other version is this one, with another stamp written into its `HEAD`. And hosts are taken
//! over where their keys mean the same peers.

use filter_common::{Counter, Head};
use nix::sys::signal::Signal;

use super::{PINS, SOON, counter, get_blocked, has_xdp, prints, start};
use crate::as_root::site::Site;
use crate::daemon::{Daemon, eventually};

const ATTACKER: &str = "192.0.2.66";

/// Where in `HEAD` is what.
const MARK: usize = 0;
const STAMP: usize = 16;
const TABLE: usize = 24;
const COUNTERS: usize = 32;

/// Writes other values there into the pinned `HEAD`.
fn change(site: &Site, places: &[usize]) {
    let dump = prints(site, &format!("bpftool -j map dump pinned {PINS}/HEAD"));
    let dump: serde_json::Value = serde_json::from_str(&dump).unwrap();
    let octets = dump[0]["value"].as_array().unwrap().iter();
    let mut octets: Vec<String> =
        octets.map(|octet| octet.as_str().unwrap().trim_start_matches("0x").to_owned()).collect();
    assert_eq!(octets.len(), size_of::<Head>());
    for place in places {
        octets[*place] = format!("{:02x}", u8::from_str_radix(&octets[*place], 16).unwrap() ^ 0xff);
    }
    let octets = octets.join(" ");
    prints(site, &format!("bpftool map update pinned {PINS}/HEAD key hex 00 00 00 00 value hex {octets}"));
}

/// A daemon that has blocked the attacker is killed, its `HEAD` is changed, and the next one starts.
fn after_a_change(places: &[usize]) -> (Site, Daemon, u64) {
    let site = Site::new();
    let mut daemon = start(&site);
    get_blocked(&site, ATTACKER);
    daemon.signal(Signal::SIGKILL);
    eventually("the daemon's end", || daemon.ended());
    let dropped = counter(&site, Counter::DroppedBlocked);
    assert!(dropped > 0 && has_xdp(&site));
    change(&site, places);
    let daemon = start(&site);
    (site, daemon, dropped)
}

fn is_blocked(site: &Site) -> bool {
    site.connect(ATTACKER, SOON).is_err()
}

#[test]
fn hosts_and_counters_go_on_where_something_else_has_changed() {
    let (site, daemon, dropped) = after_a_change(&[STAMP]);
    daemon.logged("laid out by another version");
    assert!(daemon.logged("is taken over").contains("1 blocked"));
    assert!(is_blocked(&site) && counter(&site, Counter::DroppedBlocked) > dropped);
}

#[test]
fn hosts_go_on_and_counters_begin_anew_where_those_have_changed() {
    let (site, daemon, dropped) = after_a_change(&[STAMP, COUNTERS]);
    daemon.logged("the kernel's counters begin anew");
    assert!(daemon.logged("is taken over").contains("1 blocked"));
    assert!(is_blocked(&site));
    let now = counter(&site, Counter::DroppedBlocked);
    assert!((1..=dropped).contains(&now), "{now} after {dropped}");
}

#[test]
fn counters_go_on_and_hosts_are_given_up_where_the_table_is_another() {
    let (site, daemon, dropped) = after_a_change(&[STAMP, TABLE]);
    let line = daemon.logged("the table of hosts in the kernel is one of another version");
    assert!(line.contains("state-file"), "{line}");
    assert!(!daemon.log().contains("is taken over"));
    assert!(!is_blocked(&site), "nobody knows of its sanction any more");
    assert_eq!(counter(&site, Counter::DroppedBlocked), dropped);
    get_blocked(&site, ATTACKER);
}

#[test]
fn what_is_not_ours_is_not_believed() {
    let (site, daemon, _) = after_a_change(&[MARK]);
    assert!(!daemon.log().contains("is taken over"));
    assert!(!is_blocked(&site) && counter(&site, Counter::DroppedBlocked) == 0);
    get_blocked(&site, ATTACKER);
}

/// 192.0.2.0 was the key of a host, and would be the one of 256.
#[test]
fn hosts_of_other_prefix_lengths_are_given_up_and_come_from_the_state_file() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let daemon = |more: &str| {
        let daemon = site.daemon(super::LONG, &format!("{} {more}", super::pinned()));
        daemon.logged("sanctions are enforced in the kernel");
        daemon
    };
    let first = daemon(&format!("--state-file {state}"));
    get_blocked(&site, ATTACKER);
    assert!(first.stop().0.success());
    let dropped = counter(&site, Counter::DroppedBlocked);

    for prefixes in ["--peer-prefix-ipv4 24", "--peer-prefix-ipv6 56"] {
        let other = daemon(prefixes);
        other.logged("peers by other prefix lengths");
        assert!(!other.log().contains("is taken over"));
        assert!(!is_blocked(&site), "{prefixes}: nobody knows of its sanction");
        assert_eq!(counter(&site, Counter::DroppedBlocked), dropped, "counters go on");
    }
    let remembering = daemon(&format!("--peer-prefix-ipv4 24 --state-file {state}"));
    remembering.logged("peers by other prefix lengths");
    assert!(
        is_blocked(&site) && site.connect("192.0.2.7", SOON).is_err(),
        "all of its network is one peer now"
    );
    drop(remembering);
    // The same lengths again: taken over.
    assert!(daemon("--peer-prefix-ipv4 24").logged("is taken over").contains("1 blocked"));
}
