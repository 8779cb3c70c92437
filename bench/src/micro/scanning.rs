//! The scanner of message data, beside a copy of the same octets.

use std::hint::black_box;

use anyhow::{Context, ensure};
use filter_user::smtp::data::{DataScanner, Scanned};

use super::Plan;
use super::contest::{Work, gigabytes_a_second};
use crate::turns::in_turns;
use bench::judged::{Judged, Unit};

pub(super) const ORDINARY: &str = "scan data: ordinary text";
pub(super) const EMPTY_LINES: &str = "scan data: empty lines alone";
pub(super) const BARE_NEWLINES: &str = "scan data: bare newlines alone";
/// The worst that there is: what is passed and what is replaced take turns, octet by octet.
pub(super) const ALTERNATING: &str = "scan data: one octet a line, bare newlines";
/// Who copies the same octets.
const MEMCPY: &str = "memcpy";

/// As much as is read at once.
const OCTETS: usize = 65_536;

/// How fast each kind of text is scanned.
pub(super) fn figures(plan: Plan, told: &dyn Fn()) -> anyhow::Result<Vec<Judged>> {
    let mut figures = Vec::new();
    let line = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy ei\r\n";
    let texts = [(ORDINARY, line), (EMPTY_LINES, "\r\n"), (BARE_NEWLINES, "\n"), (ALTERNATING, "a\n")];
    for (what, piece) in texts {
        let text = piece.as_bytes().repeat(OCTETS / piece.len());
        ensure!(scan(&text) == text.len(), "not all of `{what}` was scanned");
        let mut copy = vec![0u8; text.len()];
        let mut contestants: [Work<'_>; 2] = [
            Box::new(|| (0..plan.repeats).map(|_| black_box(scan(black_box(&text)))).sum()),
            Box::new(|| {
                for _ in 0..plan.repeats {
                    copy.copy_from_slice(black_box(&text));
                    black_box(&mut copy);
                }
                plan.repeats * text.len()
            }),
        ];
        let took = in_turns(plan.rounds, &mut contestants, gigabytes_a_second, told)?;
        let beside: (&'static str, &[f64]) = (MEMCPY, &took[1]);
        let figure = Judged::of(what, OCTETS as u32, Unit::GigabytesASecond, &took[0], Some(beside));
        figures.push(figure.context("no round was measured")?);
    }
    Ok(figures)
}

/// Scans a piece of a message to its end; says how many octets it consumed.
fn scan(text: &[u8]) -> usize {
    let mut scanner = DataScanner::default();
    let mut at = 0;
    loop {
        let (consumed, scanned) = scanner.scan(&text[at..]);
        at += consumed;
        match black_box(scanned) {
            Scanned::Pass(_) | Scanned::Insert(_) => {}
            Scanned::Read | Scanned::End => return at,
        }
    }
}
