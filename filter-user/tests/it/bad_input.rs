//! Bad input, from the command line, from files and from the network: a clear answer, and the daemon goes on.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, eventually, file, run_to_end};
use crate::dialogue::Dialogue;

/// What a start that must fail says.
fn refusal(arguments: &[&str]) -> String {
    let output = run_to_end(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} is accepted: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

const FLAGS: &str = "--backend sink: --local-domain example.test";

#[test]
fn an_unknown_flag_names_the_nearest() {
    assert_says(
        &refusal(&["run", "--backend", "sink:", "--strikes-to-blok", "3"]),
        &["--strikes-to-blok", "--strikes-to-block"],
    );
}

#[test]
fn an_unknown_key_names_line_and_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "relaygate.toml", "backend = \"sink:\"\n\nblock-fro = \"5m\"\n");
    assert_says(
        &refusal(&["run", "--config", path.to_str().unwrap()]),
        &["relaygate.toml:3", "block-fro", "block-for"],
    );
}

#[test]
fn no_backend_says_so() {
    assert_says(&refusal(&["run", "--local-domain", "example.test"]), &["--backend", "sink:"]);
}

#[test]
fn a_mailbox_file_that_is_not_there_or_malformed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let arguments = |path: &str| {
        ["run", "--backend", "sink:", "--local-domain", "example.test", "--mailboxes", path]
            .map(str::to_owned)
    };
    let said =
        |path: &std::path::Path| refusal(&arguments(path.to_str().unwrap()).each_ref().map(String::as_str));
    assert_says(&said(&missing), &["nowhere", "No such file"]);
    let malformed = file(folder.path(), "mailboxes", "user\n# a comment\nuser@@example.test\n");
    assert_says(&said(&malformed), &["mailboxes", "3", "user@@example.test"]);
    assert_says(&said(folder.path()), &[folder.path().to_str().unwrap()]);
}

#[test]
fn a_malformed_mailbox_file_at_reload_leaves_the_old_one_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "mailboxes", "user\n");
    let daemon = Daemon::start(&format!("{FLAGS} --mailboxes {}", path.display()));
    let answer = |mailbox: &str| {
        let mut dialogue = Dialogue::open(daemon.address);
        dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
        dialogue.say(&format!("RCPT TO:<{mailbox}@example.test>"))[..3].to_owned()
    };
    assert_eq!((answer("user"), answer("newcomer")), ("250".into(), "550".into()));

    file(folder.path(), "mailboxes", "newcomer\nuser with spaces\n");
    daemon.signal(Signal::SIGHUP);
    let line = daemon.logged("not reloaded");
    assert_says(&line, &["mailboxes", "2", "user with spaces"]);
    assert_eq!((answer("user"), answer("newcomer")), ("250".into(), "550".into()));

    file(folder.path(), "mailboxes", "newcomer\n");
    daemon.signal(Signal::SIGHUP);
    daemon.logged("directories reloaded");
    assert_eq!((answer("user"), answer("newcomer")), ("550".into(), "250".into()));
}

#[test]
fn a_mailbox_file_that_was_emptied_leaves_the_old_one_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "mailboxes", "user\n");
    let daemon = Daemon::start(&format!("{FLAGS} --mailboxes {}", path.display()));
    file(folder.path(), "mailboxes", "");
    daemon.signal(Signal::SIGHUP);
    assert_says(&daemon.logged("not reloaded"), &["mailboxes", "no entries"]);
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<user@example.test>", "250"),
    ]);
}

#[test]
fn nowhere_to_listen_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "relaygate.toml", "backend = \"sink:\"\nlisten = []\n");
    assert_says(&refusal(&["run", "--config", path.to_str().unwrap()]), &["--listen"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_says(
        &refusal(&["run", "--backend", "sink:", "--listen", &address]),
        &[&address, "in use", "--listen"],
    );

    let daemon = Daemon::start(FLAGS);
    let address = daemon.address.to_string();
    assert_says(&refusal(&["run", "--backend", "sink:", "--listen", &address]), &[&address, "in use"]);
    assert_says(
        &refusal(&["run", "--backend", "sink:", "--listen", "127.0.0.1:0", "--metrics-listen", &address]),
        &[&address, "metrics-listen"],
    );
}

#[test]
fn an_unknown_interface_is_named_and_waited_for() {
    let daemon = Daemon::start("--backend sink: --local-domain example.test --interface eth-nowhere");
    let warning = daemon.logged("there is no such network interface now");
    assert!(warning.contains("eth-nowhere") && warning.contains("This host has lo"), "{warning}");
}

/// After whatever was done to it, the daemon serves the next client.
fn assert_serves(daemon: &mut Daemon) {
    assert!(daemon.ended().is_none(), "the daemon has ended");
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<user@example.test>", "250"),
        ("QUIT", "221"),
    ]);
}

