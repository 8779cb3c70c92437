//! `bench simulate`: relaygate's pure core driven through virtual time by the hosts of a scenario. Opens no socket and
//! loads nothing into the kernel; what the kernel would do is done by the same rules.

mod agenda;
mod amount;
mod crowd;
mod day;
mod gate;
mod networks;
mod outcome;
mod plot;
mod scenario;
mod tuning;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use day::Day;
use outcome::Outcome;
use scenario::{MOST_HOSTS, Scenario};
use tuning::Tuning;

/// Values of a sweep, at most: a table that can still be read.
const MOST_VALUES: usize = 16;

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// A scenario that is shipped (botnet, hammer, low-and-slow, rented-network, monday-morning, day-of-attack), or a TOML file
    #[arg(long, default_value = "botnet", value_name = "NAME|FILE")]
    scenario: String,
    /// So many hosts in all, each group in its proportion
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_HOSTS)))]
    hosts: Option<u32>,
    /// What is drawn: the same seed gives the same result
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go through the scenario with each of several values of a flag
    #[arg(long, value_name = "FLAG=VALUE,VALUE,…")]
    sweep: Option<Sweep>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tuning: Tuning,
}

/// A flag and its values.
#[derive(Clone, Debug)]
struct Sweep {
    flag: String,
    values: Vec<String>,
}

impl std::str::FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (flag, values) =
            text.split_once('=').ok_or("expected a flag, `=`, and its values with commas between")?;
        let flag = flag.trim_start_matches('-').to_owned();
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if values.len() > MOST_VALUES {
            return Err(format!("{} values, and {MOST_VALUES} at most", values.len()));
        }
        for value in &values {
            Tuning::default().set(&flag, value)?;
        }
        Ok(Self { flag, values })
    }
}

/// What a figure that is plotted is called, and how it is had.
type Plotted = (&'static str, fn(&Outcome) -> f64);

/// One run of the scenario.
#[derive(Debug, Serialize)]
struct Run {
    /// The value of the flag that is swept.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    outcome: Outcome,
}

/// The whole result.
#[derive(Debug, Serialize)]
struct Report<'a> {
    scenario: &'a str,
    about: &'a str,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    swept: Option<&'a str>,
    runs: Vec<Run>,
}

/// Simulates and prints.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut scenario = Scenario::find(&options.scenario)?;
    if let Some(hosts) = options.hosts {
        scenario = scenario.of_hosts(hosts);
    }
    let settings = settings(options)?;
    let mut runs = Vec::new();
    for (value, tuning) in settings {
        let bar = progress(&scenario, value.as_deref())?;
        let day = Day::new(&scenario, &tuning, options.seed);
        let outcome = day.go(|minutes| bar.set_position(minutes.as_secs()));
        bar.finish_and_clear();
        runs.push(Run { value, outcome });
    }
    let report = Report {
        scenario: &options.scenario,
        about: &scenario.about,
        seed: options.seed,
        swept: options.sweep.as_ref().map(|sweep| sweep.flag.as_str()),
        runs,
    };
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        report.write_text(&mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings of each run, with the value of the flag that is swept.
fn settings(options: &Options) -> anyhow::Result<Vec<(Option<String>, Tuning)>> {
    let Some(sweep) = &options.sweep else {
        options.tuning.check().map_err(anyhow::Error::msg)?;
        return Ok(vec![(None, options.tuning.clone())]);
    };
    let mut settings = Vec::new();
    for value in &sweep.values {
        let mut tuning = options.tuning.clone();
        tuning.set(&sweep.flag, value).map_err(anyhow::Error::msg)?;
        if let Err(contradiction) = tuning.check() {
            bail!("with --{} {value}: {contradiction}", sweep.flag);
        }
        settings.push((Some(value.clone()), tuning));
    }
    Ok(settings)
}

/// Shown on a terminal alone.
fn progress(scenario: &Scenario, value: Option<&str>) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(scenario.lasts.longest().as_secs());
    let style = "{bar:30} {percent} % of the scenario, {elapsed}, {eta} to go {msg}";
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.set_message(value.unwrap_or_default().to_owned());
    Ok(bar)
}

impl Report<'_> {
    fn write_text(&self, out: &mut impl io::Write) -> anyhow::Result<()> {
        writeln!(out, "{}: {}", self.scenario, self.about)?;
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let name = self.swept.map_or_else(String::new, |flag| format!("--{flag}"));
        let values = self.runs.iter().map(|run| run.value.clone().unwrap_or_default());
        table.set_header(std::iter::once(name.clone()).chain(values));
        let columns: Vec<_> = self.runs.iter().map(|run| run.outcome.rows()).collect();
        let first = columns.first().context("no run was made")?;
        for (row, (what, _)) in first.iter().enumerate() {
            let figures = columns.iter().map(|column| column[row].1.clone());
            table.add_row(std::iter::once((*what).to_owned()).chain(figures));
        }
        for number in 1..=columns.len() {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(out, "{table}")?;
        if self.swept.is_some() {
            let plots: [Plotted; 2] = [
                ("sessions of the attack that come to userspace, %", Outcome::userspace_percent),
                ("honest sessions that are put off, %", Outcome::put_off_percent),
            ];
            for (what, of) in plots {
                let point = |run: &Run| (run.value.clone().unwrap_or_default(), of(&run.outcome));
                let points: Vec<_> = self.runs.iter().map(point).collect();
                writeln!(out, "\n{}", plot::plot(&format!("{what}, by {name}"), &points)?)?;
            }
        }
        Ok(())
    }
}
