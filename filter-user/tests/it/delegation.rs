//! The policy delegation protocol as Postfix speaks it, spoken by hand: every kind of answer, and what makes no sense.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::daemon::{Daemon, file, free_port, run_to_end};

/// `relaygate policy`, where a user is known and a network may relay.
fn daemon(flags: &str) -> (Daemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "user@example.test\nsales%emea@example.test\n");
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let daemon = Daemon::start_policy(
        at,
        &format!(
            "--local-domain example.test --relay-network 10.0.0.0/8 --mailboxes {} {flags}",
            mailboxes.display()
        ),
    );
    (daemon, folder)
}

/// A request with these attributes in place of, or besides, the usual ones.
fn request(attributes: &[(&str, &str)]) -> String {
    let usual = [
        ("request", "smtpd_access_policy"),
        ("protocol_state", "RCPT"),
        ("helo_name", "host.far.example"),
        ("sender", "a@far.example"),
        ("client_address", "203.0.113.9"),
        ("instance", "1.2.3"),
        ("sasl_username", ""),
        ("ccert_subject", ""),
        ("server_address", "192.0.2.1"),
        ("server_port", "25"),
    ];
    let usual = usual.iter().filter(|(name, _)| !attributes.iter().any(|(other, _)| other == name));
    usual.chain(attributes).map(|(name, value)| format!("{name}={value}\n")).collect::<String>() + "\n"
}

/// A connection of Postfix.
struct Asking<S: Read + Write>(BufReader<S>);

impl Asking<TcpStream> {
    fn open(daemon: &Daemon) -> Self {
        let stream = TcpStream::connect(daemon.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }
}

impl<S: Read + Write> Asking<S> {
    fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(octets.as_ref()).unwrap();
    }

    /// The action; empty at the end of the connection.
    fn action(&mut self) -> String {
        let (mut line, mut end) = (String::new(), String::new());
        if self.0.read_line(&mut line).unwrap_or(0) > 0 {
            self.0.read_line(&mut end).unwrap();
            assert_eq!(end, "\n", "an empty line ends an answer");
        }
        line.trim_end().trim_start_matches("action=").to_owned()
    }

    fn ask(&mut self, attributes: &[(&str, &str)]) -> String {
        self.send(request(attributes));
        self.action()
    }
}

#[test]
fn each_decision_is_an_action_of_postfix() {
    let (daemon, _folder) = daemon("--strikes-to-limit 100 --strikes-to-block 1000");
    let mut postfix = Asking::open(&daemon);
    let prohibited = "550 5.7.1 relaying is prohibited";
    let rows: [(&[(&str, &str)], &str); 19] = [
        (&[("recipient", "user@example.test")], "DUNNO"),
        (&[("recipient", "USER@EXAMPLE.TEST")], "DUNNO"),
        (&[("recipient", "postmaster")], "DUNNO"),
        (&[("recipient", "nobody@example.test")], "550 5.1.1 unknown recipient"),
        (&[("recipient", "victim@elsewhere.example")], prohibited),
        (&[("recipient", "victim%elsewhere.example@example.test")], prohibited),
        // Postfix takes the quotes away.
        (&[("recipient", "victim@elsewhere.example@example.test")], prohibited),
        (&[("recipient", "sales%emea@example.test")], "DUNNO"),
        (&[("recipient", "user")], "501 5.1.3 domain is missing"),
        (&[("recipient", "user@example.test.")], "501 5.1.3 domain ends with a dot"),
        (&[("recipient", "user\u{1}@example.test")], "501 5.1.3 path has a control character"),
        (&[("recipient", "victim@elsewhere.example"), ("client_address", "10.1.2.3")], "OK"),
        (&[("recipient", "victim@elsewhere.example"), ("client_address", "::ffff:10.1.2.3")], "OK"),
        (&[("recipient", "victim@elsewhere.example"), ("sasl_username", "alice")], "OK"),
        // Whom Postfix trusts to sign certificates says nothing of who may relay.
        (&[("recipient", "victim@elsewhere.example"), ("ccert_subject", "host.example")], prohibited),
        // A sender of ours proves nothing.
        (&[("recipient", "victim@elsewhere.example"), ("sender", "user@example.test")], prohibited),
        (&[("recipient", "victim@elsewhere.example"), ("sender", "")], prohibited),
        (&[("protocol_state", "MAIL"), ("recipient", "")], "DUNNO"),
        (&[("protocol_state", "END-OF-MESSAGE"), ("recipient", "victim@elsewhere.example")], "DUNNO"),
    ];
    for (attributes, action) in rows {
        assert_eq!(postfix.ask(attributes), action, "{attributes:?}");
    }
    // Requests that come together are answered in their order.
    postfix.send(
        request(&[("recipient", "user@example.test")]) + &request(&[("recipient", "nobody@example.test")]),
    );
    assert_eq!((postfix.action(), postfix.action()), ("DUNNO".into(), "550 5.1.1 unknown recipient".into()));
}

