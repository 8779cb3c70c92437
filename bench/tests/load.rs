//! `bench load` and `bench sink` as commands: what they print of servers that behave and of those that do not. How fast a
//! server is, it is not for this to judge.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_bench");

fn bench(arguments: &[&str]) -> Output {
    Command::new(BENCH).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))
}

/// The report of a load that has met somebody.
fn load(target: SocketAddr, arguments: &[&str]) -> Value {
    let target = target.to_string();
    let output = bench(&[&["load", "--json", "--target", &target], arguments].concat());
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    json(&output)
}

/// A count of one kind of visitor.
fn count(report: &Value, kind: &str, of: &str) -> u64 {
    let kinds = report["kinds"].as_array().unwrap();
    let found = kinds.iter().find(|found| found["kind"] == kind).unwrap_or_else(|| panic!("{report:#}"));
    found[of].as_u64().unwrap_or_else(|| panic!("no {of} in {found:#}"))
}

/// A process that says where it listens; ended, where it has not, when this is dropped.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("listening on ") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "it says nowhere that it listens");
        }
        let address = line.trim_end().trim_start_matches("listening on ").split(',').next().unwrap();
        let address = address.parse().unwrap();
        child.stdout = Some(stdout.into_inner());
        Self { child, address }
    }

    fn sink(arguments: &[&str]) -> Self {
        Self::start(Command::new(BENCH).arg("sink").args(arguments))
    }

    /// relaygate before `backend`, from the folder where this test's binaries are built.
    fn relaygate(backend: SocketAddr, arguments: &[&str]) -> Self {
        let binary = Path::new(BENCH).with_file_name("relaygate");
        assert!(binary.exists(), "{} is not built: cargo build -p filter-user", binary.display());
        let mut command = Command::new(binary);
        command.args(["run", "--backend", &backend.to_string(), "--local-domain", "example.test"]);
        command.args(["--workers", "1", "--pin-directory", "none", "--hook", "none"]);
        // Strikes are counted, and are never enough for a sanction.
        command.args(["--strikes-to-limit", "999999", "--strikes-to-block", "1000000"]);
        Self::start(command.args(arguments).stderr(Stdio::null()))
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// What it says from here on, when it ends by itself.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that does `each` with every connection, one after the other; it lasts as long as the test.
fn server(each: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(each));
    address
}

#[test]
fn their_help_names_every_option() {
    let rows: [(&str, &[&str]); 2] = [
        (
            "load",
            &[
                "--target",
                "--scenario",
                "--list",
                "--sessions",
                "--rate",
                "--connections",
                "--at-once",
                "--patience",
                "--at-most",
                "--tls",
                "--source",
                "--local-domain",
                "--recipient",
                "--seed",
                "--json",
                "--target-is-mine",
            ],
        ),
        (
            "sink",
            &[
                "--listen",
                "--hostname",
                "--messages",
                "--at-most",
                "--without",
                "--proxy-header",
                "--recipient-reply",
                "--misbehave",
                "--json",
                "--network-is-mine",
            ],
        ),
    ];
    for (command, options) in rows {
        let help = text(&bench(&[command, "--help"]).stdout);
        for option in options {
            assert!(help.contains(option), "{command} {option}: {help}");
        }
    }
    let listed = text(&bench(&["load", "--list"]).stdout);
    assert!(
        ["botnet", "one-host", "low-and-slow", "monday"].iter().all(|name| listed.contains(name)),
        "{listed}"
    );
}

#[test]
fn a_sink_counts_what_a_monday_brings() {
    let sink = Running::sink(&[]);
    let report = load(sink.address, &["--scenario", "monday", "--sessions", "200", "--connections", "20"]);
    let honest = count(&report, "honest", "sessions");
    assert_eq!((report["sessions"].as_u64(), count(&report, "honest", "granted")), (Some(200), honest));
    assert!((110..170).contains(&honest), "seventy of a hundred: {honest}");
    assert_eq!((&report["faults"], &report["interrupted"]), (&serde_json::json!({}), &Value::Bool(false)));
    assert_eq!(report["reply_codes"]["354"].as_u64(), Some(honest));
    let times = &report["kinds"][0]["answered_after"];
    let at = |name: &str| times[name].as_u64().unwrap();
    assert!(0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("longest"), "{times}");
    sink.interrupt();
    let summary = sink.rest();
    assert!(summary.starts_with(&format!("{honest} messages to ")), "{summary}");
}

