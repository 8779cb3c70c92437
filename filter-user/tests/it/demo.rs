//! `relaygate demo`, as a newcomer runs it: twice in a row, and interrupted. On the loopback; with namespaces and XDP in
//! `as_root`.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::{eventually, relaygate};

fn demo(flags: &[&str]) -> Output {
    relaygate().arg("demo").args(flags).stdin(Stdio::null()).output().unwrap()
}

/// The values of a row, by its first words.
pub(crate) fn row(table: &str, name: &str) -> Vec<String> {
    let line =
        table.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name} in:\n{table}"));
    line.split(['│', '┆'])
        .map(|cell| cell.trim().to_owned())
        .filter(|cell| !cell.is_empty())
        .skip(1)
        .collect()
}

/// Processes whose parent is `pid`.
fn children_of(pid: u32) -> Vec<i32> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while we look.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent =
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1)?.parse().ok());
        if parent == Some(pid) {
            children.push(child);
        }
    }
    children
}

#[test]
fn shows_the_difference_twice_in_a_row() {
    for _ in 0..2 {
        let started = Instant::now();
        let output = demo(&["--loopback", "--spam", "60", "--honest", "4", "--body", "5000"]);
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(started.elapsed() < Duration::from_secs(60));
        assert_eq!(row(&table, "spam messages tried"), ["60", "60"]);
        assert_eq!(row(&table, "taken by the server"), ["60", "0"]);
        assert_eq!(row(&table, "bounces sent to the forged victim"), ["60", "0"]);
        assert_eq!(row(&table, "honest mail delivered"), ["4 of 4", "4 of 4"]);
        assert!(table.contains("Played on the loopback"), "{table}");
    }
}

#[test]
fn an_interrupted_demo_leaves_no_process() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let mut command = relaygate();
        command.args(["demo", "--loopback", "--spam", "100000"]);
        let mut demo =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let parts = eventually("the start of a part", || {
            Some(children_of(demo.id())).filter(|children| !children.is_empty())
        });
        // It alone, as a supervisor would: its parts hear of it from the kernel.
        kill(Pid::from_raw(demo.id().try_into().unwrap()), signal).unwrap();
        demo.wait().unwrap();
        for part in parts {
            eventually("the end of a part", || kill(Pid::from_raw(part), None).is_err().then_some(()));
        }
    }
}
