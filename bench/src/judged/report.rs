//! Judged figures as a table, and as JSON and CSV of the same values. Decides nothing.

use std::io;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use filter_common::schema;
use serde::{Deserialize, Serialize};
use smtp_load::measure::Spread;

use super::{Compared, Judged};
use crate::provenance::Provenance;
use crate::record;

/// All of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// What it is of.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// In the order of the table.
    pub figures: Vec<Line>,
    /// Whether every bound holds.
    pub holds: bool,
}

/// A figure with what came of its bound.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    /// The figure.
    #[serde(flatten)]
    pub judged: Judged,
    /// Nothing, where nothing is wanted.
    pub holds: Option<bool>,
}

/// Of the columns that [`Line::as_csv`] fills.
const HEADER: &str = "time,schema,what,entries,unit,relaygate,relaygate_min,relaygate_max,beside,its,its_min,\
    its_max,ratio,ratio_min,ratio_max,wanted,holds";

/// What the cells say.
pub const LEGEND: &str = "medians (smallest to largest) of the rounds";

/// Of the columns that [`Line::cells`] fills.
pub const HEAD: [&str; 9] =
    ["what", "entries", "unit", "relaygate", "beside", "its", "ratio", "wanted", "holds"];

impl Line {
    /// For people.
    #[must_use]
    pub fn cells(&self) -> [String; HEAD.len()] {
        let compared =
            |of: fn(&Compared) -> String| self.judged.compared.as_ref().map_or_else(String::new, of);
        [
            self.judged.what.to_string(),
            self.judged.entries.to_string(),
            self.judged.unit.to_string(),
            spread(&self.judged.relaygate, 1),
            compared(|it| it.other.to_string()),
            compared(|it| spread(&it.took, 1)),
            compared(|it| spread(&it.ratio, if it.ratio.median < 0.01 { 5 } else { 2 })),
            self.judged.bound.map_or_else(String::new, |bound| bound.to_string()),
            self.holds.map_or_else(String::new, |holds| if holds { "yes" } else { "NO" }.to_owned()),
        ]
    }

    fn as_csv(&self) -> String {
        let spread = |of: Spread| format!("{:.3},{:.3},{:.3}", of.median, of.min, of.max);
        // A ratio may be small, and is wanted to be.
        let ratio = |of: Spread| format!("{:.6},{:.6},{:.6}", of.median, of.min, of.max);
        let judged = &self.judged;
        let compared = judged.compared.as_ref().map_or_else(
            || ",,,,,,".to_owned(),
            |it| format!("{},{},{}", it.other, spread(it.took), ratio(it.ratio)),
        );
        format!(
            "{:016x},{},{},{},{},{compared},{},{}",
            schema::STAMP,
            judged.what.replace(',', ""),
            judged.entries,
            judged.unit.to_string().replace(',', ""),
            spread(judged.relaygate),
            judged.bound.map_or_else(String::new, |bound| bound.to_string()),
            self.holds.map_or("", |holds| if holds { "yes" } else { "no" }),
        )
    }
}

impl Report {
    /// Of these figures, which the subcommand `bench` has just measured.
    #[must_use]
    pub fn of(bench: &str, figures: &[Judged]) -> Self {
        let line = |judged: &Judged| Line { judged: judged.clone(), holds: judged.holds() };
        let holds = figures.iter().all(|figure| figure.holds() != Some(false));
        Self { provenance: Provenance::of(bench), figures: figures.iter().map(line).collect(), holds }
    }

    /// For programs.
    pub fn write_json(&self, out: &mut impl io::Write) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        Ok(writeln!(out)?)
    }

    /// Adds each figure to today's file of this machine under `directory`, whose name ends in `suffix`; returns its path.
    pub fn record(&self, directory: &Path, suffix: &str) -> anyhow::Result<PathBuf> {
        let lines: Vec<String> = self.figures.iter().map(Line::as_csv).collect();
        record::append(directory, suffix, HEADER, &lines)
    }

    /// For people.
    pub fn write_table(&self, out: &mut impl io::Write) -> anyhow::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(HEAD);
        for line in &self.figures {
            table.add_row(line.cells());
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(out, "{table}")?;
        writeln!(out, "{}; {LEGEND}", self.provenance.machine_and_kernel())?;
        Ok(())
    }
}

/// The median with the ends.
fn spread(spread: &Spread, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$} to {:.digits$})", spread.median, spread.min, spread.max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judged::{Bound, Unit};

    fn report() -> Report {
        let beside: (&'static str, &[f64]) = ("nftables", &[4.0, 8.0]);
        let holds = Judged::of("blocked", 10, Unit::NanosecondsReceived, &[1.0, 2.0], Some(beside)).unwrap();
        let fails = Judged::of("limited, within", 1, Unit::Mebibytes, &[9.0], None).unwrap();
        Report::of("xdp", &[holds.wanted(Bound::RatioAtMost(0.25)), fails.wanted(Bound::AtMost(8.0))])
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_does_not_hold_is_said_everywhere() {
        let report = report();
        assert!(!report.holds);
        let table = text(|out| report.write_table(out));
        assert!(
            table.contains("0.25 (0.25 to 0.25)") && table.contains("| yes") && table.contains("| NO"),
            "{table}"
        );
        let json: serde_json::Value = serde_json::from_str(&text(|out| report.write_json(out))).unwrap();
        assert_eq!(json["figures"][0]["holds"], true);
        assert_eq!(json["figures"][1]["holds"], false);
        assert_eq!(json["figures"][0]["compared"]["other"], "nftables");
    }

    #[test]
    fn every_line_of_the_record_fills_every_column() {
        let directory = tempfile::tempdir().unwrap();
        let path = report().record(directory.path(), "-x").unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let columns: Vec<_> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(columns, [17, 17, 17], "{text}");
    }
}
