//! `relaygate demo` with all three columns, in network namespaces of its own and with XDP.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::{eventually, relaygate};
use crate::demo::row;

/// The network namespaces that any process is in: those without a name live as long as one is.
fn namespaces() -> BTreeSet<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|process| std::fs::read_link(process.path().join("ns/net")).ok()).collect()
}

/// The processes of the binary under test, by their command.
fn parts() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let commands =
        processes.filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok());
    commands.filter(|command| command.contains("demo-part")).collect()
}

#[test]
fn the_third_column_shows_the_kernel_dropping() {
    let flags = ["demo", "--spam", "60", "--honest", "4", "--body", "5000"];
    let output = relaygate().args(flags).stdin(Stdio::null()).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(row(&table, "taken by the server"), ["60", "0", "0"]);
    assert_eq!(row(&table, "bounces sent to the forged victim"), ["60", "0", "0"]);
    assert_eq!(row(&table, "honest mail delivered"), ["4 of 4"; 3]);
    let dropped = &row(&table, "dropped in the kernel")[2];
    assert!(dropped.replace(',', "").parse::<u64>().is_ok_and(|packets| packets > 100), "{table}");
    let cost = &row(&table, "cost of each")[2];
    assert!(cost.strip_suffix(" ns").is_some_and(|each| each.parse::<u64>().is_ok()), "{table}");
}

/// Other tests have namespaces of their own meanwhile: what is asked is whether those that the demo made are gone.
#[test]
fn interrupted_it_leaves_no_namespace_and_no_process() {
    for after in [300, 1500, 4000] {
        let mut demo = relaygate()
            .args(["demo", "--spam", "2000"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let of_parts: BTreeSet<PathBuf> = {
            let own = std::fs::read_link("/proc/self/ns/net").unwrap();
            let children =
                std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", demo.id())).unwrap();
            let namespaces = children
                .split_whitespace()
                .filter_map(|child| std::fs::read_link(format!("/proc/{child}/ns/net")).ok());
            namespaces.filter(|namespace| *namespace != own).collect()
        };
        kill(Pid::from_raw(demo.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        demo.wait().unwrap();
        eventually("the end of what the demo made", || {
            let left: Vec<_> = namespaces().intersection(&of_parts).cloned().collect();
            (left.is_empty() && parts().is_empty()).then_some(())
        });
        assert!(after < 1500 || !of_parts.is_empty(), "the demo had made namespaces by then");
    }
}
