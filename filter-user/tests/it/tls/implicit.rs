//! TLS from the first octet, as on port 465: the banner comes under it, and nothing in the clear.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Scene;
use super::s_client::Client;
use crate::daemon::{Daemon, eventually, free_port, metric, run_to_end};
use crate::dialogue::Dialogue;
use crate::haproxy::Haproxy;

#[test]
fn the_banner_comes_under_tls() {
    for flags in ["", "--greet-delay 200ms"] {
        let scene = Scene::implicit(flags);
        let mut client = Client::open_implicit(scene.daemon.address, &[]);
        let banner = client.reply();
        assert!(banner.starts_with("220 "), "{flags}: {banner}");
        let offer = client.say("EHLO a.example");
        assert!(!offer.contains("STARTTLS"), "{offer}");
        client.expect(&[
            ("STARTTLS", "503"),
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<someone@elsewhere.example>", "550"),
            ("RCPT TO:<user@example.test>", "250"),
            ("DATA", "354"),
        ]);
        client.send("Subject: hello\r\n\r\nhello\r\n.\r\nQUIT\r\n");
        assert!(client.reply().starts_with("250"));
        assert!(client.reply().starts_with("221"));
        assert_eq!(client.reply(), "");
    }
}

#[test]
fn who_talks_before_the_banner_is_an_early_talker_under_tls_too() {
    let scene = Scene::implicit("--greet-delay 2s");
    let mut client = Client::open_implicit(scene.daemon.address, &[]);
    client.send("EHLO a.example\r\n");
    assert!(client.reply().starts_with("554 5.5.1"));
    scene.daemon.logged("EarlyTalker");
}

/// Who speaks SMTP at once, and who waits for a banner, gets no word.
#[test]
fn nothing_is_said_in_the_clear() {
    let page = format!("127.0.0.1:{}", free_port());
    let scene = Scene::implicit(&format!(
        "--metrics-listen {page} --tls-handshake-timeout 500ms --max-sessions-per-peer 1"
    ));
    let mut waits = Dialogue::silent(scene.daemon.address);
    assert_eq!(Dialogue::silent(scene.daemon.address).rest(), b"", "one too many");
    assert_eq!(waits.rest(), b"");

    let mut talks = eventually("a place", || {
        let mut talks = Dialogue::silent(scene.daemon.address);
        talks.send("EHLO a.example\r\n");
        scene.daemon.log().contains("TLS handshake failed").then_some(talks)
    });
    // A TLS alert, which is no text.
    let told = talks.rest();
    assert!(told.is_empty() || told.starts_with(b"\x15\x03"), "{told:?}");
    let page = page.parse().unwrap();
    eventually("the counts", || {
        let text = Daemon::metrics(page);
        let counts = ["failed", "timed_out"].map(|outcome| {
            metric(&text, &format!("relaygate_tls_handshakes_total{{outcome=\"{outcome}\"}}"))
        });
        (counts[0] >= 1.0 && counts[1] == 1.0 && metric(&text, "relaygate_sessions_open") == 0.0)
            .then_some(())
    });
}

#[test]
fn it_needs_a_certificate() {
    let output = run_to_end(&["check", "--backend", "sink:", "--listen", "127.0.0.1:465 tls=implicit"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("tls=implicit needs a certificate"), "{told}");
}

/// Sessions that shake hands are let go at once when the daemon stops, those that are idle are told.
#[test]
fn a_stop_waits_for_no_handshake() {
    let scene = Scene::implicit("--drain-timeout 10s");
    let mut idle = Client::open_implicit(scene.daemon.address, &[]);
    assert!(idle.reply().starts_with("220"));
    let mut shaking = Dialogue::silent(scene.daemon.address);
    shaking.send(b"\x16\x03\x01");
    let began = std::time::Instant::now();
    let (status, _) = scene.daemon.stop();
    assert!(status.success());
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(shaking.rest(), b"");
    assert!(idle.reply().starts_with("421"));
}

/// A balancer's PROXY header comes before the handshake, in the clear; the session is its client's all the same.
#[test]
fn behind_a_balancer_the_handshake_comes_after_the_header() {
    for how in ["send-proxy", "send-proxy-v2"] {
        let scene = Scene::implicit("--proxy-protocol-from 127.0.0.1");
        let front = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let _haproxy = Haproxy::start(front, scene.daemon.address, how);
        eventually("HAProxy", || TcpStream::connect(front).ok());
        let mut client = Client::open_implicit(front, &["-bind", "127.0.0.88:0"]);
        let banner = client.reply();
        assert!(banner.starts_with("220 "), "{how}: {banner}");
        client.expect(&[
            ("EHLO a.example", "250"),
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<someone@elsewhere.example>", "550"),
            ("QUIT", "221"),
        ]);
        let line = scene.daemon.logged("recipient refused");
        assert!(line.contains("\"peer\":\"127.0.0.88\""), "{line}");
    }
}
