//! `bench micro`: what the core's hot path takes by itself, beside others that do the same work, in one run: the parser, the
//! relay decision, strikes, the scanner of message data. Opens no socket.

mod contest;
mod core_steps;
mod parsing;
mod scanning;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use bench::judged::Report;
use bench::judged::{Bound, Judged};

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Measure only as much as shows that the measurement works
    #[arg(long)]
    quick: bool,
    /// Exit code 1 where a bound does not hold
    #[arg(long)]
    check: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Add the figures to this directory's CSV file of this machine and day
    #[arg(long, value_name = "DIRECTORY")]
    record: Option<PathBuf>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Rounds, in each of which all that is compared has its turn.
    rounds: usize,
    /// How often the work of a turn is done.
    repeats: usize,
}

/// Measures and prints.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let plan =
        if options.quick { Plan { rounds: 5, repeats: 20 } } else { Plan { rounds: 31, repeats: 500 } };
    let report = Report::of("micro", &measure(plan)?);
    let mut out = io::stdout().lock();
    if options.json {
        report.write_json(&mut out)?;
    } else {
        report.write_table(&mut out)?;
    }
    if let Some(directory) = &options.record {
        let path = report.record(directory, "-micro")?;
        writeln!(io::stderr(), "recorded in {}", path.display())?;
    }
    Ok(if options.check && !report.holds { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(plan: Plan) -> anyhow::Result<Vec<Judged>> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} rounds, {elapsed}: {msg}")?);
    let mut figures = Vec::new();
    for (what, part) in [
        ("parser", parsing::figures as fn(Plan, &dyn Fn()) -> anyhow::Result<Vec<Judged>>),
        ("decision and strikes", core_steps::figures),
        ("scanner", scanning::figures),
    ] {
        bar.set_message(what);
        figures.extend(part(plan, &|| bar.inc(1))?);
    }
    bar.finish_and_clear();
    Ok(figures.into_iter().map(wanted).collect())
}

/// What the issue of the figures wants.
fn wanted(figure: Judged) -> Judged {
    let bound = match (&*figure.what, figure.other()) {
        (parsing::MAIL | parsing::RCPT, Some(parsing::SMTP_PROTO)) => Bound::RatioAtMost(1.0 / 3.0),
        (scanning::ORDINARY, _) => Bound::AtLeastOrRatio { least: 5.0, ratio: 0.8 },
        (scanning::EMPTY_LINES | scanning::BARE_NEWLINES | scanning::ALTERNATING, _) => {
            Bound::AtLeastOrRatio { least: 1.0, ratio: 0.8 }
        }
        _ => return figure,
    };
    figure.wanted(bound)
}
