//! Interfaces that come, go and come back, also in the middle of an attack.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{LONG, PINS, get_blocked, has_xdp, pinned, pins, start};
use crate::as_root::site::{Site, connect};
use crate::control;
use crate::daemon::eventually;

const ATTACKER: &str = "192.0.2.66";

#[test]
fn an_interface_that_comes_is_attached_and_its_absence_is_told() {
    let site = Site::new();
    site.edge.ip("link del e0");
    let daemon = site.edge.run(|| {
        let flags = Site::flags(LONG, &pinned());
        // Its addresses are not there either.
        crate::daemon::Daemon::start_listening_on(
            "0.0.0.0:25",
            &flags.replace("--listen [2001:db8::1]:25", ""),
        )
    });
    let line = daemon.logged("on this interface sanctions are enforced when connections are accepted");
    assert!(line.contains("e0 is not there"), "{line}");
    for round in 1..=3 {
        site.link();
        eventually("the program on the interface", || has_xdp(&site).then_some(()));
        assert!(pins(&site).contains(&"link-e0".to_owned()));
        if round == 1 {
            get_blocked(&site, ATTACKER);
        }
        assert!(
            site.connect(ATTACKER, super::SOON).is_err(),
            "the sanction holds on the interface that came"
        );
        site.edge.ip("link del e0");
        eventually("the end of its pin", || (!pins(&site).contains(&"link-e0".to_owned())).then_some(()));
    }
    let comings = daemon.log().lines().filter(|line| line.contains("enforced in the kernel")).count();
    assert_eq!(comings, 3, "{}", daemon.log());
}

/// As VLAN devices have names: with a dot, which a BPF file system does not take.
#[test]
fn an_interface_with_a_dot_in_its_name_is_pinned_and_cleaned() {
    let site = Site::new();
    site.edge.ip("link add e0.100 type veth peer name e1.100");
    let daemon = site.daemon(LONG, &format!("--interface e0.100 --pin-directory {PINS}"));
    daemon.logged("sanctions are enforced in the kernel");
    assert!(pins(&site).contains(&"link-e0%2E100".to_owned()), "{:?}", pins(&site));
    drop(daemon);
    site.edge.ip("link del e0.100");
    let daemon = site.daemon(LONG, &format!("--interface e0.100 --pin-directory {PINS}"));
    daemon.logged("e0.100 is not there");
    assert!(!pins(&site).contains(&"link-e0%2E100".to_owned()), "the link of what is gone is gone");
}

#[test]
fn the_status_tells_hook_and_mode_of_each_interface() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control").display().to_string();
    for (hook, status, line) in [
        ("auto", json!({"interface": "e0", "hook": "xdp", "mode": "native"}), "e0, hook xdp, mode native"),
        (
            "xdp-generic",
            json!({"interface": "e0", "hook": "xdp", "mode": "generic"}),
            "e0, hook xdp, mode generic",
        ),
        ("tc", json!({"interface": "e0", "hook": "tc", "mode": "tcx"}), "e0, hook tc, mode tcx"),
    ] {
        let flags = format!("{} --interface none0 --hook {hook} --control-socket {socket}", pinned());
        let _daemon = site.daemon(LONG, &flags);
        let (_, said, _) = control::run(&["status", "--control-socket", &socket, "--json"]);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["sanctions"]["interfaces"], json!([status, {"interface": "none0"}]));
        let (_, said, _) = control::run(&["status", "--control-socket", &socket]);
        for line in [line, "none0, hook none, mode none"] {
            assert!(said.contains(&format!("\ninterface  {line}\n")), "{line}: {said}");
        }
    }
}

/// Another interface under the name of one that went while no daemon was there: its link is not taken for the old one's.
#[test]
fn an_interface_that_was_replaced_meanwhile_is_attached_anew() {
    let site = Site::new();
    drop(start(&site));
    site.edge.ip("link del e0");
    site.link();
    assert!(!has_xdp(&site));
    let daemon = start(&site);
    assert!(has_xdp(&site) && pins(&site).contains(&"link-e0".to_owned()));
    drop(daemon);
    // And one that was renamed meanwhile is not e0 any more.
    site.edge.ip("link set e0 down");
    site.edge.ip("link set e0 name old0");
    site.link_as("e0", "p1");
    let _daemon = start(&site);
    assert!(has_xdp(&site));
    assert!(!super::prints(&site, "ip link show dev old0").contains("xdp"));
}

/// The attacker sends as fast as it can, the interface goes away and comes back under it.
#[test]
fn an_interface_vanishes_under_load_and_the_daemon_serves_on() {
    let site = Site::new();
    let daemon = site.edge.run(|| {
        let flags = Site::flags(LONG, &pinned()).replace("--listen [2001:db8::1]:25", "");
        crate::daemon::Daemon::start_listening_on("0.0.0.0:25", &flags)
    });
    daemon.logged("sanctions are enforced in the kernel");
    get_blocked(&site, ATTACKER);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for source in [66, 7] {
            let (outside, stop) = (&site.outside, &stop);
            scope.spawn(move || {
                let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, source));
                while !stop.load(Ordering::Relaxed) {
                    // While the link is away there is no address to send from; what comes of it is seen below.
                    outside.run(move || drop(connect(source, Duration::from_millis(5))));
                }
            });
        }
        for _ in 0..5 {
            site.edge.ip("link del e0");
            site.link();
            eventually("the program on the interface that came back", || has_xdp(&site).then_some(()));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(site.connect(ATTACKER, super::SOON).is_err(), "still blocked");
    drop(site.open("192.0.2.7"));
    assert!(!daemon.log().contains("not followed"), "{}", daemon.log());
}
