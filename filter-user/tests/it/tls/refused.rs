//! Clients that do it wrong: no TLS where it must come, nothing at all, too slowly, too early. None of it is taken for
//! SMTP, and none keeps its session.

use std::io::Read;
use std::time::{Duration, Instant};

use super::Scene;
use super::s_client::look;
use crate::daemon::{Daemon, eventually, free_port, metric};
use crate::dialogue::Dialogue;

/// Behind the 220 of STARTTLS.
fn started(scene: &Scene) -> Dialogue {
    let mut dialogue = Dialogue::open(scene.daemon.address);
    dialogue.expect(&[("EHLO a.example", "250"), ("STARTTLS", "220 2.0.0")]);
    dialogue
}

/// Waits until these series have these values.
fn counted(page: &str, expected: &[(&str, f64)]) {
    let page = page.parse().unwrap();
    eventually(&format!("{expected:?}"), || {
        let text = Daemon::metrics(page);
        expected.iter().all(|(series, value)| metric(&text, series) == *value).then_some(())
    });
}

#[test]
fn what_is_no_handshake_ends_the_session_and_is_never_taken_for_commands() {
    let page = format!("127.0.0.1:{}", free_port());
    let scene =
        Scene::new(&format!("--metrics-listen {page} --strikes-to-limit 1000 --strikes-to-block 2000"));
    let rows: [&[u8]; 6] = [
        b"EHLO a.example\r\nMAIL FROM:<a@far.example>\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff",
        &[0; 70_000],
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ];
    for octets in rows {
        let mut dialogue = started(&scene);
        // It may have hung up in the middle.
        let _ = std::io::Write::write_all(&mut dialogue.stream, octets);
        let _ = dialogue.stream.shutdown(std::net::Shutdown::Write);
        let rest = dialogue.rest();
        assert!(!rest.starts_with(b"2") && !rest.starts_with(b"5"), "{:?}", String::from_utf8_lossy(&rest));
    }
    // Gone in the middle of it.
    drop(started(&scene));
    let failed = f64::from(u32::try_from(rows.len()).unwrap() + 1);
    counted(
        &page,
        &[
            ("relaygate_tls_handshakes_total{outcome=\"failed\"}", failed),
            ("relaygate_sessions_ended_total{reason=\"tls_failed\"}", failed),
            ("relaygate_sessions_open", 0.0),
        ],
    );
    scene.daemon.logged("TLS handshake failed");
    assert!(look(scene.daemon.address, &[]).contains("New, TLSv1.3"));
}

/// CVE-2011-0411 and its kin: what was sent in the clear must not be taken for what is sent under TLS.
#[test]
fn octets_in_the_clear_behind_starttls_are_an_offence() {
    let page = format!("127.0.0.1:{}", free_port());
    let scene = Scene::new(&format!("--metrics-listen {page}"));
    let mut dialogue = Dialogue::open(scene.daemon.address);
    dialogue.expect(&[("EHLO a.example", "250")]);
    dialogue.send("STARTTLS\r\nMAIL FROM:<injected@far.example>\r\n");
    assert!(dialogue.reply().starts_with("220 2.0.0"));
    let reply = dialogue.reply();
    assert!(reply.starts_with("554 5.5.1"), "{reply}");
    assert_eq!(dialogue.rest(), b"");
    counted(
        &page,
        &[
            ("relaygate_sessions_ended_total{reason=\"talk_before_tls\"}", 1.0),
            ("relaygate_strikes_total{kind=\"protocol_abuse\"}", 1.0),
            ("relaygate_tls_handshakes_total", 0.0),
        ],
    );
}

#[test]
fn a_slow_handshake_is_ended() {
    let page = format!("127.0.0.1:{}", free_port());
    let scene = Scene::new(&format!("--metrics-listen {page} --tls-handshake-timeout 300ms"));
    let began = Instant::now();
    let mut silent = started(&scene);
    let mut dripping = started(&scene);
    let record = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for octet in record.iter().cycle().take(40) {
        if std::io::Write::write_all(&mut dripping.stream, &[*octet]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut octets = Vec::new();
    for dialogue in [&mut silent, &mut dripping] {
        // Ended, or reset because it still sent: no word in the clear in any case.
        let _ = dialogue.stream.read_to_end(&mut octets);
    }
    assert_eq!(octets, b"");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    counted(
        &page,
        &[
            ("relaygate_tls_handshakes_total{outcome=\"timed_out\"}", 2.0),
            ("relaygate_timeouts_total{timeout=\"tls_handshake\"}", 2.0),
            ("relaygate_sessions_open", 0.0),
        ],
    );
}

/// CVE-2011-0411: what somebody put behind STARTTLS, to have it taken as said over TLS.
#[test]
fn words_behind_starttls_end_the_session() {
    let scene = Scene::new("");
    let mut dialogue = Dialogue::open(scene.daemon.address);
    dialogue.expect(&[("EHLO a.example", "250")]);
    dialogue.send("STARTTLS\r\nMAIL FROM:<a@far.example>\r\n");
    let told = String::from_utf8(dialogue.rest()).unwrap();
    assert_eq!(told, "220 2.0.0 ready for TLS\r\n554 5.5.1 talked before TLS\r\n");
    scene.daemon.logged("TalkBeforeTls");
}