#[test]
fn the_same_seed_brings_the_same_visitors() {
    let sink = Running::sink(&[]);
    let kinds = |seed: &str| {
        let rest = ["--scenario", "botnet", "--sessions", "120", "--connections", "10", "--seed", seed];
        let report = load(sink.address, &rest);
        ["relay", "relay 2", "harvest", "early"].map(|kind| count(&report, kind, "sessions"))
    };
    let first = kinds("7");
    assert_eq!((first, first.iter().sum::<u64>()), (kinds("7"), 120));
    assert_ne!(first, kinds("8"));
}

#[test]
fn a_sink_misbehaves_as_it_is_told_and_the_load_says_so() {
    let rows = [
        ("dot=452 4.3.1 full", "deferred"),
        ("rcpt=550 5.1.1 who", "refused"),
        ("dot=close", "cut_off"),
        ("data=reset", "cut_off"),
        ("mail=hang", "unanswered"),
        ("ehlo=garbage", "not_smtp"),
    ];
    for (how, outcome) in rows {
        let sink = Running::sink(&["--misbehave", how]);
        let scenario = tempfile::NamedTempFile::new().unwrap();
        let all = "about = 'honest'\nsessions = 5\nconnections = 5\npatience = '300ms'\n[[honest]]\n";
        std::fs::write(scenario.path(), all).unwrap();
        let target = sink.address.to_string();
        let path = scenario.path().to_str().unwrap();
        let output = bench(&["load", "--json", "--target", &target, "--scenario", path]);
        let report = json(&output);
        assert_eq!(count(&report, "honest", outcome), 5, "{how}: {report:#}");
        assert_eq!(output.status.success(), matches!(outcome, "deferred" | "refused"), "{how}");
    }
}

#[test]
fn a_target_that_is_no_mail_server_is_an_error() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = server(|mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let closes = server(drop);
    let rows = [
        (nobody.to_string(), "nothing accepts connections on"),
        (silent.local_addr().unwrap().to_string(), "says nothing in 300ms"),
        (http.to_string(), "is not SMTP"),
        (closes.to_string(), "closes connections without a word"),
        ("127.0.0.1".to_owned(), "HOST:PORT is wanted"),
        ("127.0.0.1:0".to_owned(), "port 0"),
        ("192.0.2.1:25".to_owned(), "--target-is-mine"),
    ];
    for (target, expected) in rows {
        let output = bench(&["load", "--patience", "300ms", "--target", &target]);
        let said = text(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{target}: {}", text(&output.stdout));
        assert!(said.contains(expected), "{target}: {said}");
    }
}

#[test]
fn a_scenario_with_a_mistake_is_told_with_its_line() {
    let scenario = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(scenario.path(), "about = 'x'\nsessions = 5\nrate = 1\n[[relay]]\npipelined = 3\n")
        .unwrap();
    let path = scenario.path().to_str().unwrap();
    let said = text(&bench(&["load", "--target", "127.0.0.1:1", "--scenario", path]).stderr);
    assert!(said.contains("line 5") && said.contains("pipelined") && said.contains(path), "{said}");
}

#[test]
fn what_waits_for_a_slow_server_counts_from_when_it_was_due() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let number = sessions.clone();
    // The probe is the first; the load's first session is held up, and all others behind it.
    let target = server(move |mut socket| {
        if number.fetch_add(1, Ordering::Relaxed) == 1 {
            thread::sleep(Duration::from_secs(1));
        }
        let _ = socket.write_all(b"554 5.7.1 no\r\n");
    });
    let scenario = tempfile::NamedTempFile::new().unwrap();
    let steady = "about = 'x'\nsessions = 20\nrate = 100\narrivals = 'steady'\nat-once = 1\n[[early]]\n";
    std::fs::write(scenario.path(), steady).unwrap();
    let report = load(target, &["--scenario", scenario.path().to_str().unwrap()]);
    assert_eq!(count(&report, "early", "refused"), 20, "{report:#}");
    // Twenty were due within 200 ms, and the first was done after a second.
    let p50 = report["kinds"][0]["answered_after"]["p50"].as_u64().unwrap();
    assert!(p50 > 700_000, "{report:#}");
    assert!(report["begun_late"]["p50"].as_u64().unwrap() > 700_000, "{report:#}");
}

