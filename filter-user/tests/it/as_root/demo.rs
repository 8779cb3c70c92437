//! `relaygate demo` with all three columns, in network namespaces of its own and with XDP.

use std::process::{Command, Stdio};

use crate::daemon::relaygate;
use crate::demo::row;

/// Whether something of the demo's is in this namespace, where other tests may have things of their own.
fn something_is_left() -> bool {
    let links = Command::new("ip").args(["-oneline", "link"]).output().unwrap();
    let links = String::from_utf8(links.stdout).unwrap();
    links.contains("edge0") || links.contains("out0")
}

#[test]
fn the_third_column_shows_the_kernel_dropping_and_nothing_is_left() {
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
    assert!(!something_is_left());
}
