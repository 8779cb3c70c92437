//! Packets and their verdicts: every row of `table.txt` goes through the committed object in the kernel (without an
//! interface) and through the same rule compiled for userspace. Both must give the row's verdict and counter. Then
//! mangled packets, for which nobody wrote down an answer: both must agree.
//!
//! The kernel's part needs root: it is in `as_root`.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]
#![allow(clippy::print_stdout, reason = "what was left out and what was measured is for the reader")]

mod as_root;
mod builder;
mod kernel;
// The program's own parser, compiled for userspace.
#[allow(unreachable_pub, reason = "written for another crate")]
#[path = "../../../../filter-ebpf/src/packet.rs"]
mod packet;
mod row;
mod twin;

use row::{Outcome, Row};

const TABLE: &str = include_str!("table.txt");

fn rows() -> Vec<Row> {
    let rows: Vec<_> = row::parse(TABLE).collect();
    assert!(rows.len() >= 50, "{} rows", rows.len());
    rows
}

/// Reports all rows that went wrong, not the first alone.
fn check(run: impl Fn(&Row) -> Outcome) {
    let wrong: Vec<_> = rows()
        .iter()
        .filter_map(|row| {
            let outcome = run(row);
            (outcome != row.expected)
                .then(|| format!("{}: expected {}, got {outcome}", row.name, row.expected))
        })
        .collect();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_row_holds_in_userspace() {
    check(twin::run);
}

#[test]
fn a_frame_of_any_length_is_read_without_harm() {
    for row in rows() {
        for length in 0..row.frame.len() {
            let outcome = twin::run(&Row { frame: row.frame[..length].to_vec(), ..row.clone() });
            assert!(
                outcome.counter.name().starts_with("passed_") || length > 36,
                "{} cut to {length}",
                row.name
            );
        }
    }
}

#[test]
fn the_layouts_are_those_of_this_stamp() {
    // Changes with every shared layout, counter and reason: then `cargo xtask ebpf` is due, and whoever adopts a
    // running program must know the older one.
    assert_eq!(format!("{:016x}", filter_common::schema::STAMP), include_str!("schema.stamp").trim());
}
