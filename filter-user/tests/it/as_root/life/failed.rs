//! Starts that fail after another process has left its part in force: nothing of it is replaced by half, and whoever
//! started is told what goes on and how to end it.

use std::process::Command;
use std::time::Duration;

use filter_user::config::Hook;
use filter_user::kernel::{Growing, Kernel, KernelSettings};
use filter_user::peers::LocalEnforcer;

use super::{LONG, PINS, SOON, get_blocked, has_xdp, pinned, pins, prints, run, start};
use crate::as_root::site::{SERVER, Site};
use crate::daemon::{Daemon, relaygate};
use crate::packets;

const ATTACKER: &str = "192.0.2.66";
const ADVICE: &str = "`relaygate detach` takes it off";

/// What is pinned, each with what the kernel says of it.
fn identities(site: &Site) -> Vec<String> {
    let said = |name: String| {
        let kind = match name.as_str() {
            "relaygate" | "relaygate_tc" => "prog",
            link if link.starts_with("link-") => "link",
            _ => "map",
        };
        let said = prints(site, &format!("bpftool -j {kind} show pinned {PINS}/{name}"));
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        format!("{name} {}", said["id"])
    };
    pins(site).into_iter().map(said).collect()
}

#[test]
fn a_start_that_fails_has_replaced_nothing() {
    let site = Site::new();
    let daemon = start(&site);
    get_blocked(&site, ATTACKER);
    drop(daemon);
    let before = identities(&site);
    assert!(before.len() > 10, "{before:?}");
    let error = site.edge.run(|| {
        let settings = KernelSettings {
            interfaces: vec!["e0".to_owned()],
            hook: Hook::Auto,
            pins: Some(PINS.into()),
            growing: Growing::Beside { program: "/nonexistent/relaygate".into(), user: None },
            ..packets::usual_settings()
        };
        Kernel::start(&settings, LocalEnforcer::new(settings.limit_rate, 100)).unwrap_err().to_string()
    });
    assert!(error.contains("/nonexistent/relaygate"), "{error}");
    assert_eq!(identities(&site), before);
    assert!(site.connect(ATTACKER, SOON).is_err(), "and the sanction stands");
    assert!(start(&site).logged("is taken over").contains("1 blocked"));
}

#[test]
fn a_daemon_that_may_not_take_over_tells_what_goes_on() {
    let site = Site::new();
    drop(start(&site));
    let flags = Site::flags(LONG, &format!("{} --protect 26", pinned()));
    let daemon = site.edge.run(move || {
        let mut command = Command::new("setpriv");
        let without = ["--bounding-set=-sys_admin,-bpf", "--inh-caps=-sys_admin,-bpf"];
        command.args(without).arg(env!("CARGO_BIN_EXE_relaygate"));
        Daemon::start_command(command, &[SERVER], &flags)
    });
    assert!(daemon.logged("the kernel does not help").contains("other settings"));
    let line = daemon.logged("still attached");
    assert!(line.contains("\"e0\"") && line.contains(ADVICE) && has_xdp(&site), "{line}");
}

/// What is read without privileges is read after the kernel's part has started.
#[test]
fn a_daemon_that_ends_with_an_error_tells_what_goes_on() {
    let site = Site::new();
    let flags = format!("{} --listen 127.0.0.1:0 --backend sink: --tls-certificate /nonexistent", pinned());
    let ended = run(&site, &format!("run {flags}"));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("/nonexistent"), "{said}");
    assert!(said.contains("(e0)") && said.contains(ADVICE) && has_xdp(&site), "{said}");
    let detached = run(&site, &format!("detach --pin-directory {PINS}"));
    assert!(detached.status.success() && !has_xdp(&site), "{detached:?}");
}

#[test]
fn killed_at_any_moment_of_its_start_what_was_known_is_taken_over_by_the_next() {
    let site = Site::new();
    let daemon = start(&site);
    get_blocked(&site, ATTACKER);
    drop(daemon);
    for milliseconds in (0..300).step_by(25) {
        let flags = Site::flags(LONG, &pinned());
        site.edge.run(move || {
            let arguments = flags.split_whitespace();
            let mut started = relaygate().args(["run", "--listen", SERVER]).args(arguments).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(milliseconds));
            started.kill().unwrap();
            started.wait().unwrap();
        });
        assert!(site.connect(ATTACKER, SOON).is_err(), "killed after {milliseconds} ms");
    }
    let daemon = start(&site);
    assert!(daemon.logged("is taken over").contains("1 blocked"));
    assert!(pins(&site).iter().all(|name| !name.starts_with("staged-")), "{:?}", pins(&site));
}