#[test]
fn a_certificate_grants_by_a_name_that_is_listed_alone() {
    let (daemon, _folder) =
        daemon("--strikes-to-limit 100 --strikes-to-block 1000 --tls-client-name host.example");
    let mut postfix = Asking::open(&daemon);
    let outside = ("recipient", "victim@elsewhere.example");
    assert_eq!(postfix.ask(&[outside, ("ccert_subject", "host.example")]), "OK");
    assert_eq!(postfix.ask(&[outside, ("ccert_subject", "Host+2Eexample")]), "OK");
    assert!(postfix.ask(&[outside, ("ccert_subject", "other.example")]).starts_with("550 5.7.1"));
}

#[test]
fn who_authenticates_at_postfix_is_served_whatever_else_sends_from_its_address() {
    let (daemon, _folder) = daemon("--strikes-to-limit 2 --strikes-to-block 3");
    let mut postfix = Asking::open(&daemon);
    let outside = ("recipient", "victim@elsewhere.example");
    for instance in ["1", "2", "3"] {
        postfix.ask(&[outside, ("instance", instance)]);
    }
    let blocked = postfix.ask(&[("recipient", "user@example.test"), ("instance", "4")]);
    assert!(blocked.starts_with("421 4.7.0"), "{blocked}");
    assert_eq!(postfix.ask(&[outside, ("instance", "5"), ("sasl_username", "bob")]), "OK");
    assert_eq!(postfix.ask(&[("recipient", "user@example.test"), ("instance", "6")]), "DUNNO");
}

#[test]
fn restrictions_and_narrowed_grants_hold_here_too() {
    let (daemon, folder) = daemon(
        "--strikes-to-limit 100 --strikes-to-block 1000 --relay-internal-address 192.0.2.99:587 \
         --never-relay 10.6.6.0/24 --catch-all example.test",
    );
    let mut postfix = Asking::open(&daemon);
    let outside = ("recipient", "victim@elsewhere.example");
    assert_eq!(postfix.ask(&[outside, ("server_address", "192.0.2.99"), ("server_port", "587")]), "OK");
    assert!(postfix.ask(&[outside, ("server_address", "192.0.2.99")]).starts_with("550 5.7.1"));
    assert!(
        postfix
            .ask(&[outside, ("client_address", "10.6.6.6"), ("sasl_username", "alice")])
            .starts_with("550")
    );
    assert_eq!(postfix.ask(&[("recipient", "anyone@example.test")]), "DUNNO");
    drop(folder);
}

#[test]
fn strikes_limit_then_block_and_who_is_blocked_is_hung_up_on() {
    let (daemon, _folder) = daemon("--strikes-to-limit 2 --strikes-to-block 4 --limit-rate 1/h");
    let mut postfix = Asking::open(&daemon);
    let mut attempt =
        |instance: &str| postfix.ask(&[("recipient", "victim@elsewhere.example"), ("instance", instance)]);
    assert!((0..3).all(|_| attempt("1") == "550 5.7.1 relaying is prohibited"));
    assert_eq!(attempt("1"), "521 5.7.1 relaying is prohibited", "the strike that blocks");
    assert_eq!(attempt("2"), "421 4.7.0 your address is blocked for its offences");
    // Nobody else is.
    assert_eq!(
        postfix.ask(&[("recipient", "user@example.test"), ("client_address", "203.0.113.10")]),
        "DUNNO"
    );
    // Who may relay earns no strikes.
    for _ in 0..10 {
        let told = postfix.ask(&[("recipient", "nobody@example.test"), ("client_address", "10.1.2.3")]);
        assert_eq!(told, "550 5.1.1 unknown recipient");
    }
    daemon.logged("peer sanctioned");
}

