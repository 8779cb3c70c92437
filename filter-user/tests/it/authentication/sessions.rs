//! A session that authenticates with a password file: what it is offered, what follows from each outcome.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use smtp_load::sink::SinkBehaviour;

use super::base64;
use crate::backend_faults::sink;
use crate::daemon::{Daemon, eventually, file, free_port, metric, relaygate};
use crate::dialogue::Dialogue;

/// `secret`, hashed with little work.
const HASH: &str = "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2";

fn passwords(folder: &Path) -> PathBuf {
    file(folder, "passwords", &format!("user:{HASH}\n"))
}

fn daemon(passwords: &Path, flags: &str) -> Daemon {
    Daemon::start(&format!(
        "--backend sink: --local-domain example.test --workers 1 --auth file:{} --auth-without-tls 127.0.0.0/8 {flags}",
        passwords.display()
    ))
}

fn greeted(daemon: &Daemon) -> Dialogue {
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO client.example", "250")]);
    dialogue
}

fn plain(login: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", base64(&format!("\0{login}\0{password}")))
}

const RELAY: [(&str, &str); 2] =
    [("MAIL FROM:<user@example.test>", "250"), ("RCPT TO:<someone@elsewhere.example>", "250")];

#[test]
fn who_authenticates_may_relay_and_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&passwords(folder.path()), "");
    let mut dialogue = Dialogue::open(daemon.address);
    let ehlo = dialogue.say("EHLO client.example");
    assert!(ehlo.contains("250-AUTH PLAIN LOGIN\r\n"), "the file has no SCRAM verifier: {ehlo}");
    dialogue.expect(&[
        ("MAIL FROM:<user@example.test>", "250"),
        ("RCPT TO:<someone@elsewhere.example>", "550 5.7.1 relaying is prohibited"),
        ("RSET", "250"),
        (&plain("user", "secret"), "235 2.7.0"),
        (&plain("user", "secret"), "503 5.5.1"),
    ]);
    dialogue.expect(&RELAY);

    let mut dialogue = greeted(&daemon);
    dialogue.expect(&[
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        (&base64("user"), "334 UGFzc3dvcmQ6"),
        (&base64("secret"), "235 2.7.0"),
    ]);
    dialogue.expect(&RELAY);

    let mut stranger = greeted(&daemon);
    stranger.expect(&[RELAY[0], (RELAY[1].0, "550 5.7.1 relaying is prohibited")]);
}

#[test]
fn who_fails_waits_earns_a_strike_and_has_so_many_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let flags = format!("--auth-failure-delay 300ms --max-auth-attempts 2 --metrics-listen 127.0.0.1:{port}");
    let daemon = daemon(&passwords(folder.path()), &flags);
    let mut dialogue = greeted(&daemon);
    let began = Instant::now();
    dialogue.expect(&[(&plain("user", "wrong"), "535 5.7.8")]);
    assert!(began.elapsed() >= Duration::from_millis(300));
    let other = Instant::now();
    greeted(&daemon).expect(&[("NOOP", "250")]);
    assert!(other.elapsed() < Duration::from_secs(5), "nobody else waits");
    dialogue.expect(&[(&plain("nobody", "secret"), "535 5.7.8")]);
    assert!(dialogue.reply().starts_with("421 4.7.0 too many failed attempts"));
    assert_eq!(dialogue.reply(), "");

    let page = Daemon::metrics(format!("127.0.0.1:{port}").parse().unwrap());
    let failed = "relaygate_auth_attempts_total{mechanism=\"PLAIN\",outcome=\"failed\"}";
    assert_eq!(metric(&page, failed), 2.0, "{page}");
    assert_eq!(metric(&page, "relaygate_strikes_total{kind=\"failed_auth\"}"), 2.0, "{page}");
}

