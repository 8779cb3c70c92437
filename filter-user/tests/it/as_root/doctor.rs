//! What `relaygate doctor` says is what happens: the hook that it names is the one that a daemon takes, and the program that it
//! sees is the one that is there.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::site::Site;
use crate::daemon::relaygate;

const SOME_TIME: Duration = Duration::from_secs(60);

/// Runs it on the edge host; gives what it says, and the exit code.
fn doctor(site: &Site, flags: &str) -> (Value, i32) {
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    let output = site.edge.run(move || relaygate().args(["doctor", "--json"]).args(flags).output().unwrap());
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code().unwrap())
}

fn finding<'a>(said: &'a Value, about: &str) -> &'a Value {
    said["findings"].as_array().unwrap().iter().find(|finding| finding["about"] == about).unwrap()
}

#[test]
fn the_hook_that_it_names_is_the_one_that_a_daemon_takes() {
    let rows = [
        ("e0", "1500", "xdp-native", "native XDP on e0"),
        // Larger than a page.
        ("e0", "9000", "xdp-generic", "generic XDP on e0"),
        ("lo", "1500", "xdp-generic", "generic XDP on lo"),
    ];
    for (interface, mtu, hook, logged) in rows {
        let site = Site::new();
        site.edge.ip(&format!("link set dev {interface} mtu {mtu}"));
        site.outside.ip(&format!("link set dev p0 mtu {mtu}"));
        let flags = format!("--interface {interface}");
        let (said, code) = doctor(&site, &flags);
        assert_eq!(code, 0, "{said:#}");
        let seen = &said["interfaces"][0];
        assert_eq!(
            (&seen["conclusion"]["hook"], &seen["mtu"]),
            (&hook.into(), &mtu.parse::<u32>().unwrap().into()),
            "{seen:#}"
        );
        assert_eq!(seen["attached"], Value::Array(Vec::new()));
        let driver = if interface == "lo" { Value::Null } else { "veth".into() };
        assert_eq!(seen["driver"], driver);

        let daemon = site.daemon(SOME_TIME, &flags);
        daemon.logged(logged);
        let (said, _) = doctor(&site, &flags);
        let attached = &said["interfaces"][0]["attached"][0];
        assert_eq!(attached["name"], "relaygate", "{said:#}");
        let link = site
            .edge
            .run(move || Command::new("ip").args(["-j", "link", "show", "dev", interface]).output().unwrap());
        let link: Value = serde_json::from_slice(&link.stdout).unwrap();
        assert_eq!(attached["id"], link[0]["xdp"]["prog"]["id"], "{link:#}");
    }
}

#[test]
fn what_is_missing_is_named_and_nothing_is_changed() {
    let site = Site::new();
    let mounts = || site.edge.run(|| std::fs::read_to_string("/proc/thread-self/mounts").unwrap());
    let before = mounts();
    let pins = "/tmp/relaygate-doctor-looks-only/pins";
    let (said, code) = doctor(&site, &format!("--interface no-such0 --pin-directory {pins}"));
    assert_eq!(code, 1);
    assert!(said["interfaces"][0]["fault"].as_str().unwrap().contains("no such interface"), "{said:#}");
    assert_eq!(finding(&said, "pin-directory")["level"], "ok", "it may mount one");
    assert_eq!(said["can_enforce"], false);

    let output = site.edge.run(move || {
        let mut without = Command::new("setpriv");
        without.args(["--bounding-set=-all", env!("CARGO_BIN_EXE_relaygate"), "doctor", "--json"]);
        without.args(["--interface", "e0", "--pin-directory", pins]).output().unwrap()
    });
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let privileges = finding(&said, "privileges");
    assert_eq!(privileges["level"], "missing");
    assert!(
        privileges["says"].as_str().unwrap().starts_with("CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF missing")
    );
    assert!(finding(&said, "pin-directory")["says"].as_str().unwrap().contains("CAP_SYS_ADMIN is missing"));
    // What needs no privilege is seen all the same.
    assert_eq!(said["interfaces"][0]["conclusion"]["hook"], "xdp-native");
    assert_eq!(mounts(), before);
    assert!(!std::path::Path::new(pins).exists());
}
