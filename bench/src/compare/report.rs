//! A comparison for people, as a table, and for programs, as JSON and CSV. Judges nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};
use smtp_load::measure::Spread;

use super::contestant::Contestant;
use super::quantity::Quantity;
use crate::digits;
use crate::provenance::Provenance;
use crate::record;

/// The whole table, by columns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// What it is of.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Whether it is what there was when it was interrupted.
    pub interrupted: bool,
    /// Those that took part, and those that could not; the limit is the first.
    pub peers: Vec<Column>,
}

/// One peer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Column {
    /// What it is called.
    pub name: Cow<'static, str>,
    /// Of the program or of its package, where it is known.
    pub version: Option<String>,
    /// Why it took no part.
    pub missing: Option<String>,
    /// In the order of the table.
    pub figures: Vec<Line>,
    /// What could not be measured, each with the reason.
    pub faults: Vec<String>,
}

/// One figure of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    /// What was measured.
    pub figure: Quantity,
    /// Of its value.
    pub unit: Cow<'static, str>,
    /// The median of the rounds with the smallest and the largest.
    pub rounds: Spread,
    /// To the first column's, round by round.
    pub ratio: Option<Spread>,
}

impl Column {
    /// Its value of a figure.
    #[must_use]
    pub fn line(&self, figure: Quantity) -> Option<&Line> {
        self.figures.iter().find(|line| line.figure == figure)
    }
}

impl Report {
    /// Of all; ratios are to the first.
    pub(super) fn of(contestants: &[Contestant], interrupted: bool) -> Self {
        let limit = contestants.first();
        let column = |contestant: &Contestant| Column {
            name: contestant.peer.name().into(),
            version: contestant.version().map(str::to_owned),
            missing: contestant.missing.clone(),
            figures: contestant
                .figures()
                .filter_map(|figure| {
                    Some(Line {
                        figure,
                        unit: figure.unit().into(),
                        rounds: contestant.spread(figure)?,
                        ratio: limit.and_then(|limit| contestant.ratio(figure, limit)),
                    })
                })
                .collect(),
            faults: contestant.faults.iter().map(|(what, why)| format!("{what}: {why}")).collect(),
        };
        Self {
            provenance: Provenance::of("compare"),
            interrupted,
            peers: contestants.iter().map(column).collect(),
        }
    }

    /// A line for each figure, a column for each peer; below it, what is missing and why.
    pub(super) fn write_table(&self, out: &mut impl Write, markdown: bool) -> anyhow::Result<()> {
        let mut table = Table::new();
        if markdown {
            table.load_style(presets::ASCII_MARKDOWN);
        } else {
            table
                .load_style(presets::UTF8_FULL_CONDENSED)
                .set_content_arrangement(ContentArrangement::Dynamic);
        }
        let mut head = vec![Cell::new("what"), Cell::new("unit")];
        head.extend(self.peers.iter().map(|peer| {
            let version = peer.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
            Cell::new(format!("{}{version}", peer.name))
        }));
        table.set_header(head);
        for figure in self.figures() {
            let mut row = vec![Cell::new(figure), Cell::new(figure.unit())];
            for peer in &self.peers {
                let line = peer.line(figure);
                let text = line.map_or_else(|| "-".to_owned(), |line| cell(line, markdown));
                row.push(Cell::new(text).set_alignment(CellAlignment::Right));
            }
            table.add_row(row);
        }
        writeln!(out, "{table}")?;
        writeln!(out, "\nMedian of the rounds (smallest to largest), and x times the {}.", self.limit())?;
        if self.interrupted {
            writeln!(out, "interrupted: this is what there was until then")?;
        }
        for peer in &self.peers {
            if let Some(why) = &peer.missing {
                writeln!(out, "- {} took no part: {}", peer.name, in_one_line(why))?;
            }
            for fault in &peer.faults {
                writeln!(out, "- {}, {}", peer.name, in_one_line(fault))?;
            }
        }
        Ok(())
    }

    /// All figures that anybody has, in the order of the table.
    #[must_use]
    pub fn figures(&self) -> BTreeSet<Quantity> {
        self.peers.iter().flat_map(|peer| peer.figures.iter().map(|line| line.figure)).collect()
    }

    fn limit(&self) -> &str {
        self.peers.first().map_or("first", |peer| &peer.name)
    }

    /// The same for programs.
    pub(super) fn write_json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)?;
        Ok(())
    }

    /// Adds a line for each figure of each peer to today's file of this machine.
    pub(super) fn record(&self, directory: &Path) -> anyhow::Result<PathBuf> {
        let mut lines = Vec::new();
        for peer in &self.peers {
            for Line { figure, unit, rounds, ratio } in &peer.figures {
                let ratio = ratio.map(|ratio| format!("{:.4}", ratio.median)).unwrap_or_default();
                lines.push(format!(
                    "{},\"{figure}\",{unit},{:.3},{:.3},{:.3},{ratio}",
                    peer.name, rounds.median, rounds.min, rounds.max
                ));
            }
        }
        record::append(
            directory,
            "-compare",
            "time,peer,figure,unit,median,min,max,ratio_to_responder",
            &lines,
        )
    }
}

fn cell(line: &Line, markdown: bool) -> String {
    let Line { rounds, ratio, .. } = line;
    let break_line = if markdown { " " } else { "\n" };
    let mut text = digits::three(rounds.median);
    if let Some(ends) = digits::ends(rounds) {
        text += &format!("{break_line}{ends}");
    }
    if let Some(ratio) = ratio {
        text += &format!("{break_line}x {:.2}", ratio.median);
    }
    text
}

/// What a server has logged may have many.
fn in_one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_median_spread_and_ratio() {
        let spread = |min, median, max| Spread { min, median, max };
        let line = |rounds, ratio| Line { figure: Quantity::IdleMemory, unit: "KiB".into(), rounds, ratio };
        let rows = [
            (line(spread(9.5, 12.0, 150.0), Some(spread(1.0, 1.5, 2.0))), "12.0 (9.50 to 150) x 1.50"),
            (line(spread(0.0, 0.0, 0.0), None), "0"),
        ];
        for (line, expected) in rows {
            assert_eq!(cell(&line, true), expected);
        }
    }
}
