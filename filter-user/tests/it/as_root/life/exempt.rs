//! Who is exempt of a sanction stays so while relaygate starts anew: the kernel goes on with the sanction, and must not
//! forget the exemption meanwhile.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use filter_common::Counter;

use super::{LONG, SOON, counter, pinned};
use crate::as_root::site::Site;
use crate::control::run;
use crate::daemon::Daemon;

/// Allowed, in a /64 that is blocked.
const ALLOWED: &str = "2001:db8:6::66";
const NEIGHBOUR: &str = "2001:db8:6::67";

fn start(site: &Site, folder: &std::path::Path) -> Daemon {
    let [socket, state] = ["control", "state"].map(|name| folder.join(name));
    let files = format!("--control-socket {} --state-file {}", socket.display(), state.display());
    let daemon = site.daemon(LONG, &format!("{} {files}", pinned()));
    daemon.logged("sanctions are enforced in the kernel");
    daemon
}

fn peers(folder: &std::path::Path, words: &[&str]) {
    let socket = folder.join("control").display().to_string();
    let (code, _, errors) = run(&[&["peers"], words, &["--control-socket", &socket]].concat());
    assert_eq!(code, Some(0), "{words:?}: {errors}");
}

/// SYNs of the allowed host, each by a socket of its own, until it is told to stop.
fn keep_knocking(stop: &AtomicBool) -> u64 {
    let [from, to] = [(ALLOWED, 0), ("2001:db8::1", 25)]
        .map(|(address, port)| SocketAddr::new(address.parse::<IpAddr>().unwrap(), port));
    let mut knocks = 0;
    while !stop.load(Ordering::Relaxed) {
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind(&from.into()).unwrap();
        let _ = socket.connect(&to.into());
        knocks += 1;
    }
    knocks
}

#[test]
fn who_is_allowed_by_hand_in_a_blocked_network_is_not_dropped_while_relaygate_starts() {
    let site = Site::new();
    site.outside.ip(&format!("address add {NEIGHBOUR}/32 dev p0 nodad"));
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(&site, folder.path());
    peers(folder.path(), &["block", NEIGHBOUR, "--for", "1h", "--reason", "a test"]);
    peers(folder.path(), &["allow", &format!("{ALLOWED}/128"), "--reason", "a test"]);
    assert!(site.connect(NEIGHBOUR, SOON).is_err(), "blocked");
    drop(site.open(ALLOWED));
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");

    let before = counter(&site, Counter::DroppedBlocked);
    let stop = AtomicBool::new(false);
    let (daemon, knocks) = std::thread::scope(|scope| {
        let (outside, stop) = (&site.outside, &stop);
        let knocking = scope.spawn(move || {
            outside.enter();
            keep_knocking(stop)
        });
        let daemon = start(&site, folder.path());
        stop.store(true, Ordering::Relaxed);
        (daemon, knocking.join().unwrap())
    });
    assert!(knocks > 1000, "it came all the time: {knocks}");
    assert_eq!(counter(&site, Counter::DroppedBlocked), before, "of {knocks} SYNs");
    assert!(site.connect(NEIGHBOUR, SOON).is_err(), "its neighbour still is blocked");

    // What is taken back is so after the next start too.
    peers(folder.path(), &["allow", &format!("{ALLOWED}/128"), "--end"]);
    assert!(site.connect(ALLOWED, SOON).is_err());
    daemon.stop();
    let daemon = start(&site, folder.path());
    assert!(site.connect(ALLOWED, SOON).is_err(), "it is one of the blocked again");
    drop(daemon);
}

/// Where nothing remembers that it was allowed by hand, it is so no longer than until the next start.
#[test]
fn what_nobody_remembers_to_have_allowed_is_not_allowed_any_more() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(&site, folder.path());
    peers(folder.path(), &["allow", &format!("{ALLOWED}/128"), "--reason", "a test"]);
    peers(folder.path(), &["block", NEIGHBOUR, "--for", "1h", "--reason", "a test"]);
    drop(site.open(ALLOWED));
    daemon.stop();
    std::fs::remove_file(folder.path().join("state")).unwrap();
    let daemon = start(&site, folder.path());
    assert!(site.connect(ALLOWED, SOON).is_err());
    drop(daemon);
}
