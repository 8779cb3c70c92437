//! `bench compare`: what people run today, relaygate, and the least that a server can do, under the same sessions, in one
//! run and in turns. Servers run on one CPU, clients and the sink on another; all of it on loopback.

pub(crate) mod contest;
pub(crate) mod contestant;
mod dialogues;
pub(crate) mod measurement;
mod quantity;
mod report;
mod tally;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use clap::Args;

pub use quantity::{OfSessions, Quantity};
pub use report::{Column, INTERRUPTED, Line, Report};

use contest::Contest;
use measurement::Measurement;

use crate::peers::{self, Peer, Relaygate};

/// What is asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// The relaygate binary; without it, it is built where cargo runs this, else it is the one beside this program
    #[arg(long, value_name = "PATH")]
    relaygate: Option<PathBuf>,
    /// Rounds, in each of which everybody has a turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Only peers whose name holds this, in any case; may be repeated. The responder always takes part
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Measure only as much as shows that the measurement works
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Print the table as Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// The CPU of the servers; clients and sink have the one before it (or after, where it is 0)
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    server_cpu: usize,
    /// Where packages are unpacked that are not installed
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench-peers")]
    cache: PathBuf,
    /// Add the figures to this directory's CSV file of this machine and day
    #[arg(long, value_name = "DIRECTORY")]
    record: Option<PathBuf>,
}

/// Measures and prints. Where `stop` is set meanwhile, the peers end, and what there is is printed.
pub fn run(options: &Options, stop: &AtomicBool) -> anyhow::Result<ExitCode> {
    let peers = asked_for(options)?;
    let contest = Contest {
        measurements: &Measurement::ALL,
        rounds: if options.quick { 1 } else { options.rounds },
        quick: options.quick,
        server_cpu: options.server_cpu,
        cache: &options.cache,
        stop,
    };
    let contestants = contest.hold(peers)?;
    let report = Report::of(&contestants, stop.load(Ordering::Relaxed));
    let mut out = io::stdout().lock();
    if options.json {
        report.write_json(&mut out)?;
    } else {
        report.write_table(&mut out, options.markdown)?;
    }
    if let Some(directory) = &options.record {
        let path = report.record(directory)?;
        writeln!(io::stderr(), "recorded in {}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Who takes part; the responder is the first.
fn asked_for(options: &Options) -> anyhow::Result<Vec<Box<dyn Peer>>> {
    let mut relaygate = Relaygate { binary: PathBuf::new() };
    let asked: Vec<String> = options.only.iter().map(|name| name.to_lowercase()).collect();
    let is = |peer: &dyn Peer, name: &str| peer.name().to_lowercase().contains(name);
    let is_asked = |peer: &dyn Peer| asked.is_empty() || asked.iter().any(|name| is(peer, name));
    if is_asked(&relaygate) {
        relaygate.binary = Relaygate::find(options.relaygate.as_deref())?.binary;
    }
    let mut all = peers::all(relaygate);
    if let Some(unknown) = asked.iter().find(|name| !all.iter().any(|peer| is(&**peer, name))) {
        let names: Vec<_> = all.iter().map(|peer| peer.name()).collect();
        bail!("--only {unknown}: there is no such peer; there are {}", names.join(", "));
    }
    let limit = all.remove(0);
    all.retain(|peer| is_asked(&**peer));
    all.insert(0, limit);
    Ok(all)
}
