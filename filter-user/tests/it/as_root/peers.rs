//! `relaygate peers` and real packets: what is ordered by hand is done by the kernel, and taken back there.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::site::{Site, offend};
use crate::control::run;
use crate::daemon::Daemon;
use crate::dialogue::Dialogue;

pub(super) const ATTACKER: &str = "192.0.2.66";
pub(super) const BYSTANDER: &str = "192.0.2.7";
/// In a peer of its own.
const IPV6: &str = "2001:db8:6::66";

/// The site, its daemon, and how that is asked.
pub(super) struct Asked {
    pub(super) site: Site,
    daemon: Daemon,
    pub(super) socket: String,
    pub(super) folder: tempfile::TempDir,
}

impl Asked {
    pub(super) fn start() -> Self {
        let site = Site::new();
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control").to_str().unwrap().to_owned();
        let flags = format!("--interface e0 --control-socket {socket}");
        let daemon = site.daemon(Duration::from_secs(60), &flags);
        daemon.logged("sanctions are enforced in the kernel");
        Self { site, daemon, socket, folder }
    }

    pub(super) fn peers(&self, words: &[&str]) -> String {
        let (code, said, errors) = run(&[&["peers"], words, &["--control-socket", &self.socket]].concat());
        assert_eq!(code, Some(0), "{words:?}: {errors}");
        said
    }

    fn entry(&self, peer: &str) -> Value {
        serde_json::from_str(&self.peers(&["show", peer, "--json"])).unwrap()
    }

    pub(super) fn reaches(&self, source: &str) -> bool {
        let stream = self.site.connect(source, Duration::from_millis(300));
        stream.is_ok_and(|stream: TcpStream| Dialogue::over(stream).reply().starts_with("220 "))
    }
}

#[test]
fn packets_die_of_a_block_by_hand_and_live_again() {
    let asked = Asked::start();
    for peer in [ATTACKER, IPV6] {
        assert!(asked.reaches(peer), "{peer}");
        asked.peers(&["block", peer, "--for", "10m", "--reason", "a test"]);
        let error = asked.site.connect(peer, Duration::from_millis(300)).expect_err("it is blocked");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{peer}: its SYN dies in the kernel");
        assert_eq!(asked.entry(peer)["installed"], true);
        assert!(asked.reaches(BYSTANDER));
        asked.peers(&["unblock", peer]);
        assert!(asked.reaches(peer), "{peer} is free");
        assert_eq!(asked.entry(peer)["installed"], false);
    }
}

#[test]
fn what_is_allowed_by_hand_outranks_every_automatic_block() {
    let asked = Asked::start();
    // It is blocked by its strikes, and freed by the allowance.
    let mut session = asked.site.open(ATTACKER);
    session.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    session.send("RCPT TO:<b@elsewhere.example>\r\n".repeat(5));
    session.rest();
    assert!(!asked.reaches(ATTACKER));
    asked.peers(&["allow", ATTACKER]);
    assert!(asked.reaches(ATTACKER));
    let mut session = asked.site.open(ATTACKER);
    session.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    offend(&mut session, 12);
    assert!((0..3).all(|_| asked.reaches(ATTACKER)));
    asked.peers(&["allow", ATTACKER, "--end"]);

    // One host out of a peer that is blocked: the kernel lets this one through, and its neighbours not.
    asked.peers(&["block", "2001:db8:6::1"]);
    assert!(!asked.reaches(IPV6), "the whole /64 is one peer");
    asked.peers(&["allow", IPV6]);
    assert!(asked.reaches(IPV6));
    assert_eq!(asked.entry("2001:db8:6::1")["sanction"], "blocked");
    asked.peers(&["allow", IPV6, "--end"]);
    assert!(!asked.reaches(IPV6));
    assert!(asked.daemon.stop().0.success());
}

#[test]
fn who_is_authenticated_by_hand_is_let_through_until_that_is_ended() {
    let asked = Asked::start();
    asked.peers(&["authenticate", ATTACKER, "--for", "1h"]);
    let mut session = asked.site.open(ATTACKER);
    session.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    offend(&mut session, 12);
    assert!((0..3).all(|_| asked.reaches(ATTACKER)));
    asked.peers(&["authenticate", ATTACKER, "--end"]);
    asked.peers(&["limit", ATTACKER, "--for", "1h"]);
    // Sixty a minute, one at once.
    let came = (0..4).filter(|_| asked.reaches(ATTACKER)).count();
    assert!((1..=3).contains(&came), "{came} of 4 within about a second");
    assert_eq!(asked.entry(ATTACKER)["sanction"], "limited");
}
