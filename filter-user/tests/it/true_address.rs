//! Who connects for others says for whom, over TCP: load balancers by PROXY headers, listed hosts by XCLIENT; and what
//! becomes of headers that are none, and of those who may not speak for others. A real HAProxy stands in
//! `as_root::balancer`.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::process::Command;

use crate::daemon::{Daemon, eventually, file, free_port, metric};
use crate::dialogue::Dialogue;

const SINK: &str = "--backend sink: --local-domain example.test";

/// What v2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 192.0.2.1 4711 25\r\n").into_bytes()
}

fn v2(client: [u8; 4]) -> Vec<u8> {
    [SIGNATURE, &[0x21, 0x11, 0, 12], &client, &[192, 0, 2, 1, 0x12, 0x67, 0, 25]].concat()
}

fn local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

/// A connection that begins with these octets; the first reply is not read yet.
fn begun(address: SocketAddr, octets: &[u8]) -> Dialogue {
    let mut dialogue = Dialogue::silent(address);
    dialogue.send(octets);
    dialogue
}

fn through(address: SocketAddr, header: &[u8]) -> Dialogue {
    let mut dialogue = begun(address, header);
    let banner = dialogue.reply();
    assert!(banner.starts_with("220 "), "{banner}");
    dialogue
}

/// The answer to a recipient that is not ours.
fn relay(dialogue: &mut Dialogue) -> String {
    dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    dialogue.say("RCPT TO:<victim@elsewhere.example>")
}

/// Relay attempts until the session is cut off.
fn offend(dialogue: &mut Dialogue) {
    relay(dialogue);
    for _ in 0..5 {
        dialogue.try_say("RCPT TO:<victim@elsewhere.example>");
    }
    assert_eq!(dialogue.try_say("NOOP"), "");
}

const STRICT: &str = "--strikes-to-limit 2 --strikes-to-block 3";

#[test]
fn the_client_is_struck_and_who_brought_it_is_not() {
    let daemon = Daemon::start(&format!("{SINK} {STRICT} --proxy-protocol-from 127.0.0.0/8"));
    offend(&mut through(daemon.address, &v2([198, 51, 100, 7])));
    assert!(daemon.logged("peer sanctioned").contains("198.51.100.7"));
    for header in [v1("198.51.100.7"), v2([198, 51, 100, 7])] {
        let refused = begun(daemon.address, &header).reply();
        assert_eq!(refused, "554 5.7.1 your address is blocked for its offences\r\n");
    }
    for header in [v1("198.51.100.8"), v2([198, 51, 100, 9]), local(), b"PROXY UNKNOWN\r\n".to_vec()] {
        through(daemon.address, &header).expect(&[("EHLO a.example", "250"), ("QUIT", "221")]);
    }
}

#[test]
fn grants_are_the_clients_and_not_the_balancers() {
    let flags = format!(
        "{SINK} --proxy-protocol-from 127.0.0.1 --relay-network 127.0.0.1 --relay-network 198.51.100.0/24"
    );
    let daemon = Daemon::start(&flags);
    assert!(relay(&mut through(daemon.address, &v1("198.51.100.7"))).starts_with("250"));
    assert!(relay(&mut through(daemon.address, &v1("203.0.113.7"))).starts_with("550 5.7.1"));
}

/// What names no client is a health check, or looks like one.
#[test]
fn who_is_not_named_has_nothing_of_the_balancers() {
    let nobody = [local(), b"PROXY UNKNOWN\r\n".to_vec()];
    let password = "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2";
    let folder = tempfile::tempdir().unwrap();
    let passwords = file(folder.path(), "passwords", &format!("user:{password}\n"));
    let flags = format!(
        "{SINK} --proxy-protocol-from 127.0.0.1 --relay-network 127.0.0.1 --xclient-from 127.0.0.1 \
         --auth file:{} --auth-without-tls 127.0.0.1",
        passwords.display()
    );
    for listen in ["127.0.0.1:0", "127.0.0.1:0 profile=inside"] {
        let daemon = Daemon::start_listening_on(listen, &flags);
        for header in &nobody {
            let mut client = through(daemon.address, header);
            let offered = client.say("EHLO a.example");
            assert!(!offered.contains("XCLIENT") && !offered.contains("AUTH"), "{offered}");
            client.expect(&[("XCLIENT ADDR=127.0.0.1", "550 5.7.0")]);
            assert!(relay(&mut client).starts_with("550 5.7.1"));
            client.expect(&[("RCPT TO:<user@example.test>", "250"), ("QUIT", "221")]);
        }
    }
}

