//! What others may have written down: every reply, metric and log field, one a line, as committed beside this file. A
//! change is seen in the review. `cargo xtask test --bless` rewrites them; whether a text is a good one is not asked here.

use std::fmt::Write as _;
use std::path::Path;

use filter_user::address::PathError;
use filter_user::smtp::Reply;
use filter_user::telemetry::{field, metric};

/// Compares with the committed snapshot, or replaces it where that was asked for.
#[track_caller]
fn compare(name: &str, is: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(name);
    if std::env::var_os("RELAYGATE_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, is).unwrap();
        return;
    }
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    let missing = |these: &str, those: &str, sign: char| -> String {
        let only = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        only.fold(String::new(), |lines, line| format!("{lines}  {sign} {line}\n"))
    };
    let (gone, new) = (missing(&was, is, '-'), missing(is, &was, '+'));
    assert!(
        was == is,
        "{name} is not what it was; if that is meant: cargo xtask test --bless\n{gone}{new}\
         (if no line is shown, their order has changed)"
    );
}

#[test]
fn every_reply_line_is_as_committed() {
    let mut lines = String::new();
    for listed in Reply::ALL {
        writeln!(lines, "{}  {}", listed.name, listed.reply.line.trim_end()).unwrap();
    }
    compare("replies.txt", &lines);
}

#[test]
fn every_fault_of_a_path_is_as_committed() {
    let lines =
        PathError::ALL.iter().fold(String::new(), |lines, error| format!("{lines}{error:?}  {error}\n"));
    compare("path_faults.txt", &lines);
}

#[test]
fn every_metric_is_as_committed() {
    let mut lines = String::new();
    for metric in metric::ALL {
        let label = metric.shown_labels();
        writeln!(lines, "{}{label}  {:?}", metric.name, metric.kind).unwrap();
        for value in metric.label.iter().chain(&metric.second).flat_map(|label| label.values) {
            writeln!(lines, "    {value}").unwrap();
        }
    }
    compare("metrics.txt", &lines);
}

#[test]
fn every_log_field_is_as_committed() {
    let mut lines = String::new();
    for (name, meaning) in field::ALL {
        writeln!(lines, "{name}  {meaning}").unwrap();
    }
    compare("log_fields.txt", &lines);
}