/// Strikes would end what these tests are about.
const PATIENT: &str = "--backend sink: --local-domain example.test --strike-weight-protocol-abuse 0 --strike-weight-relay-attempt 0";

#[test]
fn ten_megabytes_without_a_line_end() {
    let mut daemon = Daemon::start(PATIENT);
    let mut dialogue = Dialogue::open(daemon.address);
    let line = vec![b'A'; 10 << 20];
    // The daemon hangs up before it is all sent.
    let _ = dialogue.stream.write_all(&line);
    let said = dialogue.rest();
    assert!(said.is_empty() || said.starts_with(b"500 5.5.2 "), "{}", said.escape_ascii());
    assert_serves(&mut daemon);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 100_000, "a line without an end took memory: {peak}");
}

#[test]
fn a_mebibyte_of_random_octets() {
    let mut daemon = Daemon::start(PATIENT);
    // xorshift: the same octets in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let octets: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(1 << 20)
    .collect();
    for chunk in octets.chunks(64 << 10) {
        let mut dialogue = Dialogue::open(daemon.address);
        let _ = dialogue.stream.write_all(chunk);
        let _ = dialogue.stream.shutdown(std::net::Shutdown::Write);
        let said = dialogue.rest();
        assert!(!said.starts_with(b"2") && !said.starts_with(b"3"), "{}", said.escape_ascii());
    }
    assert_serves(&mut daemon);
}

#[test]
fn nul_in_a_command() {
    let mut daemon = Daemon::start(PATIENT);
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO a.example", "250")]);
    dialogue.send(b"MAIL FROM:<a\0@far.example>\r\n");
    assert!(dialogue.reply().starts_with("50"));
    dialogue.expect(&[("MAIL FROM:<a@far.example>", "250")]);
    dialogue.send(b"RCPT TO:<user@example.test\0.far.example>\r\n");
    assert!(dialogue.reply().starts_with("50"));
    assert_serves(&mut daemon);
}

#[test]
fn a_thousand_pipelined_recipients() {
    let mut daemon = Daemon::start(PATIENT);
    let mut dialogue = Dialogue::open(daemon.address);
    let mut batch = String::from("EHLO a.example\r\nMAIL FROM:<a@far.example>\r\n");
    for number in 0..1000 {
        batch.push_str(&format!("RCPT TO:<user{number}@elsewhere.example>\r\n"));
    }
    let _ = dialogue.stream.write_all(batch.as_bytes());
    let said = String::from_utf8(dialogue.rest()).unwrap();
    let refused = said.lines().filter(|line| line.starts_with("550 5.7.1")).count();
    assert!((1..=100).contains(&refused), "{refused} refusals before the session ended");
    assert!(said.lines().last().unwrap().starts_with("421 4.7.0 too many errors"), "{said}");
    assert_serves(&mut daemon);

    // And a thousand that may pass: the first hundreds are taken, the rest is told to come later.
    let mut dialogue = Dialogue::open(daemon.address);
    let mut batch = String::from("EHLO a.example\r\nMAIL FROM:<a@far.example>\r\n");
    for number in 0..1000 {
        batch.push_str(&format!("RCPT TO:<user{number}@example.test>\r\n"));
    }
    dialogue.send(batch);
    assert!(dialogue.reply().starts_with("250") && dialogue.reply().starts_with("250"));
    let codes: Vec<_> = (0..1000).map(|_| dialogue.reply()[..3].to_owned()).collect();
    let taken = codes.iter().take_while(|code| *code == "250").count();
    assert!(taken >= 100, "{taken}");
    assert!(codes[taken..].iter().all(|code| code == "452" || code == "421" || code.is_empty()), "{codes:?}");
}

