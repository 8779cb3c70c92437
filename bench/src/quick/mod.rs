//! `bench quick`: the main ratios in less than a minute, with bounds so wide that only a loss of speed by half breaks them,
//! on a machine that does other things too. What is aimed at is in docs/bench.md; `bench compare` measures it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;
use smtp_load::measure::Spread;

use crate::compare::contest::Contest;
use crate::compare::contestant::Contestant;
use crate::compare::measurement::Measurement;
use crate::compare::{OfSessions, Quantity};
use crate::peers::{ConstantReplies, HaProxy, Peer, Relaygate};
use crate::ratio::Dialogue;

/// What is asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// The relaygate binary; without it, it is built where cargo runs this, else it is the one beside this program
    #[arg(long, value_name = "PATH")]
    relaygate: Option<PathBuf>,
    /// The CPU of the servers; clients and sink have the one before it (or after, where it is 0)
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    server_cpu: usize,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// A ratio, and the most that it may be: about one and a half times what a quiet machine gives, so that twice that fails.
struct Bound {
    figure: Quantity,
    beside: &'static str,
    most: f64,
}

/// What relaygate's CPU time may be. The responder takes no mail, and a session's cost is the kernel's first of all.
const BOUNDS: [Bound; 5] = [
    Bound::of(Quantity::Refused(Dialogue::Plain, OfSessions::Cpu), "responder", 1.6),
    Bound::of(Quantity::Refused(Dialogue::Pipelined, OfSessions::Cpu), "responder", 1.6),
    Bound::of(Quantity::ManyRecipients, "responder", 5.0),
    Bound::of(Quantity::Honest(1), "HAProxy (TCP)", 2.0),
    Bound::of(Quantity::Honest(100), "HAProxy (TCP)", 1.8),
];

/// What it takes to know them.
const MEASUREMENTS: [Measurement; 5] = [
    Measurement::Refused(Dialogue::Plain),
    Measurement::Refused(Dialogue::Pipelined),
    Measurement::Harvest(Dialogue::Pipelined),
    Measurement::Honest(1),
    Measurement::Honest(100),
];

impl Bound {
    const fn of(figure: Quantity, beside: &'static str, most: f64) -> Self {
        Self { figure, beside, most }
    }
}

/// One ratio that was measured.
#[derive(Debug, Serialize)]
struct Line {
    figure: Quantity,
    beside: &'static str,
    /// None, where one of the two could not be measured.
    ratio: Option<Spread>,
    most: f64,
    holds: bool,
}

/// Measures and prints. The exit code says whether every bound holds; what could not be measured does not.
pub fn run(options: &Options, stop: &AtomicBool) -> anyhow::Result<ExitCode> {
    let peers: Vec<Box<dyn Peer>> = vec![
        Box::new(ConstantReplies),
        Box::new(Relaygate::find(options.relaygate.as_deref())?),
        Box::new(HaProxy),
    ];
    let contest = Contest {
        measurements: &MEASUREMENTS,
        rounds: 5,
        quick: false,
        server_cpu: options.server_cpu,
        cache: Path::new("target/bench-peers"),
        stop,
    };
    let contestants = contest.hold(peers)?;
    let lines: Vec<Line> = BOUNDS.iter().map(|bound| Line::of(bound, &contestants)).collect();
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &lines)?;
        writeln!(out)?;
    } else {
        for line in &lines {
            writeln!(out, "{}", text(line))?;
        }
        for contestant in &contestants {
            let name = contestant.peer.name();
            if let Some(why) = &contestant.missing {
                writeln!(out, "{name} took no part: {why}")?;
            }
            for (what, why) in &contestant.faults {
                writeln!(out, "{name}, {what}: {why}")?;
            }
        }
    }
    Ok(if lines.iter().all(|line| line.holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Line {
    /// Of contestants, relaygate among them.
    fn of(bound: &Bound, contestants: &[Contestant]) -> Self {
        let named = |name: &str| contestants.iter().find(|contestant| contestant.peer.name() == name);
        let (ours, theirs) = (named("relaygate"), named(bound.beside));
        let ratio = ours.zip(theirs).and_then(|(ours, theirs)| ours.ratio(bound.figure, theirs));
        let holds = ratio.is_some_and(|ratio| ratio.median <= bound.most);
        Self { figure: bound.figure, beside: bound.beside, ratio, most: bound.most, holds }
    }
}

fn text(line: &Line) -> String {
    let Line { figure, beside, ratio, most, holds } = line;
    let measured = match ratio {
        Some(Spread { min, median, max }) => format!("{median:.2} ({min:.2} to {max:.2})"),
        None => "not measured".to_owned(),
    };
    let verdict = if *holds { "" } else { ", TOO HIGH or missing" };
    format!("{figure}: {measured} times {beside}'s, at most {most} wanted{verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_does_not_hold() {
        for bound in &BOUNDS {
            let line = Line::of(bound, &[]);
            assert!(!line.holds && text(&line).contains("not measured"), "{line:?}");
        }
    }
}
