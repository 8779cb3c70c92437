//! Pins: made, kept by whatever end the daemon comes to, locked against a second one, taken off without a trace; and what
//! is said where they cannot be had.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;

use super::{LONG, PINS, SOON, get_blocked, has_xdp, pinned, pins, run, start};
use crate::as_root::site::{SERVER, Site};
use crate::daemon::{Daemon, eventually, relaygate};

const ATTACKER: &str = "192.0.2.66";

#[test]
fn the_program_outlasts_the_daemon_and_detach_leaves_nothing() {
    let site = Site::new();
    for (signal, is_clean) in [(Signal::SIGTERM, true), (Signal::SIGKILL, false)] {
        let mut daemon = start(&site);
        let mode = site.edge.run(|| std::fs::metadata(PINS).unwrap().mode() & 0o777);
        assert_eq!(mode, 0o700, "who is sanctioned is nobody else's business");
        get_blocked(&site, ATTACKER);
        daemon.signal(signal);
        let status = eventually("the daemon's end", || daemon.ended());
        assert_eq!(status.success(), is_clean);
        assert!(has_xdp(&site) && pins(&site).contains(&"link-e0".to_owned()), "{:?}", pins(&site));
        let refused = site.connect(ATTACKER, SOON).unwrap_err();
        assert_eq!(
            refused.kind(),
            std::io::ErrorKind::TimedOut,
            "nobody listens, and its SYN dies before that"
        );
        let refused = site.connect("192.0.2.7", SOON).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "others hear that nobody listens");

        let detached = run(&site, &format!("detach --pin-directory {PINS}"));
        assert!(detached.status.success(), "{detached:?}");
        assert!(!has_xdp(&site) && pins(&site).is_empty());
        assert!(!site.edge.run(|| std::path::Path::new(PINS).exists()), "the folder is gone too");
        let refused = site.connect(ATTACKER, SOON).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    let again = run(&site, &format!("detach --pin-directory {PINS}"));
    assert!(again.status.success() && String::from_utf8_lossy(&again.stdout).contains("is not there"));
}

#[test]
fn a_second_daemon_is_refused_and_told_whose_the_pins_are() {
    let site = Site::new();
    let daemon = start(&site);
    let second = run(&site, &format!("run --listen 127.0.0.1:0 --backend sink: {}", pinned()));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    for part in [PINS, "pin-directory", &format!("(process {})", daemon.pid())] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let detach = run(&site, &format!("detach --pin-directory {PINS}"));
    assert!(detach.status.code() == Some(1) && has_xdp(&site), "not from under a running daemon: {detach:?}");
    // With a pin directory of its own it is told that the place is taken, or goes where there is room.
    drop(daemon);
    start(&site);
}

#[test]
fn where_interfaces_are_not_set_any_more_the_program_leaves_them() {
    let site = Site::new();
    drop(start(&site));
    let daemon = site.daemon(LONG, &format!("--interface lo --pin-directory {PINS}"));
    daemon.logged("taken off this interface");
    assert!(!has_xdp(&site) && pins(&site).contains(&"link-lo".to_owned()));
    drop(daemon);
    let daemon = site.daemon(LONG, &format!("--pin-directory {PINS}"));
    let line = daemon.logged("relaygate's program is still attached");
    assert!(line.contains("\"lo\"") && line.contains("relaygate detach"), "{line}");
}

/// XDP has one place, which must be empty before a link of the other kind comes.
#[test]
fn another_hook_is_taken_at_the_next_start() {
    let site = Site::new();
    for (hook, mode) in [
        ("xdp-native", "native XDP on e0"),
        ("xdp-generic", "generic XDP on e0"),
        ("xdp-native", "native XDP on e0"),
        ("tc", "tc (TCX) on e0"),
        ("xdp-generic", "generic XDP on e0"),
    ] {
        let daemon = site.daemon(LONG, &format!("{} --hook {hook}", pinned()));
        let line = daemon.logged("sanctions are enforced in the kernel");
        assert!(line.contains(mode), "{hook}: {line}");
    }
    // And where any will do, the best of them comes before the worse one goes.
    drop(site.daemon(LONG, &format!("{} --hook tc", pinned())));
    let daemon = start(&site);
    assert!(daemon.log().contains("native XDP on e0"), "{}", daemon.log());
}

/// A file system of its own on a folder that relaygate makes, where the usual one is not asked for.
#[test]
fn a_pin_directory_elsewhere_gets_a_file_system_of_its_own_and_loses_it() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("pins");
    let daemon = site.daemon(LONG, &format!("--interface e0 --pin-directory {}", there.display()));
    daemon.logged("sanctions are enforced in the kernel");
    drop(daemon);
    let seen = there.clone();
    assert!(site.edge.run(move || seen.join("link-e0").exists()) && has_xdp(&site));
    let detached = run(&site, &format!("detach --pin-directory {}", there.display()));
    assert!(detached.status.success() && !has_xdp(&site), "{detached:?}");
    assert!(!site.edge.run(move || there.exists()));
}

/// What a start says that cannot pin, and that it serves nevertheless.
fn complaint(site: &Site, pins: &str) -> String {
    let daemon = site.daemon(LONG, &format!("--interface e0 --pin-directory {pins}"));
    let line = daemon.logged("the kernel does not help");
    assert!(!has_xdp(site));
    drop(site.open("192.0.2.7"));
    line
}

#[test]
fn what_keeps_it_from_pinning_is_told_with_what_to_do() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();

    std::fs::write(folder.path().join("file"), "").unwrap();
    let line = complaint(&site, &at("file"));
    assert!(line.contains(&at("file")) && line.contains("is no folder"), "{line}");

    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/something"), "").unwrap();
    let line = complaint(&site, &at("full"));
    assert!(line.contains("is not on a BPF file system") && line.contains("/sys/fs/bpf"), "{line}");

    let line = complaint(&site, &at("none/pins"));
    assert!(line.contains("cannot make the pin directory"), "{line}");

    let read_only = folder.path().join("read-only");
    std::fs::create_dir(&read_only).unwrap();
    let target = read_only.clone();
    site.edge.run(move || {
        mount(Some("bpf"), &target, Some("bpf"), MsFlags::empty(), None::<&str>).unwrap();
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &target, None::<&str>, flags, None::<&str>).unwrap();
    });
    let line = complaint(&site, &at("read-only/relaygate"));
    assert!(line.contains("read-only") && line.contains("remount,rw"), "{line}");
}

/// Root without the one capability that mounting needs, as in a container.
#[test]
fn where_no_file_system_can_be_mounted_it_says_how() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("pins");
    let flags = Site::flags(LONG, &format!("--interface e0 --pin-directory {}", there.display()));
    let daemon = site.edge.run(move || {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", env!("CARGO_BIN_EXE_relaygate")]);
        Daemon::start_command(command, &[SERVER], &flags)
    });
    let line = daemon.logged("the kernel does not help");
    let how = format!("mount -t bpf bpf {}", there.display());
    assert!(line.contains(&how) && line.contains("pin-directory = none"), "{line}");
    assert!(!there.exists(), "what was made for it is gone");
}

/// Nothing of a pin directory is believed because of its name.
#[test]
fn somebody_elses_folder_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::DirBuilder::new().mode(0o755).create(folder.path().join("pins")).unwrap();
    std::fs::write(folder.path().join("pins/precious"), "").unwrap();
    let there = folder.path().join("pins").display().to_string();
    let output = relaygate().args(["detach", "--pin-directory", &there]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("is not on a BPF file system"), "{said}");
    assert!(folder.path().join("pins/precious").exists());
}
