//! Connections to the backend from the client's own address, with the routing that docs/transparent.md has: a real Postfix
//! that takes no XCLIENT sees who the client is, on another host and on the same one.

use std::net::SocketAddr;

use crate::daemon::{Daemon, eventually};
use crate::dialogue::Dialogue;
use crate::netns::Namespace;
use crate::postfix::Postfix;

/// What the page says of relaygate's host, for both families of addresses and this port of the backend.
fn take_answers_for_local(host: &Namespace, interface: &str, backends: [&str; 2], port: u16) {
    let [v4, v6] = backends;
    for rule in [
        format!("rule add iif {interface} from {v4} ipproto tcp sport {port} lookup 100"),
        "route add local default dev lo table 100".to_owned(),
        format!("-6 rule add iif {interface} from {v6} ipproto tcp sport {port} lookup 100"),
        "-6 route add local ::/0 dev lo table 100".to_owned(),
    ] {
        host.ip(&rule);
    }
}

/// A client of this family, and the address that relaygate has for it.
fn clients() -> [(&'static str, SocketAddr); 2] {
    [
        ("192.0.2.77", SocketAddr::from(([192, 0, 2, 1], 25))),
        ("2001:db8::77", SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 25))),
    ]
}

/// Sends a message from the client to relaygate, and waits until Postfix says whose it was.
fn deliver(client: &Namespace, relaygate: SocketAddr, postfix: &Postfix, address: &str, count: usize) {
    client.run(move || {
        let mut dialogue = Dialogue::open(relaygate);
        dialogue.expect(&[
            ("EHLO client.example", "250"),
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<user@example.test>", "250"),
            ("DATA", "354"),
        ]);
        dialogue.send("Subject: transparent\r\n\r\nhello\r\n.\r\n");
        let reply = dialogue.reply();
        assert!(reply.starts_with("250"), "{reply}");
        dialogue.expect(&[("QUIT", "221")]);
    });
    eventually("the delivery", || (postfix.delivered().len() == count).then_some(()));
    let log = postfix.log();
    let family = if address.contains(':') { "IPv6:" } else { "" };
    let received = format!("Received: from client.example (unknown [{family}{address}])");
    assert!(log.contains(&format!("client=unknown[{address}]")), "{log}");
    let messages: Vec<_> =
        postfix.delivered().iter().map(|m| String::from_utf8_lossy(m).into_owned()).collect();
    assert!(messages.iter().any(|message| message.contains(&received)), "{received}\n{messages:?}");
}

fn world() -> (Namespace, Namespace) {
    let (client, edge) = (Namespace::new(), Namespace::new());
    client.link(
        "out",
        &["192.0.2.77/24", "2001:db8::77/64"],
        &edge,
        "in",
        &["192.0.2.1/24", "2001:db8::1/64"],
    );
    (client, edge)
}

fn relaygate(edge: &Namespace, backends: &str) -> Daemon {
    let flags = format!(
        "{backends} --local-domain example.test --backend-client-address transparent --listen [2001:db8::1]:25 \
         --backend-dial-timeout 5s"
    );
    edge.run(move || Daemon::start_listening_on("192.0.2.1:25", &flags))
}

#[test]
fn a_backend_on_another_host_sees_the_clients_address() {
    let ((client, edge), inside) = (world(), Namespace::new());
    edge.link("mail", &["10.0.0.1/24", "fd00::1/64"], &inside, "edge", &["10.0.0.2/24", "fd00::2/64"]);
    inside.ip("route add default via 10.0.0.1");
    inside.ip("-6 route add default via fd00::1");
    take_answers_for_local(&edge, "mail", ["10.0.0.2", "fd00::2"], 25);
    let [v4, v6] = [[10, 0, 0, 2].into(), [0xfd00u16, 0, 0, 0, 0, 0, 0, 2].into()]
        .map(|ip: std::net::IpAddr| inside.run(move || Postfix::proper_at(SocketAddr::new(ip, 25))));
    let daemon = relaygate(&edge, "--backend 10.0.0.2:25 --backend [fd00::2]:25");
    for ((address, at), postfix) in clients().into_iter().zip([&v4, &v6]) {
        for count in 1..=2 {
            deliver(&client, at, postfix, address, count);
        }
    }
    drop(daemon);
}

#[test]
fn a_backend_on_the_same_host_sees_the_clients_address() {
    let (client, edge) = world();
    take_answers_for_local(&edge, "lo", ["192.0.2.1", "2001:db8::1"], 2526);
    let postfix = edge.run(|| Postfix::proper_at(SocketAddr::from(([192, 0, 2, 1], 2526))));
    let daemon = relaygate(&edge, "--backend 192.0.2.1:2526");
    let [(v4, at), (_, at_v6)] = clients();
    deliver(&client, at, &postfix, v4, 1);
    // A client of the other family is told to come later: it would be taken for relaygate itself.
    client.run(move || {
        let mut dialogue = Dialogue::open(at_v6);
        dialogue.expect(&[
            ("EHLO client.example", "250"),
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<user@example.test>", "451 4.4.1"),
        ]);
    });
    daemon.logged("has no address of that family");
}

#[test]
fn without_the_privilege_the_start_says_what_is_missing() {
    let output = std::process::Command::new("setpriv")
        .args(["--inh-caps=-all", "--bounding-set=-all", env!("CARGO_BIN_EXE_relaygate"), "run"])
        .args(["--listen", "127.0.0.1:0", "--backend", "127.0.0.1:1"])
        .args(["--backend-client-address", "transparent"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("needs CAP_NET_RAW or CAP_NET_ADMIN"), "{said}");
}