#[test]
fn where_the_client_connected_to_is_what_the_header_says() {
    let flags = format!("{SINK} --proxy-protocol-from 127.0.0.1");
    let daemon = Daemon::start_listening_on("127.0.0.1:0 profile=inside", &flags);
    let port = daemon.address.port();
    let outside = relay(&mut through(daemon.address, &v1("198.51.100.7")));
    assert!(outside.starts_with("550 5.7.1"), "{outside}");
    let header = format!("PROXY TCP4 198.51.100.7 127.0.0.1 4711 {port}\r\n");
    assert!(relay(&mut through(daemon.address, header.as_bytes())).starts_with("250"));
}

#[test]
fn places_are_counted_by_client() {
    let daemon = Daemon::start(&format!("{SINK} --proxy-protocol-from 127.0.0.1 --max-sessions-per-peer 1"));
    let _one = through(daemon.address, &v1("198.51.100.7"));
    let _another = through(daemon.address, &v1("198.51.100.8"));
    let refused = begun(daemon.address, &v1("198.51.100.7")).reply();
    assert!(refused.starts_with("421 4.7.0 too many sessions"), "{refused}");
}

#[test]
fn who_talks_behind_the_header_talks_before_the_banner() {
    let daemon = Daemon::start(&format!("{SINK} --proxy-protocol-from 127.0.0.1"));
    let mut early = begun(daemon.address, &[v1("198.51.100.7"), b"EHLO a.example\r\n".to_vec()].concat());
    assert_eq!(early.reply(), "554 5.5.1 talked before the banner\r\n");
    assert!(daemon.logged("EarlyTalker").contains("198.51.100.7"));
}

