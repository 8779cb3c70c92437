//! TLS handshakes a second, of relaygate and of HAProxy, with the same keys, in turns. What counts is the CPU time that
//! a server has for each: on a machine where client and server share the CPUs, the rate alone would be the client's.

mod client;
mod keys;
mod servers;

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};

pub use client::{FullHandshakes, Version};
pub use keys::KeyKind;

use keys::KeyFile;
use smtp_load::measure::{CpuTime, Spread};
use smtp_load::served::{Pinned, Served};

/// What is compared.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The relaygate binary.
    pub relaygate: PathBuf,
    /// Handshakes in each round, for each server.
    pub handshakes: u64,
    /// Connections at once.
    pub connections: usize,
    /// Rounds.
    pub rounds: u32,
    /// The CPU of the clients and that of servers with one thread; nothing where there is but one.
    pub cpus: Option<(usize, usize)>,
}

/// One setting of it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Of the server's key.
    pub key: KeyKind,
    /// Of TLS.
    pub version: Version,
    /// Worker threads of the server.
    pub threads: u32,
}

/// What a server did in one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Handshakes for each second of CPU time that the server had.
    pub by_cpu: f64,
    /// Handshakes for each second that passed.
    pub by_clock: f64,
}

/// One round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Of HAProxy.
    pub haproxy: Rate,
    /// Of relaygate.
    pub relaygate: Rate,
}

impl Round {
    /// How much more relaygate does of a CPU second.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.relaygate.by_cpu / self.haproxy.by_cpu
    }
}

/// The rounds of one setting.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub setting: Setting,
    /// All of them.
    pub rounds: Vec<Round>,
}

impl Outcome {
    /// The middle and the ends of something.
    #[must_use]
    pub fn spread(&self, of: impl Fn(&Round) -> f64) -> Option<Spread> {
        Spread::of(&self.rounds.iter().map(of).collect::<Vec<_>>())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        write!(f, "{}, {}, {} {threads}", self.key, self.version, self.threads)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = |of: fn(&Round) -> f64| self.spread(of).map_or(f64::NAN, |spread| spread.median);
        write!(
            f,
            "{}: a CPU second HAProxy {:.0}, relaygate {:.0}; a second HAProxy {:.0}, relaygate {:.0}",
            self.setting,
            median(|round| round.haproxy.by_cpu),
            median(|round| round.relaygate.by_cpu),
            median(|round| round.haproxy.by_clock),
            median(|round| round.relaygate.by_clock),
        )?;
        match self.spread(Round::ratio) {
            Some(Spread { min, median, max }) => write!(f, "; ratio {median:.2} ({min:.2} to {max:.2})"),
            None => Ok(()),
        }
    }
}

impl Contest {
    /// Measures one setting. The first to run changes with each round; a round before the first is not counted.
    pub fn hold(&self, setting: Setting, mut told: impl FnMut(u32, &Round)) -> anyhow::Result<Outcome> {
        ensure!(self.rounds > 0 && self.handshakes > 0, "at least one round of one handshake is needed");
        let key = KeyFile::make(setting.key)?;
        // Servers with one thread have a CPU of their own; those with more have all, and share them with the clients.
        let cpus = self.cpus.filter(|_| setting.threads == 1);
        let haproxy = servers::haproxy(&key, setting.threads, cpus.map(|(_, server)| server))?;
        let relaygate =
            servers::relaygate(&self.relaygate, &key, setting.threads, cpus.map(|(_, server)| server))?;
        let _pinned = cpus.map(|(client, _)| Pinned::to(client)).transpose()?;
        let one = |server: &Served, handshakes| {
            measure(
                server,
                FullHandshakes::new(server.address, handshakes, self.connections, setting.version),
            )
        };
        let of_haproxy = |handshakes| one(&haproxy, handshakes).context("HAProxy");
        let of_relaygate = |handshakes| one(&relaygate, handshakes).context("relaygate");
        let warm_up = (self.handshakes / 5).max(1);
        of_haproxy(warm_up)?;
        of_relaygate(warm_up)?;
        let mut rounds = Vec::new();
        for number in 0..self.rounds {
            let round = if number % 2 == 0 {
                let haproxy = of_haproxy(self.handshakes)?;
                Round { haproxy, relaygate: of_relaygate(self.handshakes)? }
            } else {
                let relaygate = of_relaygate(self.handshakes)?;
                Round { haproxy: of_haproxy(self.handshakes)?, relaygate }
            };
            told(number + 1, &round);
            rounds.push(round);
        }
        Ok(Outcome { setting, rounds })
    }
}

/// A handshake that did not come off, or was not a full one, makes the measurement worthless, so it is an error.
fn measure(server: &Served, load: FullHandshakes) -> anyhow::Result<Rate> {
    let handshakes = load.handshakes as f64;
    let before = CpuTime::of(server.pid())?;
    let began = Instant::now();
    load.run()?;
    let took = began.elapsed();
    let spent = CpuTime::of(server.pid())?.since(&before);
    Ok(Rate { by_cpu: handshakes / spent.total.as_secs_f64(), by_clock: handshakes / took.as_secs_f64() })
}
