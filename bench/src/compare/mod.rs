//! `bench compare`: what people run today, relaygate, and the least that a server can do, under the same sessions, in one
//! run and in turns. Servers run on one CPU, clients and the sink on another; all of it on loopback.

mod contestant;
mod dialogues;
mod figure;
mod measurement;
mod report;
mod sink;
mod tally;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smtp_load::served::Pinned;

pub use figure::{Figure, OfSessions};

use contestant::Contestant;
use measurement::Measurement;
use report::Report;
use sink::SinkThread;

use crate::peers::{self, Pace, Peer, Relaygate};

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
    allow_descriptors()?;
    let report = compare(peers, options, stop)?;
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
        relaygate.binary = binary(options.relaygate.as_deref())?;
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

/// The binary of relaygate. One that is not there is its column's matter.
fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        let built = Command::new(cargo).args(["build", "--release", "-p", "filter-user"]).status();
        let status = built.context("cannot start cargo to build relaygate")?;
        ensure!(status.success(), "relaygate cannot be built ({status}); --relaygate names one that is");
    }
    let own = std::env::current_exe().context("cannot find the own binary")?;
    Ok(own.with_file_name("relaygate"))
}

/// Twenty thousand sessions are as many descriptors, and twice that in a proxy and in this process.
fn allow_descriptors() -> anyhow::Result<()> {
    const WANTED: u64 = 100_000;
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(WANTED), maximum: Some(hard.max(WANTED)) };
    if hard >= WANTED || setrlimit(Resource::Nofile, raised).is_err() {
        let most = Rlimit { current: Some(hard.min(WANTED)), maximum: limit.maximum };
        setrlimit(Resource::Nofile, most).context("cannot have more descriptors")?;
    }
    Ok(())
}

/// Sessions that this process may hold, with as many of a sink behind them.
fn sessions_allowed() -> usize {
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(allowed / 2).unwrap_or(usize::MAX).saturating_sub(200)
}

fn compare(peers: Vec<Box<dyn Peer>>, options: &Options, stop: &AtomicBool) -> anyhow::Result<Report> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let (servers, clients) = match (cpus, options.server_cpu) {
        (1, _) => (None, None),
        (_, 0) => (Some(0), Some(1)),
        (_, cpu) => (Some(cpu), Some(cpu - 1)),
    };
    let rounds = if options.quick { 1 } else { options.rounds };
    let bar = ProgressBar::new((Measurement::ALL.len() * peers.len()) as u64 * u64::from(rounds));
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len}, {elapsed}: {msg}")?);
    let _pinned = clients.map(Pinned::to).transpose()?;
    let sink = SinkThread::start(clients)?;
    let mut contestants = Vec::new();
    for peer in peers {
        bar.set_message(format!("starting {}", peer.name()));
        contestants.push(Contestant::new(peer, &options.cache, &sink, servers));
    }
    let turns = Turns { quick: options.quick, sink: &sink, servers, stop };
    for measurement in Measurement::ALL {
        for round in 0..rounds {
            // Another begins each time, so that nobody always has the cache that the same one has left.
            for turn in 0..contestants.len() {
                let whose = (turn + round as usize) % contestants.len();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                bar.set_message(format!("{}: {}", measurement.name(), contestants[whose].peer.name()));
                turns.take(measurement, round, &mut contestants[whose]);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(Report::of(&contestants, stop.load(Ordering::Relaxed)))
}

/// How a turn is taken.
struct Turns<'t> {
    quick: bool,
    sink: &'t SinkThread,
    servers: Option<usize>,
    stop: &'t AtomicBool,
}

impl Turns<'_> {
    /// What fails is noted, and not tried again.
    fn take(&self, measurement: Measurement, round: u32, contestant: &mut Contestant) {
        let possible =
            if contestant.peer.pipelines() { Some(measurement) } else { measurement.one_at_a_time() };
        let Some(measurement) = possible else {
            contestant.faults.insert(measurement.name(), "it does not take commands in one write".to_owned());
            return;
        };
        let is_asked = contestant.running.is_some()
            && !contestant.faults.contains_key(measurement.name())
            && (contestant.peer.takes_mail() || !measurement.needs_mail())
            && (round == 0 || !measurement.is_steady());
        if !is_asked {
            return;
        }
        match self.measured(measurement, round, contestant) {
            Ok(figures) => contestant.add(round, figures),
            Err(_) if self.stop.load(Ordering::Relaxed) => {}
            Err(error) => {
                contestant.faults.insert(measurement.name(), format!("{error:#}"));
            }
        }
    }

    fn measured(
        &self,
        measurement: Measurement,
        round: u32,
        contestant: &Contestant,
    ) -> anyhow::Result<Vec<(Figure, f64)>> {
        let pace = self.pace(contestant);
        let once = |instance: &contestant::Instance, pace| {
            measurement.of(&instance.server, pace, self.sink, self.stop)
        };
        let warm_up = Pace { sessions: 50, messages: 5, harvests: 1, idle: 5, ..pace };
        if measurement.counts_memory() {
            // What earlier sessions have left free in a process would make the next look small.
            let fresh = contestant.start(self.sink, self.servers)?;
            once(&fresh, warm_up)?;
            return once(&fresh, pace);
        }
        let instance = contestant.running.as_ref().context("it does not run")?;
        if round == 0 {
            once(instance, warm_up)?;
        }
        once(instance, pace)
    }

    fn pace(&self, contestant: &Contestant) -> Pace {
        let full = contestant.peer.pace();
        let pace = if self.quick {
            Pace {
                sessions: full.sessions / 10,
                messages: full.messages / 10,
                harvests: 1,
                idle: full.idle.min(200),
                ..full
            }
        } else {
            full
        };
        Pace { idle: pace.idle.min(sessions_allowed()), ..pace }
    }
}
