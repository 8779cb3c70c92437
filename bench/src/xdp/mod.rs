//! `bench xdp`: what the kernel program costs, beside others that block, in one run. Works on interfaces, programs and
//! rules in namespaces of its own and on nothing else; its counts and times are bounded by its plan.

mod bite;
mod comparison;
mod cpus;
mod frame;
mod lane;
mod memory;
mod nftables;
mod plan;
mod program;
mod program_time;
mod receive_path;
mod relaygate;
mod rivals;
mod sanctions;
mod turns;
mod xdp_filter;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use bench::namespace::Own;
use cpus::Cpus;
use plan::Plan;

use bench::judged::Report;
use bench::judged::{Bound, Judged, Unit};

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Measure only as much as shows that the measurement works
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// The CPU that runs what is measured; the second, where there is one, unless it is given
    #[arg(long, value_name = "NUMBER")]
    cpu: Option<usize>,
    /// The CPU that makes the packets of the receive path; that same one, unless it is given
    #[arg(long, value_name = "NUMBER")]
    generator_cpu: Option<usize>,
    /// Add the figures to this directory's CSV file of this machine and day
    #[arg(long, value_name = "DIRECTORY")]
    record: Option<PathBuf>,
}

/// Measures and prints. The exit code says whether every bound holds.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let own = Own::enter()?;
    let plan = if options.quick { Plan::quick() } else { Plan::full() };
    let figures = measure(&own, &plan, Cpus::with(options.cpu, options.generator_cpu))?;
    let report = Report::of("xdp", &figures);
    let mut out = io::stdout().lock();
    if options.json {
        report.write_json(&mut out)?
    } else {
        report.write_table(&mut out)?
    }
    if let Some(directory) = &options.record {
        let path = report.record(directory, "-xdp")?;
        writeln!(io::stderr(), "recorded in {}", path.display())?;
    }
    Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(own: &Own, plan: &Plan, cpus: Cpus) -> anyhow::Result<Vec<Judged>> {
    let steps = plan.rounds * (5 + 2 * plan.entries.len());
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} rounds, {elapsed}: {msg}")?);
    let step = |what: String| {
        bar.set_message(what);
        || bar.inc(1)
    };
    let mut figures = Vec::new();
    {
        let _pinned = cpus.measure_here()?;
        figures.extend(program_time::not_ours(plan, step("packets not for us".to_owned()))?);
        for &entries in &plan.entries {
            figures.extend(program_time::blocked(
                own,
                plan,
                entries,
                step(format!("blocked, {entries} entries")),
            )?);
        }
        figures.extend(program_time::limited(plan, 10_000, step("limited".to_owned()))?);
    }
    let told = step("packets not for us, whole receive path".to_owned());
    figures.extend(receive_path::not_ours(own, plan, cpus, told)?);
    for &entries in &plan.entries {
        let told = step(format!("blocked, {entries} entries, whole receive path"));
        figures.extend(receive_path::blocked(own, plan, cpus, entries, told)?);
    }
    bar.set_message("memory");
    figures.extend(sanctions::memory(plan)?);
    figures.extend(sanctions::inserts(plan, step("inserts".to_owned()))?);
    figures.extend(bite::first_drops(own, plan, cpus, step("blocks".to_owned()))?);
    bar.finish_and_clear();
    Ok(figures.into_iter().map(wanted).collect())
}

/// What the issue wants of a figure.
fn wanted(figure: Judged) -> Judged {
    use Unit::{NanosecondsProgram, NanosecondsReceived};
    let other = figure.other();
    let bound = match (&*figure.what, figure.entries, figure.unit, other) {
        ("a packet not for us", ..) => Bound::RatioAtMost(1.2),
        ("blocked", 10_000, NanosecondsProgram | NanosecondsReceived, Some(rivals::XDP_FILTER)) => {
            Bound::RatioBelow(1.0)
        }
        ("blocked", 10_000, NanosecondsProgram | NanosecondsReceived, Some(rivals::MINIMAL_HASH)) => {
            Bound::RatioAtMost(1.1)
        }
        ("blocked", 10_000 | 1_000_000, NanosecondsReceived, Some(rivals::NFTABLES)) => {
            Bound::RatioAtMost(0.25)
        }
        ("blocked", 1_000_000, NanosecondsReceived, Some(rivals::MINIMAL_HASH)) => Bound::RatioAtMost(0.5),
        ("limited, within the rate", ..) => Bound::RatioAtMost(1.6),
        ("memory", ..) => Bound::AtMost(128.0),
        ("inserts", ..) => Bound::Above(5.0),
        ("block to first drop, p99", ..) => Bound::Below(1000.0),
        _ => return figure,
    };
    figure.wanted(bound)
}
