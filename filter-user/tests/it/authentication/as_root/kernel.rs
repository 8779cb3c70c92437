//! Who has authenticated is in the kernel's map of authenticated hosts: its packets pass, whatever else is sent from its
//! address.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::super::base64;
use crate::daemon::{Daemon, eventually, file};
use crate::dialogue::Dialogue;
use crate::netns::Namespace;

const SERVER: &str = "192.0.2.1:25";
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

/// Whether a map of authenticated hosts in this kernel has the client; other tests have maps of that name too.
fn is_in_a_map() -> bool {
    let listed =
        Command::new("bpftool").args(["-j", "map", "show", "name", "AUTHENTICATED"]).output().unwrap();
    let maps: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let maps = maps.as_array().cloned().unwrap_or_else(|| vec![maps]);
    maps.iter().filter_map(|map| map["id"].as_u64()).any(|id| {
        let dump =
            Command::new("bpftool").args(["-j", "map", "dump", "id", &id.to_string()]).output().unwrap();
        // As bpftool shows the key: an IPv4 address, mapped into an IPv6 one.
        let text = String::from_utf8_lossy(&dump.stdout).replace("\"0x", "\"");
        text.contains(r#""ff","ff","c0","00","02","42""#)
    })
}

#[test]
fn who_authenticates_is_let_in_by_the_kernel_whatever_its_neighbours_do() {
    let (edge, outside) = (Namespace::new(), Namespace::new());
    edge.link("e0", &["192.0.2.1/24"], &outside, "p0", &["192.0.2.66/24"]);
    let folder = tempfile::tempdir().unwrap();
    let passwords = file(folder.path(), "passwords", PASSWORDS);
    let flags = format!(
        "--backend sink: --local-domain example.test --interface e0 --workers 1 --strikes-to-limit 2 \
         --strikes-to-block 4 --auth file:{} --auth-without-tls 192.0.2.0/24 --auth-failure-delay 0s",
        passwords.display()
    );
    let daemon = edge.run(move || Daemon::start_listening_on(SERVER, &flags));
    daemon.logged("sanctions are enforced in the kernel");
    assert!(!is_in_a_map());

    let mut user = connect(&outside).expect("a stranger gets in");
    let plain = format!("AUTH PLAIN {}", base64("\0user\0secret"));
    user.expect(&[("EHLO user.example", "250"), (&plain, "235 2.7.0")]);
    eventually("the host in the kernel's map", || is_in_a_map().then_some(()));

    // Somebody else behind the same address tries to relay, more often than would block.
    let mut neighbour = connect(&outside).expect("its neighbour gets in");
    neighbour.expect(&[("EHLO neighbour.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    for _ in 0..12 {
        neighbour.expect(&[("RCPT TO:<someone@elsewhere.example>", "550 5.7.1")]);
    }
    assert!((0..5).all(|_| connect(&outside).is_some()), "nobody is locked out");
    user.expect(&[("MAIL FROM:<user@example.test>", "250"), ("RCPT TO:<someone@elsewhere.example>", "250")]);
}
