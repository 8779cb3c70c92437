//! Listeners and whom they are for, over TCP: what an inside one grants, and what a submission one takes.

use crate::daemon::Daemon;
use crate::dialogue::Dialogue;

const RELAY: [(&str, &str); 3] = [
    ("EHLO a.example", "250"),
    ("MAIL FROM:<a@far.example>", "250"),
    ("RCPT TO:<victim@elsewhere.example>", "250 2.1.5"),
];

#[test]
fn who_reaches_an_inside_listener_may_relay_and_who_reaches_another_may_not() {
    let daemon = Daemon::start_with_listeners(
        &["127.0.0.1:0", "127.0.0.1:0 profile=inside"],
        "--backend sink: --local-domain example.test",
    );
    let mut stranger = Dialogue::open(daemon.addresses[0]);
    stranger.expect(&RELAY[..2]);
    assert!(stranger.say(RELAY[2].0).starts_with("550 5.7.1"));
    Dialogue::open(daemon.addresses[1]).expect(&RELAY);
    let line = daemon.logged("recipient accepted");
    assert!(line.contains("internal address"), "{line}");
}

#[test]
fn an_inside_listener_may_listen_everywhere() {
    let daemon = Daemon::start_with_listeners(
        &["0.0.0.0:0", "0.0.0.0:0 profile=inside"],
        "--backend sink: --local-domain example.test",
    );
    let port = |number: usize| std::net::SocketAddr::from(([127, 0, 0, 1], daemon.addresses[number].port()));
    let mut stranger = Dialogue::open(port(0));
    stranger.expect(&RELAY[..2]);
    assert!(stranger.say(RELAY[2].0).starts_with("550 5.7.1"));
    Dialogue::open(port(1)).expect(&RELAY);
}

#[test]
fn the_never_list_wins_over_an_inside_listener() {
    let daemon = Daemon::start_with_listeners(
        &["127.0.0.1:0 profile=inside"],
        "--backend sink: --local-domain example.test --never-relay 127.0.0.0/8",
    );
    let mut client = Dialogue::open(daemon.address);
    client.expect(&RELAY[..2]);
    assert!(client.say(RELAY[2].0).starts_with("550 5.7.1"));
}

#[test]
fn a_submission_listener_takes_nothing_from_who_has_not_authenticated() {
    let daemon = Daemon::start_with_listeners(
        &["127.0.0.1:0 profile=submission"],
        "--backend sink: --local-domain example.test --relay-network 127.0.0.0/8",
    );
    Dialogue::open(daemon.address).expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "530 5.7.0"),
        ("RCPT TO:<user@example.test>", "503"),
        ("QUIT", "221"),
    ]);
}
