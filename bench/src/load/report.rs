//! What a load met, as text and as JSON, made of the same values.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::scenario::Tls;
use super::tally::{Outcomes, Quantiles};
use super::visitors::Visitors;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    scenario: String,
    target: String,
    tls: Tls,
    seed: u64,
    /// Whether it was ended before its time: then this is what there was until then.
    interrupted: bool,
    elapsed_seconds: f64,
    sessions: u64,
    sessions_each_second: f64,
    /// Sessions that were due, and for which there was no room or no time.
    not_begun: u64,
    /// By how many microseconds sessions were begun too late; in a closed loop they never are.
    begun_late: Option<Quantiles>,
    kinds: Vec<KindReport>,
    /// How often which reply code came.
    reply_codes: BTreeMap<u16, u64>,
    /// What went wrong, and how often.
    faults: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct KindReport {
    kind: String,
    sessions: u64,
    #[serde(flatten)]
    outcomes: Outcomes,
    /// Microseconds from when a session was due to its answer.
    answered_after: Option<Quantiles>,
}

/// What the visitors do not know.
pub(super) struct Circumstances {
    pub(super) scenario: String,
    pub(super) target: String,
    pub(super) tls: Tls,
    pub(super) seed: u64,
    pub(super) interrupted: bool,
    pub(super) elapsed: Duration,
    pub(super) not_begun: u64,
}

impl Report {
    pub(super) fn of(visitors: Visitors, circumstances: Circumstances) -> Self {
        let Circumstances { scenario, target, tls, seed, interrupted, elapsed, not_begun } = circumstances;
        let kinds: Vec<KindReport> = visitors
            .kinds
            .iter()
            .map(|kind| KindReport {
                kind: kind.name.clone(),
                sessions: kind.tally.sessions,
                outcomes: kind.tally.outcomes,
                answered_after: kind.tally.answers.quantiles(),
            })
            .collect();
        let sessions = kinds.iter().map(|kind| kind.sessions).sum();
        Self {
            scenario,
            target,
            tls,
            seed,
            interrupted,
            elapsed_seconds: elapsed.as_secs_f64(),
            sessions,
            sessions_each_second: sessions as f64 / elapsed.as_secs_f64().max(1e-9),
            not_begun,
            begun_late: visitors.late.quantiles(),
            kinds,
            reply_codes: visitors.codes,
            faults: visitors.faults,
        }
    }

    /// Whether any session got an answer, or did what it came for without one.
    pub(super) fn met_anybody(&self) -> bool {
        let met = |of: &Outcomes| of.granted + of.refused + of.deferred > 0;
        self.kinds.iter().any(|kind| met(&kind.outcomes))
    }

    pub(super) fn write_json(&self, out: &mut impl io::Write) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)?;
        Ok(())
    }

    pub(super) fn write_text(&self, out: &mut impl io::Write) -> anyhow::Result<()> {
        if self.interrupted {
            writeln!(out, "interrupted: this is what there was until then")?;
        }
        writeln!(
            out,
            "{} sessions of {} against {} in {:.1} s, {:.0} a second",
            self.sessions, self.scenario, self.target, self.elapsed_seconds, self.sessions_each_second
        )?;
        if self.not_begun > 0 {
            writeln!(
                out,
                "{} more were due and had no room or no time: give more --at-once or --at-most, or a lower --rate",
                self.not_begun
            )?;
        }
        if let Some(late) = self.begun_late.filter(|late| late.p99 > 10_000) {
            writeln!(out, "sessions were begun late: half by {}, p99 {}", time(late.p50), time(late.p99))?;
        }
        writeln!(out, "{}", self.table())?;
        let codes = self.reply_codes.iter().map(|(code, count)| format!("{code}: {count}"));
        writeln!(out, "replies by code: {}", codes.collect::<Vec<_>>().join(", "))?;
        for (fault, count) in &self.faults {
            writeln!(out, "{count:>10}  {fault}")?;
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header([
            "kind",
            "sessions",
            "granted",
            "refused",
            "deferred",
            "cut off",
            "unanswered",
            "not connected",
            "other",
            "p50",
            "p99",
            "p99.9",
            "longest",
        ]);
        for kind in &self.kinds {
            let of = &kind.outcomes;
            let counts = [
                kind.sessions,
                of.granted,
                of.refused,
                of.deferred,
                of.cut_off,
                of.unanswered,
                of.not_connected,
                of.not_smtp + of.unfinished,
            ];
            let times = kind
                .answered_after
                .map_or([None; 4], |times| [times.p50, times.p99, times.p999, times.longest].map(Some));
            let mut row = vec![kind.kind.clone()];
            row.extend(counts.map(|count| count.to_string()));
            row.extend(times.map(|micros| micros.map_or("-".to_owned(), time)));
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// Microseconds, to three figures.
fn time(micros: u64) -> String {
    let micros = micros as f64;
    match micros {
        ..1e3 => format!("{micros:.0} us"),
        ..1e4 => format!("{:.2} ms", micros / 1e3),
        ..1e6 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let rows =
            [(7, "7 us"), (1_234, "1.23 ms"), (65_432, "65 ms"), (999_999, "1000 ms"), (1_500_000, "1.50 s")];
        for (micros, expected) in rows {
            assert_eq!(time(micros), expected);
        }
    }
}
