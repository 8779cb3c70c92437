//! `relaygate load` does once what needs privilege; the daemon then runs without any, from its first instruction.

use std::os::unix::fs::MetadataExt;

use filter_common::Counter;

use super::{LONG, PINS, SOON, counter, get_blocked, has_xdp, pinned, pins, run};
use crate::as_root::site::{SERVER, Site};
use crate::daemon::{Daemon, eventually};

const ATTACKER: &str = "192.0.2.66";

/// Any port may be listened at in a namespace of ours.
fn site() -> Site {
    let site = Site::new();
    site.edge.run(|| std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0").unwrap());
    site
}

fn load(site: &Site, more: &str) -> std::process::Output {
    run(site, &format!("load --listen {SERVER} {} {more}", Site::flags(LONG, &pinned())))
}

fn without_privilege(site: &Site, flags: &str) -> Daemon {
    let flags = Site::flags(LONG, &format!("{} {flags}", pinned()));
    site.edge.run(move || Daemon::start_without_privilege(SERVER, &flags))
}

#[test]
fn a_daemon_without_any_capability_works_on_what_was_loaded() {
    let site = site();
    let loaded = load(&site, "");
    let said = String::from_utf8_lossy(&loaded.stdout).into_owned();
    assert!(loaded.status.success() && said == "native XDP on e0\n", "{loaded:?}");
    assert!(has_xdp(&site));

    let mut daemon = without_privilege(&site, "");
    daemon.logged("sanctions are enforced in the kernel");
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    for set in ["CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000")), "{set}: {status}");
    }
    get_blocked(&site, ATTACKER);
    eventually("a dropped packet", || (counter(&site, Counter::DroppedBlocked) > 0).then_some(()));

    // Interfaces are followed without privilege too: who has the descriptor of a program may attach it.
    site.edge.ip("link del e0");
    eventually("the end of its pin", || (!pins(&site).contains(&"link-e0".to_owned())).then_some(()));
    site.link();
    eventually("the program on the interface", || has_xdp(&site).then_some(()));
    assert!(site.connect(ATTACKER, SOON).is_err());

    // A restart goes on, with or without privilege, and so does a new load.
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    eventually("the daemon's end", || daemon.ended());
    let loaded = load(&site, "");
    assert!(loaded.status.success(), "{loaded:?}");
    assert!(site.connect(ATTACKER, SOON).is_err());
    let daemon = without_privilege(&site, "");
    assert!(daemon.logged("is taken over").contains("1 blocked"));
    assert!(site.connect(ATTACKER, SOON).is_err());
    drop(site.open("192.0.2.7"));
}

/// Below a folder that only root may enter, and as somebody else: by the descriptor that it has of the pin directory.
#[test]
fn a_daemon_that_became_another_user_goes_on_pinning() {
    let site = site();
    let mut daemon = site.daemon(LONG, &format!("{} --user nobody", pinned()));
    daemon.logged("relaygate is user nobody from here on");
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid.as_raw();
    let owners = || {
        site.edge.run(|| {
            ["", "HEAD", "link-e0"].map(|name| std::fs::metadata(format!("{PINS}/{name}")).unwrap().uid())
        })
    };
    assert_eq!(owners(), [nobody; 3]);
    get_blocked(&site, ATTACKER);
    site.edge.ip("link del e0");
    eventually("the end of its pin", || (!pins(&site).contains(&"link-e0".to_owned())).then_some(()));
    site.link();
    eventually("the program on the interface", || has_xdp(&site).then_some(()));
    assert_eq!(owners(), [nobody; 3]);
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    eventually("the daemon's end", || daemon.ended());
    assert!(has_xdp(&site) && site.connect(ATTACKER, SOON).is_err());
}

#[test]
fn what_was_loaded_with_other_settings_is_not_worked_on() {
    let site = site();
    assert!(load(&site, "").status.success());
    let daemon = without_privilege(&site, "--protect 587");
    let line = daemon.logged("the kernel does not help");
    assert!(
        line.contains(PINS) && line.contains("with other settings") && line.contains("relaygate load"),
        "{line}"
    );
}

#[test]
fn a_load_that_could_do_nothing_is_refused() {
    let site = Site::new();
    for (flags, told) in [
        ("--interface e0 --pin-directory none", "pin-directory = none"),
        ("--pin-directory /sys/fs/bpf/relaygate", "set interface"),
        ("--interface e0 --hook none --pin-directory /sys/fs/bpf/relaygate", "set interface, and a hook"),
        ("--interface e0 --pin-directory /sys/fs/bpf/relaygate --user no-such-user", "no such user"),
        ("--interface e0 --pin-directory /sys/fs/bpf/relaygate --listen 127.0.0.1:0", "port 0"),
    ] {
        let output = run(&site, &format!("load --backend sink: {flags}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(told), "{flags}: {said}");
        assert!(!has_xdp(&site));
    }
}
