//! A contest: peers are started, and have their turns at each measurement, round by round. Prints nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smtp_load::served::Pinned;

use super::contestant::Contestant;
use super::measurement::Measurement;
use super::quantity::Quantity;
use crate::cpus::Cpus;
use crate::peers::{Instance, Pace, Peer};
use crate::sink_thread::SinkThread;

/// What is measured, and how.
pub(crate) struct Contest<'c> {
    pub(crate) measurements: &'c [Measurement],
    pub(crate) rounds: u32,
    /// Only as much as shows that the measurement works.
    pub(crate) quick: bool,
    /// The CPU of the servers; clients and sink have the one before it (or after, where it is 0).
    pub(crate) server_cpu: usize,
    /// Where packages are unpacked.
    pub(crate) cache: &'c Path,
    /// Ends it, where it is set.
    pub(crate) stop: &'c AtomicBool,
}

impl Contest<'_> {
    /// Holds it. What became of each peer, in their order.
    pub(crate) fn hold(&self, peers: Vec<Box<dyn Peer>>) -> anyhow::Result<Vec<Contestant>> {
        allow_descriptors()?;
        let Cpus { servers, clients } = Cpus::with_servers_on(self.server_cpu);
        let bar = ProgressBar::new((self.measurements.len() * peers.len()) as u64 * u64::from(self.rounds));
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len}, {elapsed}: {msg}")?);
        let _pinned = clients.map(Pinned::to).transpose()?;
        let sink = SinkThread::start(clients)?;
        let mut contestants = Vec::new();
        for peer in peers {
            bar.set_message(format!("starting {}", peer.name()));
            contestants.push(Contestant::new(peer, self.cache, &sink, servers));
        }
        let turns = Turns { quick: self.quick, sink: &sink, servers, stop: self.stop };
        for &measurement in self.measurements {
            for round in 0..self.rounds {
                // Another begins each time, so that nobody always has the cache that the same one has left.
                for turn in 0..contestants.len() {
                    let whose = (turn + round as usize) % contestants.len();
                    if self.stop.load(Ordering::Relaxed) {
                        break;
                    }
                    bar.set_message(format!("{}: {}", measurement.name(), contestants[whose].peer.name()));
                    turns.take(measurement, round, &mut contestants[whose]);
                    bar.inc(1);
                }
            }
        }
        bar.finish_and_clear();
        Ok(contestants)
    }
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
    ) -> anyhow::Result<Vec<(Quantity, f64)>> {
        let pace = self.pace(contestant);
        let once = |instance: &Instance, pace| measurement.of(&instance.server, pace, self.sink, self.stop);
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
