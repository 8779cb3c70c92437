//! The state file beside what is pinned: after a crash the kernel's table is newer than the file, and what was changed by
//! hand is in the file within seconds.

use std::fs;
use std::time::SystemTime;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{LONG, SOON, get_blocked, pinned};
use crate::as_root::site::Site;
use crate::control;
use crate::daemon::{Daemon, eventually};

const ATTACKER: &str = "192.0.2.66";

/// A site, and where its daemons keep what.
struct Remembering {
    site: Site,
    folder: tempfile::TempDir,
}

impl Remembering {
    fn new() -> Self {
        Self { site: Site::new(), folder: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn start(&self) -> Daemon {
        let files = format!("--state-file {} --control-socket {}", self.at("state"), self.at("control"));
        let daemon = self.site.daemon(LONG, &format!("{} {files}", pinned()));
        daemon.logged("sanctions are enforced in the kernel");
        daemon
    }

    fn kill(daemon: &mut Daemon) {
        daemon.signal(Signal::SIGKILL);
        eventually("the daemon's end", || daemon.ended());
    }

    fn peers(&self, words: &[&str]) -> String {
        let socket = self.at("control");
        let (code, said, errors) =
            control::run(&[&["peers"], words, &["--control-socket", &socket]].concat());
        assert_eq!(code, Some(0), "{words:?}: {errors}");
        said
    }

    fn entry(&self) -> Value {
        serde_json::from_str(&self.peers(&["show", ATTACKER, "--json"])).unwrap()
    }

    fn written(&self) -> SystemTime {
        fs::metadata(self.at("state")).unwrap().modified().unwrap()
    }

    fn is_blocked(&self) -> bool {
        self.site.connect(ATTACKER, SOON).is_err()
    }
}

#[test]
fn after_a_crash_the_kernels_table_outranks_the_file_that_is_older() {
    let kept = Remembering::new();
    let daemon = kept.start();
    get_blocked(&kept.site, ATTACKER);
    assert!(daemon.stop().0.success());
    fs::copy(kept.at("state"), kept.at("older")).unwrap();

    let mut daemon = kept.start();
    assert_eq!(kept.entry()["blocks"], 1, "as the file says");
    kept.peers(&["block", ATTACKER, "--for", "2h"]);
    Remembering::kill(&mut daemon);
    fs::copy(kept.at("older"), kept.at("state")).unwrap();

    let daemon = kept.start();
    let entry = kept.entry();
    assert_eq!(entry["sanction"], "blocked");
    assert!(entry["seconds_left"].as_u64().unwrap() > 7000, "the file says ten minutes: {entry}");
    assert_eq!(entry["last_strike"]["kind"], "relay_attempt", "what led to it is recalled: {entry}");
    assert!(kept.is_blocked());
    drop(daemon);
}

#[test]
fn who_was_freed_by_hand_is_free_after_a_crash() {
    let kept = Remembering::new();
    let daemon = kept.start();
    get_blocked(&kept.site, ATTACKER);
    assert!(daemon.stop().0.success());
    let mut daemon = kept.start();
    assert!(kept.is_blocked());
    let before = kept.written();
    kept.peers(&["unblock", ATTACKER]);
    eventually("a state file that knows", || (kept.written() != before).then_some(()));
    Remembering::kill(&mut daemon);
    let _daemon = kept.start();
    assert!(!kept.is_blocked());
}
