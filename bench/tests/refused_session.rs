//! What a refused session costs apart from time: system calls of relaygate's worker, and segments on the wire beside the
//! responder's. Counts, so they do not depend on what else the machine does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use smtp_load::clients::RefusedSessions;
use smtp_load::served::Served;

const BENCH: &str = env!("CARGO_BIN_EXE_bench");

/// relaygate's binary, where this test's are built.
fn relaygate_binary() -> PathBuf {
    let binary = Path::new(BENCH).with_file_name("relaygate");
    assert!(binary.exists(), "{} is not built: cargo build -p filter-user", binary.display());
    binary
}

/// Arguments of relaygate with one worker, and bounds that these sessions never meet.
const RUN: [&str; 19] = [
    "run",
    "--listen",
    "127.0.0.1:0",
    "--backend",
    "127.0.0.1:1",
    "--local-domain",
    "example.test",
    "--workers",
    "1",
    "--strikes-to-limit",
    "999999",
    "--strikes-to-block",
    "1000000",
    "--max-sessions-per-peer",
    "20000",
    "--pin-directory",
    "none",
    "--hook",
    "none",
];

const SESSIONS: u32 = 400;

/// How often the thread that accepts made which system call, from its first connection to its last.
fn calls_of_the_worker(trace: &str) -> BTreeMap<&str, u32> {
    let calls = || trace.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let accepts = |call: &str| call.trim_start().starts_with("accept4(") && !call.contains("EAGAIN");
    let worker = calls().find(|(_, call)| accepts(call)).map(|(thread, _)| thread).unwrap();
    let of_worker: Vec<&str> =
        calls().filter(|(thread, _)| *thread == worker).map(|(_, call)| call.trim_start()).collect();
    let first = of_worker.iter().position(|call| accepts(call)).unwrap();
    let last = of_worker.iter().rposition(|call| accepts(call)).unwrap();
    let mut counts = BTreeMap::new();
    for call in &of_worker[first..=last] {
        // The second half of a call that another thread interrupted is no call of its own.
        if let Some((name, _)) = call.split_once('(').filter(|_| !call.starts_with('<')) {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

/// The trace, when the tracer has written the end of it.
fn whole(trace: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = fs::read_to_string(trace).unwrap();
        if text.trim_end().ends_with("+++ killed by SIGKILL +++") {
            return text;
        }
        assert!(Instant::now() < until, "the trace has no end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_pipelined_one_takes_relaygate_nine_system_calls() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut command = Command::new("strace");
    // The tracer beside the server, not above it: it ends with the server.
    command.args(["--follow-forks", "--daemonize", "--quiet=attach", "-o"]).arg(&trace);
    command.arg(relaygate_binary()).args(RUN);
    let served = Served::start(command, None).unwrap();
    let load =
        RefusedSessions { pipelined: true, ..RefusedSessions::new(served.address, u64::from(SESSIONS), 20) };
    let outcome = load.run().unwrap();
    assert!(outcome.is_clean(u64::from(SESSIONS), 550), "{outcome:?}");
    drop(served);
    let trace = whole(&trace);
    let mut calls = calls_of_the_worker(&trace);
    // Only a build that is not optimised looks whether a descriptor is open before it closes it.
    calls.remove("fcntl");
    // One wait serves as many sessions as have something to say by then, and one look into the empty queue of connections
    // follows it: how many that are is the machine's affair.
    calls.remove("epoll_pwait");
    let each = |name: &str| f64::from(calls.get(name).copied().unwrap_or(0)) / f64::from(SESSIONS);
    for (name, most) in
        [("sendto", 3.01), ("recvfrom", 2.01), ("epoll_ctl", 1.01), ("ioctl", 1.01), ("close", 1.01)]
    {
        assert!(each(name) > 0.8 && each(name) <= most, "{name}: {} a session, {calls:?}", each(name));
    }
    let accepted = each("accept4");
    assert!((0.99..=2.01).contains(&accepted), "{accepted}, {calls:?}");
    let all = f64::from(calls.values().sum::<u32>()) / f64::from(SESSIONS) - (accepted - 1.0);
    assert!(all <= 9.2, "{all} a session: {calls:?}");
}

mod as_root {
    use super::*;

    /// Starts the server that is its arguments in a network of its own, and prints the segments that refused sessions
    /// take, sent by either side: on one loopback all of them are sent by the same system.
    const COUNT: &str = r#"
        bench=$1; sessions=$2; shift 2
        ip link set lo up
        out=$(mktemp); "$@" > "$out" 2>/dev/null & server=$!
        trap 'kill $server; rm "$out"' EXIT
        for _ in $(seq 400); do
            target=$(sed -n 's/^listening on //p' "$out"); [ -n "$target" ] && break; sleep 0.05
        done
        segments() { awk '/^Tcp:/ && ++n == 2 { print $12 }' /proc/net/snmp; }
        for pipelined in "" --pipelined; do
            before=$(segments)
            "$bench" clients --target "$target" --sessions "$sessions" --connections 5 $pipelined > /dev/null
            # Until no connection is half closed, and both sides have said their last.
            for _ in $(seq 400); do
                [ -z "$(ss -Htn state fin-wait-1 state fin-wait-2 state last-ack state close-wait)" ] && break
                sleep 0.05
            done
            echo $(($(segments) - before))
        done
    "#;

    /// Segments of a plain and of a pipelined session.
    fn segments(server: &Path, arguments: &[&str]) -> [f64; 2] {
        let output = Command::new("unshare")
            .args(["--net", "--", "sh", "-euc", COUNT, "count", BENCH, &SESSIONS.to_string()])
            .arg(server)
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let counts: Vec<f64> =
            said.lines().map(|line| line.parse::<f64>().unwrap() / f64::from(SESSIONS)).collect();
        counts.try_into().unwrap_or_else(|counts| panic!("two counts: {counts:?}"))
    }

    #[test]
    fn it_takes_no_more_segments_than_of_the_least_server() {
        let least = segments(Path::new(BENCH), &["responder", "--listen", "127.0.0.1:0"]);
        let ours = segments(&relaygate_binary(), &RUN);
        for (what, ours, least) in [("plain", ours[0], least[0]), ("pipelined", ours[1], least[1])] {
            // On a busy machine an ACK may go alone now and then.
            assert!(
                ours > 6.0 && ours <= least + 0.5,
                "{what}: {ours} segments a session, the least {least}"
            );
        }
    }
}