#[test]
fn a_balancer_that_says_nothing_useful_gets_no_session() {
    let page = format!("127.0.0.1:{}", free_port());
    let flags = format!(
        "{SINK} {STRICT} --proxy-protocol-from 127.0.0.1 --proxy-protocol-timeout 300ms --metrics-listen {page}"
    );
    let daemon = Daemon::start(&flags);
    let count = |reason: &str| {
        let series = format!("relaygate_proxy_headers_refused_total{{reason=\"{reason}\"}}");
        metric(&Daemon::metrics(page.parse().unwrap()), &series)
    };

    // cut off at every octet
    let headers = [v1("198.51.100.7"), v2([198, 51, 100, 7])];
    for header in &headers {
        for octets in 0..header.len() {
            let mut cut = begun(daemon.address, &header[..octets]);
            cut.stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(cut.rest(), b"", "{octets} octets");
        }
    }
    let cut: usize = headers.iter().map(|header| header.len() - 1).sum();
    eventually("all that were cut off", || (count("truncated") == cut as f64).then_some(()));

    // contradictory
    let malformed: [&[u8]; 5] = [
        b"PROXY TCP4 2001:db8::7 192.0.2.1 4711 25\r\n",
        b"PROXY TCP6 198.51.100.7 192.0.2.1 4711 25\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 65536\r\n",
        &[SIGNATURE, &[0x21, 0x21, 0, 12], &[0; 12]].concat(),
        &[SIGNATURE, &[0x21, 0x12, 0, 12], &[0; 12]].concat(),
    ];
    for header in malformed {
        assert_eq!(begun(daemon.address, header).rest(), b"", "{}", header.escape_ascii());
    }
    // none, and too long ones
    assert_eq!(begun(daemon.address, b"EHLO a.example\r\n").rest(), b"");
    assert_eq!(begun(daemon.address, &[b"PROXY UNKNOWN ".as_slice(), &[b'a'; 200]].concat()).rest(), b"");
    assert_eq!(begun(daemon.address, &[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat()).rest(), b"");
    // too slow
    let mut slow = begun(daemon.address, &headers[0][..10]);
    assert_eq!(slow.rest(), b"");
    let line = daemon.logged("no PROXY header from a load balancer");
    assert!(line.contains("127.0.0.1"), "{line}");
    let counted = [("malformed", 5.0), ("missing", 1.0), ("too_long", 2.0), ("timed_out", 1.0)];
    for (reason, times) in counted {
        eventually(reason, || (count(reason) == times).then_some(()));
    }

    // and was not laid to its charge
    through(daemon.address, &local()).expect(&[("QUIT", "221")]);
}

#[test]
fn strangers_speak_for_nobody() {
    let daemon = Daemon::start(&format!("{SINK} --strikes-to-limit 50 --strikes-to-block 60"));
    for header in [v1("198.51.100.7"), v2([198, 51, 100, 7])] {
        // At once it is early talk, unless the banner was faster; then it is no SMTP.
        let mut stranger = Dialogue::silent(daemon.address);
        let _ = stranger.stream.write_all(&header);
        let said = String::from_utf8(stranger.rest()).unwrap();
        assert!(said.contains("554 5.5.1") || said.contains("500 5.5"), "{said}");
        let mut polite = Dialogue::open(daemon.address);
        polite.send(&header);
        let said = String::from_utf8(polite.rest()).unwrap();
        assert!(
            said.starts_with("554 5.5.1 this is SMTP") || said.contains("500 5.5.2 bare CR or LF"),
            "{said}"
        );
    }
    let mut stranger = Dialogue::open(daemon.address);
    assert_eq!(
        stranger.say("XCLIENT ADDR=127.0.0.1"),
        "550 5.7.0 XCLIENT is taken from listed hosts alone\r\n"
    );
    assert!(!stranger.say("EHLO a.example").contains("XCLIENT"));
}

#[test]
fn a_client_behind_a_balancer_that_is_a_listed_host_too_speaks_for_nobody() {
    let daemon = Daemon::start(&format!("{SINK} --proxy-protocol-from 127.0.0.1 --xclient-from 127.0.0.1"));
    let mut client = through(daemon.address, &v1("198.51.100.7"));
    assert!(client.say("XCLIENT ADDR=127.0.0.1").starts_with("550 5.7.0"));
}

#[test]
fn the_client_that_xclient_names_is_struck_and_the_host_is_not() {
    let daemon =
        Daemon::start(&format!("{SINK} {STRICT} --xclient-from 127.0.0.1 --relay-network 127.0.0.1"));
    let speak = |client: &str| {
        let mut host = Dialogue::open(daemon.address);
        let reply = host.say(&format!("XCLIENT ADDR={client} PORT=4711 HELO=client.far.example"));
        (host, reply)
    };
    let (mut offender, begun) = speak("198.51.100.7");
    assert!(begun.starts_with("220 "), "{begun}");
    offend(&mut offender);
    assert!(daemon.logged("peer sanctioned").contains("198.51.100.7"));
    let (mut host, refused) = speak("198.51.100.7");
    assert_eq!(refused, "554 5.7.1 your address is blocked for its offences\r\n");
    assert_eq!(host.try_say("EHLO a.example"), "", "the session would be the host's own");
    let (mut other, begun) = speak("IPV6:2001:db8:7::1");
    assert!(begun.starts_with("220 "), "{begun}");
    assert!(relay(&mut other).starts_with("550 5.7.1"));
    assert!(relay(&mut Dialogue::open(daemon.address)).starts_with("250"), "the host may");
}

/// A host that does not heed a refusal passes on what its client says.
#[test]
fn an_xclient_that_is_refused_ends_the_session_whatever_comes_behind() {
    let flags = format!("{SINK} {STRICT} --xclient-from 127.0.0.1 --relay-network 127.0.0.1");
    let daemon = Daemon::start(&flags);
    let mut offender = Dialogue::open(daemon.address);
    offender.expect(&[("XCLIENT ADDR=198.51.100.7", "220")]);
    offend(&mut offender);
    let behind = "EHLO a.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<victim@elsewhere.example>\r\n";
    for (command, code) in
        [("XCLIENT ADDR=198.51.100.7", "554 5.7.1"), ("XCLIENT ADDR=198.51.100.8 HELO=a+20b", "501 5.5.4")]
    {
        let mut host = Dialogue::open(daemon.address);
        host.send(format!("{command}\r\n{behind}"));
        let said = String::from_utf8(host.rest()).unwrap();
        assert!(said.starts_with(code) && said.lines().count() == 1, "{command}: {said}");
    }
    assert!(relay(&mut Dialogue::open(daemon.address)).starts_with("250"), "the host may");
}

#[test]
fn a_client_that_was_named_names_nobody() {
    let flags = format!("{SINK} --xclient-from 127.0.0.1 --relay-network 10.0.0.0/8");
    let daemon = Daemon::start(&flags);
    for greeting in ["EHLO", "HELO"] {
        let mut front = Dialogue::open(daemon.address);
        assert!(front.say("EHLO front.example").contains("XCLIENT"));
        front.expect(&[
            ("XCLIENT ADDR=198.51.100.7", "220"),
            (&format!("{greeting} client.far.example"), "250"),
        ]);
        // from here on the front passes on what its client says
        front.expect(&[("XCLIENT ADDR=10.0.0.5", "550 5.7.0"), ("XCLIENT LOGIN=boss", "550 5.7.0")]);
        let offered = front.say("EHLO client.far.example");
        assert!(!offered.contains("XCLIENT"), "{offered}");
        assert!(!front.say("HELP").contains("XCLIENT"));
        assert!(relay(&mut front).starts_with("550 5.7.1"));
    }
}

#[test]
fn who_a_listed_host_names_as_logged_in_submits_and_relays() {
    let flags = format!("{SINK} --xclient-from 127.0.0.1");
    let daemon = Daemon::start_listening_on("127.0.0.1:0 profile=submission", &flags);
    let mut front = Dialogue::open(daemon.address);
    front.expect(&[("XCLIENT ADDR=198.51.100.7 LOGIN=user", "220")]);
    assert!(relay(&mut front).starts_with("250"));
    assert!(daemon.logged("recipient accepted").contains("authenticated"));

    // Several are one, in any order, until they name another client.
    let mut front = Dialogue::open(daemon.address);
    front.expect(&[("XCLIENT LOGIN=user", "220"), ("XCLIENT ADDR=198.51.100.7", "220")]);
    assert!(relay(&mut front).starts_with("250"));
    let mut front = Dialogue::open(daemon.address);
    front.expect(&[
        ("XCLIENT ADDR=198.51.100.7 LOGIN=user", "220"),
        ("XCLIENT ADDR=198.51.100.8", "220"),
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "530 5.7.0"),
    ]);
}

