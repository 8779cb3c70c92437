//! `relaygate peers` and a running daemon: what is shown of peers, what is done to them by hand, what is refused.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::control::{connect, run, say};
use crate::daemon::{Daemon, eventually};
use crate::dialogue::Dialogue;

/// A daemon that can be asked, and how.
struct Asked {
    daemon: Daemon,
    socket: String,
    _folder: tempfile::TempDir,
}

impl Asked {
    fn start(flags: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control").to_str().unwrap().to_owned();
        let daemon = Daemon::start(&format!(
            "--backend sink: --local-domain example.test --strikes-to-limit 4 --strikes-to-block 8 --limit-rate 1/h \
             --control-socket {socket} {flags}"
        ));
        Self { daemon, socket, _folder: folder }
    }

    /// What `relaygate peers` says, where it does as it is told.
    fn peers(&self, words: &[&str]) -> String {
        let (code, said, errors) = self.outcome(words);
        assert_eq!(code, Some(0), "{words:?}: {errors}");
        said
    }

    fn outcome(&self, words: &[&str]) -> (Option<i32>, String, String) {
        run(&[&["peers"], words, &["--control-socket", &self.socket]].concat())
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.peers(&[words, &["--json"]].concat())).unwrap()
    }

    fn offend(&self, times: usize) -> Dialogue {
        let mut session = Dialogue::open(self.daemon.address);
        session.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
        for _ in 0..times {
            session.expect(&[("RCPT TO:<b@elsewhere.example>", "550")]);
        }
        session
    }

    /// The last of these offences is one too many, and what is replied may be lost with the session.
    fn get_blocked(&self) {
        let mut session = self.offend(0);
        session.send("RCPT TO:<b@elsewhere.example>\r\n".repeat(8));
        session.rest();
        assert!(!is_served(self.daemon.address));
    }
}

/// Whether a new connection is served.
fn is_served(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut banner = [0; 3];
    stream.read_exact(&mut banner).is_ok() && &banner == b"220"
}

