//! `bench ban`: how soon an offender's packets come to nothing, with relaygate and with fail2ban, by the clock of the
//! offender. In namespaces of this process alone, joined by a pair of interfaces; bounded in counts and time.

mod approach;
mod offender;
mod probe;

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use bench::cpus::Cpus;
use bench::judged::{Bound, Judged, Report, Unit};
use bench::namespace::Own;
use bench::peers::{Enforcing, Fail2ban, Instance, Peer, Place, Relaygate, install};
use bench::sink_thread::SinkThread;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use smtp_load::served::Pinned;

use approach::{Approach, SERVER};

use crate::percentile::percentile;

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The relaygate binary; without it, it is built where cargo runs this, else it is the one beside this program
    #[arg(long, value_name = "PATH")]
    relaygate: Option<PathBuf>,
    /// Rounds, in each of which both have a turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measure only as much as shows that the measurement works
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// The CPU of the servers; offenders and sink have the one before it (or after, where it is 0)
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    server_cpu: usize,
    /// Where packages are unpacked that are not installed
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench-peers")]
    cache: PathBuf,
    /// Add the figures to this directory's CSV file of this machine and day
    #[arg(long, value_name = "DIRECTORY")]
    record: Option<PathBuf>,
}

/// One of the two, with offenders of its own.
struct Turn<'t> {
    instance: Instance,
    /// The first two octets of its offenders' addresses.
    network: [u8; 2],
    /// Offenders in a round.
    bans: u32,
    met: u32,
    approach: &'t Approach,
    cpu: Option<usize>,
}

