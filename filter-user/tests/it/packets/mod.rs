//! Packets and their verdicts: every row of `table.txt` goes through the committed object in the kernel (without an
//! interface), for XDP and for tc, and through the same reader and rule compiled for userspace. All must give the row's
//! verdict, counter and answer. Then packets for which nobody wrote down an answer: all must agree.
//!
//! The kernel's part needs root: it is in `as_root`.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]
#![allow(clippy::print_stdout, reason = "what was left out and what was measured is for the reader")]

mod answers;
mod as_root;
mod builder;
mod kernel;
mod model;
mod row;

use filter_common::Verdict;
use model::{Model, Rates};
use row::{Outcome, Row};

/// What a program is told where a test does not say otherwise.
pub(crate) fn usual_settings() -> filter_user::kernel::KernelSettings {
    kernel::settings(&row::World::default())
}

const TABLE: &str = include_str!("table.txt");

fn rows() -> Vec<Row> {
    let rows: Vec<_> = row::parse(TABLE).collect();
    assert!(rows.len() >= 120, "{} rows", rows.len());
    rows
}

/// Reports all rows that went wrong, not the first alone.
fn check(mut run: impl FnMut(&Row) -> Outcome) {
    let wrong: Vec<_> = rows().iter().filter_map(|row| fault(row, &run(row))).collect();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

fn fault(row: &Row, outcome: &Outcome) -> Option<String> {
    let name = &row.name;
    if (outcome.verdict, outcome.counter) != (row.verdict, row.counter) {
        return Some(format!("{name}: expected {:?} {}, got {outcome}", row.verdict, row.counter.name()));
    }
    match (&row.answer, &outcome.answer) {
        (Some(expected), Some(answer)) => {
            answers::fault(&row.frame, answer, expected).map(|fault| format!("{name}: {fault}"))
        }
        (None, None) => None,
        (expected, answer) => Some(format!("{name}: expected {expected:?}, got {answer:02x?}")),
    }
}

fn modelled(row: &Row, frame: &[u8]) -> Outcome {
    let model = Model::new(&row.world, Rates::default());
    for _ in 1..row.times {
        model.run(frame, row.at);
    }
    model.run(frame, row.at)
}

#[test]
fn every_row_holds_in_the_model() {
    check(|row| modelled(row, &row.frame));
}

#[test]
fn no_two_rows_have_one_name() {
    let mut names: Vec<_> = rows().into_iter().map(|row| row.name).collect();
    names.sort();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

/// Each row's frame cut to each length: cut before its last header is whole, it passes.
fn truncated() -> impl Iterator<Item = (Row, Vec<u8>)> {
    rows()
        .into_iter()
        .flat_map(|row| (0..row.frame.len()).map(move |length| (row.clone(), row.frame[..length].to_vec())))
}

#[test]
fn a_frame_that_is_cut_before_its_ports_passes() {
    for (row, frame) in truncated() {
        let outcome = modelled(&row, &frame);
        // The shortest that is judged is a fragment over IPv4.
        assert!(
            outcome.verdict == Verdict::Pass || frame.len() >= 34,
            "{} cut to {}: {outcome}",
            row.name,
            frame.len()
        );
    }
}

#[test]
fn the_layouts_are_those_of_this_stamp() {
    // Changes with every shared layout, counter and reason: then `cargo xtask ebpf` is due, and whoever adopts a
    // running program must know the older one.
    assert_eq!(format!("{:016x}", filter_common::schema::STAMP), include_str!("schema.stamp").trim());
}
