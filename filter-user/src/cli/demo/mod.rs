//! `relaygate demo`: the same traffic twice or three times, straight to a server that bounces later (KB Q255695) and
//! through relaygate, and what it cost each time. Needs no configuration, writes no file, makes nothing that has a name,
//! and sends nothing beyond its own network namespaces or the loopback.

mod act;
mod kernel_page;
mod namespace;
mod part;
mod stage;
mod table;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{ArgMatches, Args, Command, FromArgMatches as _, value_parser};
use indicatif::{ProgressBar, ProgressStyle};

use act::{Act, Performance};
use stage::Stage;

/// What the demo is to do.
#[derive(Clone, Debug, Args)]
pub struct DemoOptions {
    /// Messages of the forged-sender spam run
    #[arg(long, value_name = "MESSAGES", default_value_t = 2000, value_parser = value_parser!(u64).range(1..=100_000))]
    pub spam: u64,
    /// Honest messages, sent meanwhile
    #[arg(long, value_name = "MESSAGES", default_value_t = 20, value_parser = value_parser!(u64).range(0..=1000))]
    pub honest: u64,
    /// Octets of each message's text
    #[arg(long, value_name = "OCTETS", default_value_t = 20_000, value_parser = value_parser!(u64).range(0..=10_000_000))]
    pub body: u64,
    /// Stay on the loopback, without namespaces and XDP, even where those can be had
    #[arg(long)]
    pub loopback: bool,
}

/// The subcommand.
#[must_use]
pub fn command() -> Command {
    DemoOptions::augment_args(
        Command::new("demo").about(
            "Shows what relaygate is for: a spam run against a server that bounces, without and with it",
        ),
    )
}

/// The hidden subcommand that the demo's processes are.
#[must_use]
pub fn part_command() -> Command {
    part::command()
}

/// One of the demo's processes.
pub fn run_part(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    part::run(matches)
}

/// The demo, from the command line.
pub fn run_matches(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    run(DemoOptions::from_arg_matches(matches)?)
}

/// The demo.
pub fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    let (stage, why_loopback) = Stage::set(options.loopback);
    let acts: &[Act] = if stage.has_namespaces() {
        &[Act::Straight, Act::Filtered, Act::FilteredInKernel]
    } else {
        &[Act::Straight, Act::Filtered]
    };
    let bar = progress_bar(options.spam * acts.len() as u64)?;
    let mut performances: Vec<Performance> = Vec::new();
    for (number, &act) in acts.iter().enumerate() {
        bar.set_message(act.what_happens());
        bar.set_position(options.spam * number as u64);
        performances.push(act.play(&stage, &options, &bar).with_context(|| act.what_happens())?);
    }
    bar.finish_and_clear();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", table::of(&options, &performances))?;
    writeln!(out, "{}", table::notes(&options, &performances, why_loopback.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

/// On stderr, and only where that is a terminal.
fn progress_bar(messages: u64) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(messages);
    let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {elapsed:>3}  {msg}")
        .context("the progress bar's template is wrong")?;
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_bounds() {
        let parsed = |arguments: &[&str]| {
            let arguments = ["demo"].iter().chain(arguments).copied();
            command().try_get_matches_from(arguments).map(|m| DemoOptions::from_arg_matches(&m).unwrap().spam)
        };
        assert_eq!(parsed(&["--spam", "7"]).unwrap(), 7);
        for wrong in [["--spam", "0"], ["--spam", "100001"], ["--honest", "1001"], ["--body", "x"]] {
            assert!(parsed(&wrong).is_err(), "{wrong:?}");
        }
    }
}