#[test]
fn an_interrupted_load_prints_what_there_is() {
    let sink = Running::sink(&[]);
    let (saw, sees) = std::sync::mpsc::channel();
    let backend = sink.address;
    // Counts sessions before it hands them on, so that the test knows when there is something to print.
    let target = server(move |mut socket| {
        let _ = saw.send(());
        let mut to = std::net::TcpStream::connect(backend).unwrap();
        let mut back = (to.try_clone().unwrap(), socket.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut socket, &mut to));
        thread::spawn(move || {
            let _ = std::io::copy(&mut back.0, &mut back.1);
            let _ = back.1.shutdown(std::net::Shutdown::Both);
        });
    });
    let mut load = Command::new(BENCH);
    load.args([
        "load",
        "--json",
        "--scenario",
        "one-host",
        "--sessions",
        "1000000",
        "--target",
        &target.to_string(),
    ]);
    let child = load.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..100 {
        sees.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let report = json(&output);
    assert_eq!(report["interrupted"], Value::Bool(true));
    assert!(report["sessions"].as_u64().unwrap() >= 50, "{report:#}");
}

#[test]
fn relaygate_refuses_a_botnet_and_delivers_monday() {
    let sink = Running::sink(&[]);
    let mailboxes = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(mailboxes.path(), "user@example.test\n").unwrap();
    let known = ["--mailboxes", mailboxes.path().to_str().unwrap(), "--greet-delay", "50ms"];
    let relaygate = Running::relaygate(sink.address, &[&["--listen", "127.0.0.1:0"][..], &known].concat());
    let report =
        load(relaygate.address, &["--scenario", "botnet", "--sessions", "300", "--connections", "30"]);
    for kind in ["relay", "relay 2", "harvest", "early"] {
        assert!(count(&report, kind, "sessions") > 0, "{report:#}");
        assert_eq!(count(&report, kind, "refused"), count(&report, kind, "sessions"), "{kind}: {report:#}");
    }
    let report = load(relaygate.address, &["--scenario", "monday", "--sessions", "60", "--connections", "6"]);
    let honest = count(&report, "honest", "sessions");
    assert_eq!(count(&report, "honest", "granted"), honest, "{report:#}");
    sink.interrupt();
    let summary = sink.rest();
    assert!(summary.starts_with(&format!("{honest} messages to {honest} recipients")), "{summary}");
}

#[test]
fn sessions_under_tls_do_the_same() {
    let sink = Running::sink(&[]);
    let key = rcgen::generate_simple_self_signed(vec!["mx.example.test".to_owned()]).unwrap();
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), key.cert.pem() + &key.signing_key.serialize_pem()).unwrap();
    let certificate = ["--tls-certificate", pem.path().to_str().unwrap()];
    for (listen, tls) in [("127.0.0.1:0", "starttls"), ("127.0.0.1:0 tls=implicit", "implicit")] {
        let relaygate = Running::relaygate(sink.address, &[&["--listen", listen][..], &certificate].concat());
        let scenario = tempfile::NamedTempFile::new().unwrap();
        let all = "about = 'x'\nsessions = 40\nconnections = 8\n[[honest]]\nsizes = [{ octets = 300000 }]\n\
                   [[relay]]\npipelined = true\n";
        std::fs::write(scenario.path(), all).unwrap();
        let report =
            load(relaygate.address, &["--tls", tls, "--scenario", scenario.path().to_str().unwrap()]);
        let (honest, relay) = (count(&report, "honest", "sessions"), count(&report, "relay", "sessions"));
        assert_eq!(count(&report, "honest", "granted"), honest, "{tls}: {report:#}");
        assert_eq!((count(&report, "relay", "refused"), honest + relay), (relay, 40), "{tls}: {report:#}");
    }
}

#[test]
fn a_sink_ends_by_itself_after_so_many_messages() {
    let child = Command::new(BENCH)
        .args(["sink", "--json", "--messages", "10"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    let address = line.trim_end().trim_start_matches("listening on ").parse().unwrap();
    load(address, &["--scenario", "monday", "--sessions", "40", "--connections", "1"]);
    let summary = json(&child.wait_with_output().unwrap());
    assert!(summary["messages"].as_u64().unwrap() >= 10, "{summary:#}");
    assert_eq!(summary["interrupted"], Value::Bool(false));
    let rows = [
        (&["--listen", "0.0.0.0:0"][..], "--network-is-mine"),
        (&["--misbehave", "lunch=hang"], "no moment"),
        (&["--recipient-reply", "x=no"], "no reply"),
    ];
    for (arguments, expected) in rows {
        let output = bench(&[&["sink"], arguments].concat());
        assert!(!output.status.success() && text(&output.stderr).contains(expected), "{output:?}");
    }
}