#[test]
fn a_peer_that_stops_reading() {
    let mut daemon =
        Daemon::start(&format!("{PATIENT} --write-timeout 1s --max-errors 1000000 --max-commands 1000000"));
    let mut dialogue = Dialogue::open(daemon.address);
    // Replies pile up until neither side takes more; then the write time-out ends it.
    let batch = "HELP\r\n".repeat(10_000);
    let began = Instant::now();
    let error = loop {
        if let Err(error) = dialogue.stream.write_all(batch.as_bytes()) {
            break error;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the daemon takes commands for ever");
    };
    // Not our own patience, which is longer: the daemon has hung up.
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    assert_serves(&mut daemon);
}

#[test]
fn one_octet_at_a_time() {
    let mut daemon = Daemon::start(PATIENT);
    let mut dialogue = Dialogue::open(daemon.address);
    let session = "EHLO a.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<user@elsewhere.example>\r\n\
                   RCPT TO:<user@example.test>\r\nDATA\r\n";
    for octet in session.bytes() {
        dialogue.send([octet]);
    }
    let codes: Vec<_> = (0..5).map(|_| dialogue.reply()[..3].to_owned()).collect();
    assert_eq!(codes, ["250", "250", "550", "250", "354"]);
    for octet in b"Subject: slow\r\n\r\n..\r\nhello\r\n.\r\n" {
        dialogue.send([*octet]);
    }
    assert!(dialogue.reply().starts_with("250"));
    assert_serves(&mut daemon);
}

#[test]
fn who_talks_before_the_banner_is_refused() {
    let daemon = Daemon::start(&format!("{PATIENT} --greet-delay 300ms"));
    let mut dialogue = Dialogue::silent(daemon.address);
    dialogue.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let said = dialogue.reply();
    assert!(said.starts_with("554 5.5.1"), "{said}");
    assert_eq!(dialogue.rest(), b"");
    let mut patient = Dialogue::open(daemon.address);
    patient.expect(&[("EHLO a.example", "250")]);
}

#[test]
fn sessions_are_bounded_in_all_and_for_each_peer() {
    let daemon = Daemon::start(&format!("{PATIENT} --max-sessions 3 --max-sessions-per-peer 2"));
    let first = Dialogue::open(daemon.address);
    let _second = Dialogue::open(daemon.address);
    assert!(Dialogue::silent(daemon.address).reply().starts_with("421 4.7.0"));
    drop(first);
    eventually("room for another", || {
        Dialogue::silent(daemon.address).reply().starts_with("220").then_some(())
    });
}

#[test]
fn at_sigterm_idle_sessions_end_and_a_message_under_way_is_taken() {
    let daemon = Daemon::start(PATIENT);
    let mut idle = Dialogue::open(daemon.address);
    let mut busy = Dialogue::open(daemon.address);
    busy.begin_message();
    busy.send("Subject: under way\r\n");
    daemon.signal(Signal::SIGTERM);
    assert!(idle.reply().starts_with("421 4.3.2"));
    busy.send("\r\nhello\r\n.\r\n");
    assert!(busy.reply().starts_with("250"));
    assert!(busy.reply().starts_with("421 4.3.2"));
    let (status, _) = daemon.stop();
    assert!(status.success());
}

#[test]
fn without_descriptors_it_waits_for_better_times() {
    let mut daemon =
        Daemon::start_with_descriptors(64, &format!("{PATIENT} --max-sessions-per-peer 1000 --workers 1"));
    let mut busy = Dialogue::open(daemon.address);
    busy.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    // More than there is room for; what is not accepted waits in the queue.
    let crowd: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(daemon.address).unwrap()).collect();
    daemon.logged("cannot accept a connection");
    let reply = busy.say("RCPT TO:<user@example.test>");
    assert!(reply.starts_with("451") || reply.starts_with("250"), "{reply}");
    drop(crowd);
    assert_serves(&mut daemon);
}

#[test]
fn who_asks_twice_to_stop_waits_for_nobody() {
    let mut daemon = Daemon::start(&format!("{PATIENT} --drain-timeout 10m"));
    let mut busy = Dialogue::open(daemon.address);
    busy.begin_message();
    daemon.signal(Signal::SIGTERM);
    daemon.logged("stopping");
    assert!(daemon.ended().is_none(), "a message is under way");
    daemon.signal(Signal::SIGTERM);
    let status = eventually("the end", || daemon.ended());
    assert!(status.success());
}

#[test]
fn a_mapped_network_is_the_ipv4_network() {
    let daemon = Daemon::start(&format!(
        "{FLAGS} --allow ::ffff:127.0.0.0/104 --strikes-to-limit 1 --strikes-to-block 2"
    ));
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    for _ in 0..5 {
        dialogue.expect(&[("RCPT TO:<someone@elsewhere.example>", "550 5.7.1")]);
    }
}

#[test]
fn a_silent_client_is_timed_out() {
    let daemon = Daemon::start(&format!("{PATIENT} --command-timeout 1s --data-timeout 1s"));
    let mut silent = Dialogue::open(daemon.address);
    assert!(silent.reply().starts_with("421 4.4.2"));
    let mut in_data = Dialogue::open(daemon.address);
    in_data.begin_message();
    assert!(in_data.reply().starts_with("421 4.4.2"));
}
