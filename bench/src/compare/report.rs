//! A comparison for people, as a table, and for programs, as JSON and CSV. Judges nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};
use smtp_load::measure::Spread;

use super::contestant::Contestant;
use super::quantity::Quantity;
use crate::digits;
use crate::provenance::Provenance;
use crate::record;

/// Said of a report where that is so.
pub const INTERRUPTED: &str = "interrupted: this is what there was until then";

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
    pub fn write_table(&self, out: &mut impl Write, markdown: bool) -> anyhow::Result<()> {
        let mut table = Table::new();
        if markdown {
            table.load_style(presets::ASCII_MARKDOWN);
        } else {
            table
                .load_style(presets::UTF8_FULL_CONDENSED)
                .set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(self.head());
        for row in self.rows(if markdown { " " } else { "\n" }) {
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(out, "{table}\n\n{}", self.legend())?;
        if self.interrupted {
            writeln!(out, "{INTERRUPTED}")?;
        }
        for missing in self.missing() {
            writeln!(out, "- {missing}")?;
        }
        Ok(())
    }

    /// What stands above the columns.
    #[must_use]
    pub fn head(&self) -> Vec<String> {
        let peers = self.peers.iter().map(|peer| {
            let version = peer.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
            format!("{}{version}", peer.name)
        });
        ["what".to_owned(), "unit".to_owned()].into_iter().chain(peers).collect()
    }

    /// The cells below [`head`](Self::head); `break_line` stands between the parts of one.
    #[must_use]
    pub fn rows(&self, break_line: &str) -> Vec<Vec<String>> {
        let row = |figure: Quantity| {
            let value = |peer: &Column| {
                peer.line(figure).map_or_else(|| "-".to_owned(), |line| cell(line, break_line))
            };
            let what = [figure.to_string(), figure.unit().to_owned()];
            what.into_iter().chain(self.peers.iter().map(value)).collect()
        };
        self.figures().into_iter().map(row).collect()
    }

    /// What the cells say.
    #[must_use]
    pub fn legend(&self) -> String {
        format!("Median of the rounds (smallest to largest), and x times the {}.", self.limit())
    }

    /// Who took no part and what could not be measured, each with the reason.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let of = |peer: &Column| {
            let took_no_part =
                peer.missing.as_ref().map(|why| format!("{} took no part: {}", peer.name, in_one_line(why)));
            let faults = peer.faults.iter().map(|fault| format!("{}, {}", peer.name, in_one_line(fault)));
            took_no_part.into_iter().chain(faults).collect::<Vec<_>>()
        };
        self.peers.iter().flat_map(of).collect()
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

fn cell(line: &Line, break_line: &str) -> String {
    let Line { rounds, ratio, .. } = line;
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
            assert_eq!(cell(&line, " "), expected);
        }
    }
}