#[test]
fn what_makes_no_sense_is_deferred_and_hung_up_on() {
    let (daemon, _folder) = daemon("");
    for nonsense in [
        "\n".to_owned(),
        "request=junk\n\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        request(&[("recipient", "user@example.test"), ("client_address", "unknown")]),
        request(&[]),
        format!("sender=x\n{}", request(&[("recipient", "user@example.test")])),
        "a=b\n".repeat(1000),
        "x".repeat(100_000),
    ] {
        let mut postfix = Asking::open(&daemon);
        // It may hang up before it has read everything.
        let _ = postfix.0.get_mut().write_all(nonsense.as_bytes());
        let action = postfix.action();
        let shown: String = nonsense.chars().take(60).collect();
        assert!(action.is_empty() || action.starts_with("DEFER_IF_PERMIT 4.3.5 "), "{shown:?}: {action}");
        assert_eq!(postfix.action(), "", "{shown:?}: it goes on");
    }
    daemon.logged("a policy request could not be answered");
    let mut postfix = Asking::open(&daemon);
    postfix.send("request=smtpd_access_policy\n");
    drop(postfix);
    assert_eq!(
        Asking::open(&daemon).ask(&[("recipient", "user@example.test")]),
        "DUNNO",
        "it goes on serving"
    );
}

#[test]
fn a_directory_that_cannot_say_is_try_later() {
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let nowhere = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let folder = tempfile::tempdir().unwrap();
    let config = file(
        folder.path(),
        "relaygate.toml",
        &format!("local-domain = \"example.test\"\ndirectory = \"socketmap:inet:{nowhere} name=x\"\n"),
    );
    let daemon = Daemon::start_policy(at, &format!("--config {}", config.display()));
    let told = Asking::open(&daemon).ask(&[("recipient", "user@example.test")]);
    assert_eq!(told, "451 4.3.0 directory is not available, try again later");
}

#[test]
fn the_daemon_that_serves_clients_answers_postfix_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("policy");
    let daemon = Daemon::start(&format!(
        "--backend sink: --local-domain example.test --policy-listen unix:{} --strikes-to-limit 1 --strikes-to-block 2",
        socket.display()
    ));
    let mut postfix = Asking(BufReader::new(UnixStream::connect(&socket).unwrap()));
    assert_eq!(postfix.ask(&[("recipient", "user@example.test")]), "DUNNO");
    // Both have one register: who offends at Postfix is blocked here.
    let offend = [("recipient", "victim@elsewhere.example"), ("client_address", "127.0.0.1")];
    assert!(postfix.ask(&offend).starts_with("550"));
    assert!(postfix.ask(&offend).starts_with("521"));
    assert_eq!(crate::dialogue::Dialogue::first_reply(daemon.address), "", "a blocked peer gets no banner");
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    assert!(!socket.exists(), "the socket is gone with who listened at it");
}

#[test]
fn each_subcommand_says_what_it_lacks() {
    for (arguments, lacks) in [
        (&["policy", "--backend", "sink:"][..], "no policy-listen is set"),
        (&["run", "--policy-listen", "inet:127.0.0.1:1"], "no backend is set"),
        (&["policy", "--policy-listen", "inet:localhost:1"], "expected inet: and an IP address and port"),
        (
            &["policy", "--policy-listen", "unix:/nowhere/at/all"],
            "policy-listen = unix:/nowhere/at/all: cannot listen",
        ),
    ] {
        let output = run_to_end(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(lacks), "{arguments:?}: {said}");
    }
}
