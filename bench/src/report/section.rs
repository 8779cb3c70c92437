//! One result as the page shows it: what it is of, its bars, its table, and what is missing from it.

use bench::compare::{self, INTERRUPTED, OfSessions, Quantity};
use bench::judged::{self, HEAD, LEGEND};
use bench::provenance::Provenance;

use super::bars::Bars;
use super::taken::Taken;

/// One result.
#[derive(Debug)]
pub(super) struct Section<'t> {
    /// The heading.
    pub(super) title: String,
    /// What it is of.
    pub(super) provenance: &'t Provenance,
    /// In one line.
    pub(super) settings: String,
    /// Of the figures that say most.
    pub(super) bars: Vec<Bars>,
    /// What the cells of the table say.
    pub(super) legend: String,
    /// What stands above the columns.
    pub(super) head: Vec<String>,
    /// The first cell is the row's heading.
    pub(super) rows: Vec<Vec<String>>,
    /// What is not in it and why.
    pub(super) missing: Vec<String>,
}

impl<'t> Section<'t> {
    /// Of one result.
    pub(super) fn of(taken: &'t Taken) -> Self {
        let (title, provenance, settings) = (taken.title(), taken.provenance(), taken.settings());
        match taken {
            Taken::Compare(report) => {
                let interrupted = report.interrupted.then(|| INTERRUPTED.to_owned());
                Self {
                    title,
                    provenance,
                    settings,
                    bars: compared(report),
                    legend: report.legend(),
                    head: report.head(),
                    rows: report.rows(" "),
                    missing: interrupted.into_iter().chain(report.missing()).collect(),
                }
            }
            Taken::Judged(report) => Self {
                title,
                provenance,
                settings,
                bars: judged(report),
                legend: format!("Of figures, {LEGEND}."),
                head: HEAD.map(str::to_owned).to_vec(),
                rows: report.figures.iter().map(|line| line.cells().to_vec()).collect(),
                missing: Vec::new(),
            },
        }
    }
}

/// Of what a server costs; the parts of that, and what only the clock says, are in the table alone.
fn compared(report: &compare::Report) -> Vec<Bars> {
    let is_cost = |figure: &Quantity| match figure {
        Quantity::Refused(_, of) => *of == OfSessions::Cpu,
        Quantity::BodyTaken => false,
        _ => true,
    };
    let bars = |figure: Quantity| {
        let value = |peer: &compare::Column| Some((peer.name.to_string(), peer.line(figure)?.rounds.median));
        Bars::of(figure.to_string(), figure.unit(), report.peers.iter().filter_map(value).collect())
    };
    report.figures().into_iter().filter(is_cost).filter_map(bars).collect()
}

/// A plot for each figure, of all that it was measured beside; lines of one figure follow each other.
fn judged(report: &judged::Report) -> Vec<Bars> {
    let is_same = |one: &judged::Line, other: &judged::Line| {
        let key = |line: &judged::Line| (line.judged.what.clone(), line.judged.entries, line.judged.unit);
        key(one) == key(other)
    };
    let bars = |lines: &[judged::Line]| {
        let judged = &lines.first()?.judged;
        let ours = ("relaygate".to_owned(), judged.relaygate.median);
        let others = lines.iter().filter_map(|line| line.judged.compared.as_ref());
        let others = others.map(|other| (other.other.to_string(), other.took.median));
        let entries =
            if judged.entries > 1 { format!(", {} entries", judged.entries) } else { String::new() };
        let what = format!("{}{entries}", judged.what);
        Bars::of(what, &judged.unit.to_string(), std::iter::once(ours).chain(others).collect())
    };
    report.figures.chunk_by(is_same).filter_map(bars).collect()
}
