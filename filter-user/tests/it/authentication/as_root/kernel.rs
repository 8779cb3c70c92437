//! Who has authenticated is known to the kernel: its packets pass, whatever else is sent from its
//! address.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::base64;
use crate::daemon::{Daemon, eventually, file, metric};
use crate::dialogue::Dialogue;
use crate::netns::Namespace;

const SERVER: &str = "192.0.2.1:25";
const METRICS: &str = "127.0.0.1:9025";
const CLIENT: &str = "192.0.2.66:0";

/// `secret`, hashed with little work.
const PASSWORDS: &str = "user:$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2\n";

/// A connection from the client's address, with its first reply; nothing where it does not come about.
fn connect(outside: &Namespace) -> Option<Dialogue> {
    outside.run(|| {
        let to: SocketAddr = SERVER.parse().unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&CLIENT.parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.connect_timeout(&to.into(), Duration::from_millis(500)).ok()?;
        let mut dialogue = Dialogue::over(socket.into());
        dialogue.reply().starts_with("220 ").then_some(dialogue)
    })
}

/// Packets that the kernel let through because their host has authenticated.
fn passed_authenticated(edge: &Namespace) -> f64 {
    let page = edge.run(|| Daemon::metrics(METRICS.parse().unwrap()));
    metric(&page, "relaygate_kernel_packets_total{counter=\"passed_authenticated\"}")
}

#[test]
fn who_authenticates_is_let_in_by_the_kernel_whatever_its_neighbours_do() {
    let (edge, outside) = (Namespace::new(), Namespace::new());
    edge.link("e0", &["192.0.2.1/24"], &outside, "p0", &["192.0.2.66/24"]);
    let folder = tempfile::tempdir().unwrap();
    let passwords = file(folder.path(), "passwords", PASSWORDS);
    let flags = format!(
        "--backend sink: --local-domain example.test --interface e0 --workers 1 --strikes-to-limit 2 \
         --strikes-to-block 4 --auth file:{} --auth-without-tls 192.0.2.0/24 --auth-failure-delay 0s --metrics-listen {METRICS}",
        passwords.display()
    );
    let daemon = edge.run(move || Daemon::start_listening_on(SERVER, &flags));
    daemon.logged("sanctions are enforced in the kernel");

    let mut user = connect(&outside).expect("a stranger gets in");
    assert_eq!(passed_authenticated(&edge), 0.0);
    let plain = format!("AUTH PLAIN {}", base64("\0user\0secret"));
    user.expect(&[("EHLO user.example", "250"), (&plain, "235 2.7.0")]);
    eventually("a packet that passes for it", || {
        user.expect(&[("NOOP", "250")]);
        (passed_authenticated(&edge) > 0.0).then_some(())
    });

    // Somebody else behind the same address tries to relay, more often than would block.
    let mut neighbour = connect(&outside).expect("its neighbour gets in");
    neighbour.expect(&[("EHLO neighbour.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    for _ in 0..12 {
        neighbour.expect(&[("RCPT TO:<someone@elsewhere.example>", "550 5.7.1")]);
    }
    assert!((0..5).all(|_| connect(&outside).is_some()), "nobody is locked out");
    user.expect(&[("MAIL FROM:<user@example.test>", "250"), ("RCPT TO:<someone@elsewhere.example>", "250")]);
}