#[test]
fn who_fails_often_enough_is_blocked_and_who_succeeds_is_forgiven() {
    let folder = tempfile::tempdir().unwrap();
    let flags = "--auth-failure-delay 0s --max-auth-attempts 1000 --strikes-to-limit 2 --strikes-to-block 4 \
                 --strike-weight-failed-auth 1";
    let daemon = daemon(&passwords(folder.path()), flags);
    let mut dialogue = greeted(&daemon);
    for _ in 0..3 {
        dialogue.expect(&[(&plain("user", "wrong"), "535 5.7.8")]);
    }
    dialogue.expect(&[(&plain("user", "secret"), "235 2.7.0")]);
    let mut again = greeted(&daemon);
    for _ in 0..10 {
        again.expect(&[(&plain("user", "wrong"), "535 5.7.8")]);
    }
    daemon.logged("authenticated");

    let never = "--authenticated-for 1ms --auth-failure-delay 0s --max-auth-attempts 1000 --strikes-to-limit 2 \
                 --strikes-to-block 4 --strike-weight-failed-auth 1";
    let daemon = self::daemon(&passwords(folder.path()), never);
    let mut guesser = greeted(&daemon);
    let refused = (0..10).take_while(|_| guesser.try_say(&plain("user", "wrong")).starts_with("535")).count();
    assert_eq!(refused, 3, "the fourth strike blocks");
    assert_eq!(Dialogue::first_reply(daemon.address), "");
}

#[test]
fn what_is_no_exchange_costs_nothing_but_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&passwords(folder.path()), "--max-auth-attempts 1000 --auth-failure-delay 0s");
    let mut dialogue = greeted(&daemon);
    let long = format!("AUTH PLAIN {}", "A".repeat(1000));
    dialogue.expect(&[
        ("AUTH", "501 5.5.4"),
        ("AUTH CRAM-MD5", "504 5.5.4"),
        ("AUTH XOAUTH2 AAAA", "504 5.5.4"),
        ("AUTH PLAIN not!base64", "501 5.5.2"),
        ("AUTH PLAIN =", "535 5.7.8"),
        ("AUTH PLAIN AAAA", "535 5.7.8"),
        (&long, "535 5.7.8"),
        ("AUTH LOGIN", "334"),
        ("*", "501 5.7.0"),
        ("AUTH LOGIN", "334"),
        ("", "334"),
        ("", "535 5.7.8"),
        ("AUTH PLAIN", "334"),
        ("\0\0\0", "501"),
        (&plain("user", "secret"), "235 2.7.0"),
    ]);
}

#[test]
fn without_tls_nobody_is_asked_and_a_knower_that_is_away_is_no_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let auth = format!("--auth file:{}", passwords(folder.path()).display());
    let flags = "--backend sink: --local-domain example.test --workers 1";
    let in_the_clear = Daemon::start(&format!("{flags} {auth}"));
    let mut dialogue = Dialogue::open(in_the_clear.address);
    assert!(!dialogue.say("EHLO client.example").contains("AUTH"));
    dialogue.expect(&[(&plain("user", "secret"), "502 5.5.1")]);

    let nobody =
        format!("--auth dovecot:unix:{}/nowhere --auth-without-tls 127.0.0.0/8", folder.path().display());
    let away = Daemon::start(&format!("{flags} {nobody}"));
    let mut dialogue = Dialogue::open(away.address);
    assert!(!dialogue.say("EHLO client.example").contains("AUTH"));
    dialogue.expect(&[(&plain("user", "secret"), "454 4.7.0"), ("QUIT", "221")]);
    away.logged("cannot connect to Dovecot");
}