/// Measures and prints. The exit code says whether every bound holds. Where `stop` is set meanwhile, what there is of
/// whole rounds is printed.
pub(super) fn run(options: &Options, stop: &AtomicBool) -> anyhow::Result<ExitCode> {
    let relaygate = Relaygate::find(options.relaygate.as_deref())?;
    // While there is a network to get it by.
    let fail2ban = Fail2ban::fetch(&options.cache);
    let own = Own::enter()?;
    let (figures, missing) = measure(options, &own, relaygate, fail2ban, stop)?;
    let report = Report::of("ban", &figures);
    let mut out = io::stdout().lock();
    if options.json {
        report.write_json(&mut out)?;
    } else {
        report.write_table(&mut out)?;
    }
    if let Some(why) = missing {
        writeln!(io::stderr(), "fail2ban took no part: {why}")?;
    }
    if let Some(directory) = &options.record {
        let path = report.record(directory, "-ban")?;
        writeln!(io::stderr(), "recorded in {}", path.display())?;
    }
    ensure!(!figures.is_empty() || stop.load(Ordering::Relaxed), "nothing was measured");
    Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The figures, and why fail2ban has no part in them, where it has none.
fn measure(
    options: &Options,
    own: &Own,
    relaygate: Relaygate,
    fetched: anyhow::Result<()>,
    stop: &AtomicBool,
) -> anyhow::Result<(Vec<Judged>, Option<String>)> {
    let approach = Approach::make(own)?;
    let cpus = Cpus::with_servers_on(options.server_cpu);
    let sink = SinkThread::start(cpus.clients)?;
    let place = Place { host: SERVER.into(), sink: sink.address, cpu: cpus.servers };
    let start = |peer: &dyn Peer, cache: &Path| {
        Instance::start(peer, &install(peer, cache)?, place).with_context(|| peer.name())
    };
    let enforcing = Enforcing { relaygate, interface: approach.interface().to_owned() };
    let ours = start(&enforcing, &options.cache)?;
    let theirs = fetched.and_then(|()| start(&Fail2ban::within(own), &options.cache));
    approach.settle(cpus)?;
    let (rounds, bans, their_bans) = if options.quick { (1, 10, 2) } else { (options.rounds, 100, 5) };
    let turn = |instance: Instance, network, bans| Turn {
        instance,
        network,
        bans,
        met: 0,
        approach: &approach,
        cpu: cpus.clients,
    };
    let mut ours = turn(ours, [198, 18], bans);
    let (mut theirs, missing) = match theirs {
        Ok(instance) => (Some(turn(instance, [198, 19], their_bans)), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let of_all = bans + if theirs.is_some() { their_bans } else { 0 };
    let bar = ProgressBar::new(u64::from(rounds * of_all));
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} bans, {elapsed} gone")?);
    let mut times = Times::default();
    for _ in 0..rounds {
        let Some(mut round) = ours.take(&bar, stop)? else { break };
        if let Some(theirs) = &mut theirs {
            let Some(mut round) = theirs.take(&bar, stop)? else { break };
            times.others.extend(percentile(&mut round, 50));
        }
        times.p99.extend(percentile(&mut round, 99));
        times.median.extend(percentile(&mut round, 50));
    }
    bar.finish_and_clear();
    Ok((times.figures(bans), missing))
}

impl Turn<'_> {
    /// The times of a round, in microseconds; none, where it was ended before.
    fn take(&mut self, bar: &ProgressBar, stop: &AtomicBool) -> anyhow::Result<Option<Vec<f64>>> {
        let (server, cpu) = (self.instance.server.address, self.cpu);
        let mut times = Vec::new();
        for _ in 0..self.bans {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let from = address(self.network, self.met);
            self.met += 1;
            let took = self.approach.outside(|| {
                let _pinned = cpu.map(Pinned::to).transpose()?;
                offender::time_to_a_ban(server, from)
            })?;
            times.push(took.as_secs_f64() * 1e6);
            bar.inc(1);
        }
        Ok(Some(times))
    }
}

/// The address of offender `number`: no two of 256 in one /24, so that nobody is sanctioned for their neighbours.
fn address([first, second]: [u8; 2], number: u32) -> Ipv4Addr {
    let [.., high, low] = number.to_be_bytes();
    Ipv4Addr::new(first, second, low, high.wrapping_add(1))
}

/// Of each round, in microseconds.
#[derive(Debug, Default)]
struct Times {
    p99: Vec<f64>,
    median: Vec<f64>,
    others: Vec<f64>,
}

impl Times {
    /// What is wanted: 1 ms at most, and 300 times as soon as fail2ban.
    fn figures(&self, bans: u32) -> Vec<Judged> {
        let unit = Unit::Microseconds;
        let p99 = Judged::of("last offence to first drop, p99", bans, unit, &self.p99, None);
        let beside = (!self.others.is_empty()).then_some(("fail2ban", &self.others[..]));
        let median = Judged::of("last offence to first drop, median", bans, unit, &self.median, beside);
        let median = median.map(|figure| match figure.compared {
            Some(_) => figure.wanted(Bound::RatioAtMost(1.0 / 300.0)),
            None => figure,
        });
        p99.map(|figure| figure.wanted(Bound::Below(1_000.0))).into_iter().chain(median).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_offenders_have_one_address() {
        let all: std::collections::BTreeSet<_> =
            (0..10_000).map(|number| address([198, 18], number)).collect();
        assert_eq!(all.len(), 10_000);
        assert_eq!(address([198, 19], 257), Ipv4Addr::new(198, 19, 1, 2));
    }

    #[test]
    fn what_is_too_late_does_not_hold_and_without_another_there_is_no_ratio() {
        let times = Times { p99: vec![1_200.0], median: vec![400.0], others: vec![300_000.0] };
        let holds = |times: &Times| times.figures(100).iter().map(Judged::holds).collect::<Vec<_>>();
        assert_eq!(holds(&times), [Some(false), Some(true)]);
        assert_eq!(holds(&Times { others: vec![100_000.0], ..times }), [Some(false), Some(false)]);
        assert_eq!(holds(&Times { p99: vec![900.0], median: vec![1.0], others: vec![] }), [Some(true), None]);
        assert_eq!(holds(&Times::default()), []);
    }
}