/// swaks speaks XCLIENT as a client, from a listed host and from a stranger.
#[test]
fn by_swaks() {
    let swaks = |daemon: &Daemon, arguments: &[&str]| {
        let output = Command::new("swaks")
            .args(["--server", "127.0.0.1", "--port", &daemon.address.port().to_string()])
            .args(["--from", "a@far.example", "--xclient-addr", "198.51.100.7"])
            .args(["--xclient-helo", "client.far.example", "--quit-after", "RCPT"])
            .args(arguments)
            .output()
            .expect("swaks is not installed: run `cargo xtask doctor --install`");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let listed = Daemon::start(&format!("{SINK} --xclient-from 127.0.0.1 --relay-network 127.0.0.1"));
    let (ok, said) = swaks(&listed, &["--to", "user@example.test"]);
    assert!(ok, "{said}");
    let (ok, said) = swaks(&listed, &["--to", "victim@elsewhere.example"]);
    assert!(!ok && said.contains("550 5.7.1"), "{said}");
    assert!(listed.logged("recipient refused").contains("198.51.100.7"));

    // To a stranger it is not shown, and swaks goes no further; unless it is told to, as who it is.
    let stranger = Daemon::start(SINK);
    let (ok, said) = swaks(&stranger, &["--to", "user@example.test"]);
    assert!(!ok && !said.contains("RCPT TO"), "{said}");
    let (ok, said) = swaks(&stranger, &["--to", "victim@elsewhere.example", "--xclient-optional"]);
    assert!(!ok && said.contains("550 5.7.1"), "{said}");
    assert!(stranger.logged("recipient refused").contains("127.0.0.1"));
}