#[test]
fn a_listener_for_submission_takes_mail_from_who_has_authenticated() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let toml = format!(
        "backend = \"sink:\"\nlocal-domain = \"example.test\"\nauth = \"file:{}\"\nauth-without-tls = \"127.0.0.0/8\"\n\
         listen = \"127.0.0.1:{port} profile=submission\"\n",
        passwords(folder.path()).display()
    );
    let config = file(folder.path(), "relaygate.toml", &toml);
    let mut child = relaygate()
        .args(["run", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    eventually("a listener", || std::net::TcpStream::connect(address).ok());
    let mut dialogue = Dialogue::open(address);
    dialogue.expect(&[
        ("EHLO client.example", "250"),
        ("MAIL FROM:<user@example.test>", "530 5.7.0"),
        (&plain("user", "secret"), "235 2.7.0"),
    ]);
    dialogue.expect(&RELAY);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_file_is_read_again_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = passwords(folder.path());
    let daemon = daemon(&path, "--auth-failure-delay 0s --strike-weight-failed-auth 0");
    greeted(&daemon).expect(&[(&plain("second", "secret"), "535 5.7.8")]);
    let mut text = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    writeln!(text, "second:{HASH}").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.logged("passwords reloaded");
    greeted(&daemon).expect(&[(&plain("second", "secret"), "235 2.7.0")]);

    writeln!(text, "third:secret").unwrap();
    daemon.signal(Signal::SIGHUP);
    let line = daemon.logged("password file not reloaded");
    assert!(line.contains("line 3") && !line.contains("secret"), "{line}");
    greeted(&daemon).expect(&[(&plain("second", "secret"), "235 2.7.0")]);
}

#[test]
fn no_secret_reaches_the_log_or_a_core_file() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&passwords(folder.path()), "--log-level trace --auth-failure-delay 0s");
    let mut dialogue = greeted(&daemon);
    let guess = plain("user", "Tr0ub4dor");
    dialogue.expect(&[
        (&guess, "535 5.7.8"),
        ("AUTH LOGIN", "334"),
        (&base64("user"), "334"),
        (&base64("Tr0ub4dor"), "535"),
    ]);
    let line = daemon.logged("not authenticated");
    assert!(line.contains("\"login\":\"user\"") && line.contains("\"mechanism\":\"PLAIN\""), "{line}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let (_, log) = daemon.stop();
    for secret in ["Tr0ub4dor", &guess["AUTH PLAIN ".len()..], &base64("Tr0ub4dor")] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn who_has_an_account_cannot_guess_at_others_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(
        &passwords(folder.path()),
        "--auth-failure-delay 0s --max-auth-attempts 1000 --max-auth-attempts-per-peer 5 --strikes-to-limit 2",
    );
    greeted(&daemon).expect(&[(&plain("user", "secret"), "235 2.7.0")]);
    let mut guesser = greeted(&daemon);
    for _ in 0..5 {
        guesser.expect(&[(&plain("other", "guess"), "535 5.7.8")]);
    }
    guesser.expect(&[(&plain("other", "guess"), "454 4.7.0"), (&plain("user", "secret"), "454 4.7.0")]);
    // Its host is authenticated all the same: it is served.
    greeted(&daemon).expect(&[("NOOP", "250")]);
}

/// A connection to the backend is kept from one message to the next, and says who the client is when it begins.
#[test]
fn the_backend_is_told_of_a_login_and_of_a_name_that_came_later() {
    let mut behaviour = SinkBehaviour::keeping();
    behaviour.xclient.push("LOGIN".to_owned());
    let (backend, counts) = sink(behaviour);
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&format!(
        "--backend {backend} --local-domain example.test --auth file:{} --auth-without-tls 127.0.0.0/8",
        passwords(folder.path()).display()
    ));
    let mut dialogue = Dialogue::open(daemon.address);
    let deliver = |dialogue: &mut Dialogue| {
        dialogue.expect(&[
            ("MAIL FROM:<user@example.test>", "250"),
            ("RCPT TO:<user@example.test>", "250"),
            ("DATA", "354"),
            ("Subject: hello\r\n\r\nhello\r\n.", "250"),
        ]);
    };
    dialogue.expect(&[("HELO one.example", "250")]);
    deliver(&mut dialogue);
    dialogue.expect(&[("EHLO one.example", "250")]);
    deliver(&mut dialogue);
    dialogue.expect(&[("EHLO two.example", "250")]);
    deliver(&mut dialogue);
    dialogue.expect(&[("EHLO two.example", "250"), (&plain("user", "secret"), "235 2.7.0")]);
    deliver(&mut dialogue);
    deliver(&mut dialogue);
    let told: Vec<_> = counts
        .kept()
        .iter()
        .map(|message| ["PROTO", "HELO", "LOGIN"].map(|name| message.xclient.get(name).cloned()))
        .collect();
    let as_told = |words: [&str; 3]| words.map(|word| (!word.is_empty()).then(|| word.to_owned()));
    let expected = [
        ["SMTP", "one.example", ""],
        ["ESMTP", "one.example", ""],
        ["ESMTP", "two.example", ""],
        ["ESMTP", "two.example", "user"],
        ["ESMTP", "two.example", "user"],
    ];
    assert_eq!(told, expected.map(as_told));
    assert_eq!(counts.sessions(), 5, "the daemon's own look, and a connection for each that it was told of");
}