#[test]
fn a_peer_is_shown_with_what_it_did_and_what_that_earned() {
    let asked = Asked::start("");
    assert!(asked.peers(&["show", "127.0.0.1"]).contains("why            nothing stands against it\n"));
    let _session = asked.offend(3);
    let shown = asked.peers(&["show", "127.0.0.1"]);
    assert!(
        shown.contains("why            its strikes are too few; the last was for relay_attempt at "),
        "{shown}"
    );
    let _second = asked.offend(1);
    let entry = asked.json(&["show", "127.0.0.1"]);
    assert_eq!(
        (&entry["sanction"], &entry["strikes"], &entry["blocks"]),
        (&json!("limited"), &json!(4), &json!(0))
    );
    assert_eq!(entry["last_strike"]["kind"], "relay_attempt");
    let (until, left) = (entry["until"].as_i64().unwrap(), entry["seconds_left"].as_u64().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(until.abs_diff(i64::try_from(now + left).unwrap()) <= 2, "{entry} at {now}");
    assert_eq!(entry["installed"], false, "there is no interface");
    let list = asked.json(&["list"]);
    assert_eq!((&list["matching"], &list["peers"][0]["peer"]), (&json!(1), &json!("127.0.0.1")));
    assert!(asked.peers(&["list"]).ends_with("1 of 1 peers\n"));
    assert!(asked.peers(&["list", "--sanction", "blocked"]).ends_with("0 of 0 peers\n"));
}

#[test]
fn who_is_blocked_by_hand_is_out_at_once_and_in_when_freed() {
    let asked = Asked::start("");
    let mut session = asked.offend(1);
    let said = asked.peers(&["block", "127.0.0.1", "--for", "10m", "--reason", "asked for by phone"]);
    assert!(said.starts_with("127.0.0.1: blocked\n") && said.contains("asked for by phone"), "{said}");
    // The session that was open has ended with it.
    let mut rest = Vec::new();
    assert!(session.stream.read_to_end(&mut rest).is_err(), "{rest:?}");
    assert!(!is_served(asked.daemon.address));
    let entry = asked.json(&["show", "127.0.0.1"]);
    let user = nix::unistd::getuid().as_raw();
    assert_eq!((&entry["by_hand"]["by"], &entry["blocks"]), (&json!(user), &json!(0)));
    assert!((590..=600).contains(&entry["seconds_left"].as_u64().unwrap()), "{entry}");
    let logged = asked.daemon.logged("by hand: blocked");
    assert!(logged.contains("asked for by phone") && logged.contains(&format!("\"by\":{user}")), "{logged}");
    assert_eq!(asked.json(&["list", "--sanction", "by-hand"])["matching"], 1);

    assert!(asked.peers(&["unblock", "127.0.0.1", "--forget"]).starts_with("127.0.0.1: freed of a block\n"));
    assert!(is_served(asked.daemon.address));
    assert_eq!(asked.json(&["show", "127.0.0.1"])["strikes"], 0);
    // For good is until it is taken back.
    let said = asked.peers(&["block", "127.0.0.1"]);
    assert!(said.contains("sanction       blocked for good\n"), "{said}");
    asked.peers(&["unblock", "127.0.0.1"]);

    asked.peers(&["limit", "127.0.0.1", "--for", "1h"]);
    assert!(is_served(asked.daemon.address) && !is_served(asked.daemon.address), "one an hour");
}

#[test]
fn what_was_ordered_for_a_time_ends_by_itself() {
    let asked = Asked::start("");
    asked.peers(&["block", "127.0.0.1", "--for", "1s"]);
    assert!(!is_served(asked.daemon.address));
    eventually("the end of the block", || is_served(asked.daemon.address).then_some(()));
    asked.peers(&["allow", "127.0.0.1", "--for", "1s"]);
    eventually("the end of the allowance", || {
        (asked.json(&["list", "--allowed"])["allowed"] == json!([])).then_some(())
    });
}

#[test]
fn who_is_allowed_by_hand_is_freed_and_earns_nothing() {
    let asked = Asked::start("--allow 192.0.2.0/24");
    asked.get_blocked();
    let said = asked.peers(&["allow", "127.0.0.0/8", "--reason", "our monitoring"]);
    assert!(said.starts_with("127.0.0.0/8 is allowed; 1 sanctioned peers in it were freed"), "{said}");
    assert!(is_served(asked.daemon.address));
    let _session = asked.offend(18);
    let shown = asked.peers(&["show", "127.0.0.1"]);
    assert!(shown.contains("never sanctioned: 127.0.0.0/8 is on the allow-list"), "{shown}");
    assert!(asked.peers(&["list", "--allowed"]).contains("127.0.0.0/8, for good, by user "));
    let (code, _, errors) = asked.outcome(&["block", "127.0.0.1"]);
    assert!(
        code == Some(1) && errors.contains("on the allow-list by 127.0.0.0/8, allowed by hand"),
        "{errors}"
    );
    let (_, _, errors) = asked.outcome(&["block", "192.0.2.7"]);
    assert!(errors.contains("on the allow-list by 192.0.2.0/24 of the setting allow"), "{errors}");
    asked.peers(&["allow", "127.0.0.0/8", "--end"]);
    asked.get_blocked();
}

#[test]
fn who_is_authenticated_by_hand_is_exempt_until_that_is_ended() {
    let asked = Asked::start("");
    asked.get_blocked();
    asked.peers(&["authenticate", "127.0.0.1", "--for", "1h"]);
    assert!(is_served(asked.daemon.address));
    let _session = asked.offend(18);
    let (code, _, errors) = asked.outcome(&["block", "127.0.0.1"]);
    assert!(code == Some(1) && errors.contains("has authenticated"), "{errors}");
    assert_eq!(asked.json(&["list", "--sanction", "authenticated"])["matching"], 1);
    asked.peers(&["authenticate", "127.0.0.1", "--end"]);
    asked.peers(&["block", "127.0.0.1"]);
    assert!(!is_served(asked.daemon.address));
}

#[test]
fn a_peer_is_one_address_or_one_prefix_and_nothing_else() {
    let asked = Asked::start("");
    for name in ["2001:db8:0:1::5", "2001:db8:0:1::/64"] {
        let said = asked.peers(&["block", name]);
        assert!(said.starts_with("2001:db8:0:1::/64: blocked\n"), "{said}");
    }
    for (peer, wanted) in [
        ("10.0.0.0/24", "10.0.0.0/24 is a network of many peers"),
        ("2001:db8::/48", "2001:db8::/48 is a network of many peers"),
        ("2001:db8:0:1::/96", "is a part of the peer 2001:db8:0:1::/64"),
        ("mail.example", "\"mail.example\" is not a network or an address"),
        ("", "\"\" is not a network or an address"),
    ] {
        for verb in ["block", "limit", "unblock", "show", "authenticate"] {
            let (code, said, errors) = asked.outcome(&[verb, peer]);
            assert!(code == Some(1) && errors.contains(wanted), "{verb} {peer}: {said}{errors}");
        }
    }
    let long = "x".repeat(300);
    for (words, wanted) in [
        (&["allow", "0.0.0.0/0"][..], "wider than a /8"),
        (&["allow", "10.0.0.0/8", "--end"], "was not allowed by hand"),
        (&["block", "192.0.2.7", "--reason", &long], "at most 200 octets"),
        (&["block", "192.0.2.7", "--reason", "two\nlines"], "a reason is a line"),
        (&["list", "--network", "here"], "\"here\" is not a network"),
        (&["list", "--after", "here"], "\"here\" is no place in a list"),
    ] {
        let (code, _, errors) = asked.outcome(words);
        assert!(code == Some(1) && errors.contains(wanted), "{words:?}: {errors}");
    }
    assert_eq!(asked.json(&["list"])["matching"], 1, "nothing of it was done by half");
    let (code, _, errors) = asked.outcome(&["list", "--sort", "colour"]);
    assert!(code == Some(2) && errors.contains("last-strike"), "{errors}");
}

#[test]
fn where_the_kernel_does_not_help_nothing_is_captured() {
    let asked = Asked::start("");
    let file = Path::new(&asked.socket).with_file_name("file.pcap");
    let (code, _, errors) =
        run(&["capture", "127.0.0.1", "-w", file.to_str().unwrap(), "--control-socket", &asked.socket]);
    assert!(code == Some(1) && errors.contains("this process enforces"), "{errors}");
    assert!(!file.exists());
}

#[test]
fn requests_that_are_no_requests_hurt_nobody() {
    let asked = Asked::start("");
    let mut connection = connect(Path::new(&asked.socket));
    for nonsense in [
        r#"{"verb":"peers"}"#,
        r#"{"verb":"peers","do":"list"}"#,
        r#"{"verb":"peers","do":"list","most":1,"sort":"up"}"#,
        r#"{"verb":"peers","do":"block","peer":7}"#,
        r#"{"verb":"peers","do":"block","peer":"192.0.2.7","seconds":-1}"#,
        r#"{"verb":"peers","do":"block","peer":"192.0.2.7","by":0}"#,
    ] {
        let reply = say(&mut connection, format!("{nonsense}\n"));
        assert!(reply["error"].as_str().unwrap().starts_with("no request: "), "{nonsense}: {reply}");
    }
    // More than there may be at once is as much as there may be; the end of time is a time.
    let reply = say(&mut connection, "{\"verb\":\"peers\",\"do\":\"list\",\"most\":18446744073709551615}\n");
    assert_eq!(reply["peers"]["page"]["matching"], 0, "{reply}");
    let block = r#"{"verb":"peers","do":"block","peer":"192.0.2.7","seconds":18446744073709551615}"#;
    let reply = say(&mut connection, format!("{block}\n"));
    assert_eq!(reply["peers"]["edited"]["peer"]["sanction"], "blocked", "{reply}");
}
