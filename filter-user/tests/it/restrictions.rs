//! Who may relay, over TCP: what the policy is told of a connection and of its sender is what they are. The rules have
//! their tables in `decisions`.

use std::net::SocketAddr;

use crate::daemon::{Daemon, file};
use crate::dialogue::Dialogue;

/// Tries to relay from a sender to somewhere else: the beginning of the reply.
fn relayed(address: SocketAddr, from: &str) -> String {
    let mut dialogue = Dialogue::open(address);
    dialogue.expect(&[("EHLO a.example", "250"), (&format!("MAIL FROM:<{from}>"), "250")]);
    let reply = dialogue.say("RCPT TO:<friend@elsewhere.example>");
    dialogue.expect(&[("QUIT", "221")]);
    reply.chars().take(3).collect()
}

#[test]
fn an_internal_address_is_the_one_that_the_client_connected_to() {
    let everywhere = Daemon::start_listening_on(
        "0.0.0.0:0",
        "--backend sink: --local-domain example.test --relay-internal-address 127.0.0.2",
    );
    let port = everywhere.address.port();
    assert_eq!(relayed(SocketAddr::from(([127, 0, 0, 2], port)), "a@example.test"), "250");
    assert_eq!(relayed(SocketAddr::from(([127, 0, 0, 1], port)), "a@example.test"), "550");

    let there = Daemon::start_listening_on(
        "127.0.0.2:0",
        "--backend sink: --local-domain example.test --relay-internal-address 127.0.0.2:1",
    );
    assert_eq!(relayed(there.address, "a@example.test"), "550");
}

#[test]
fn a_client_network_may_be_for_given_senders_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "backend = \"sink:\"\nlocal-domain = \"example.test\"\n\
                    relay-network = [\"127.0.0.0/255.0.0.0 sender-domain=example.test sender-domain=<>\"]\n";
    let path = file(folder.path(), "relaygate.toml", settings);
    let daemon = Daemon::start(&format!("--config {}", path.display()));
    for (from, reply) in [
        ("a@example.test", "250"),
        ("\"a b\"@EXAMPLE.test", "250"),
        ("", "250"),
        ("a@sub.example.test", "550"),
        ("a@else.example", "550"),
    ] {
        assert_eq!(relayed(daemon.address, from), reply, "{from}");
    }
}
