//! The CPU time of a server for each refused session, against that of another one under the same load, in turns. Knows
//! nothing of the servers but address and process.

use std::fmt;

use anyhow::{Context, ensure};

use smtp_load::clients::{RefusedOutcome, RefusedSessions};
use smtp_load::measure::{CpuTime, Memory, Spread};
use smtp_load::served::{Pinned, Served};

/// How the sessions talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialogue {
    /// One command per round trip.
    Plain,
    /// MAIL, RCPT and QUIT in one write.
    Pipelined,
}

impl fmt::Display for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain",
            Self::Pipelined => "pipelined",
        })
    }
}

/// The load of one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Sessions in each round, for each server.
    pub sessions: u64,
    /// Sessions at once.
    pub connections: usize,
    /// Rounds.
    pub rounds: u32,
    /// The CPU of the clients; the servers have another.
    pub client_cpu: Option<usize>,
}

/// One round: both servers under the same load, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Microseconds of CPU for each session of the base.
    pub base: f64,
    /// The same of the subject.
    pub subject: f64,
}

/// What was measured for one dialogue.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// How the sessions talked.
    pub dialogue: Dialogue,
    /// Every round.
    pub rounds: Vec<Round>,
    /// The subject's memory at the end.
    pub memory: Memory,
}

impl Comparison {
    /// Of the base, the subject, and the ratio of each round.
    #[must_use]
    pub fn spreads(&self) -> Option<[Spread; 3]> {
        let spread = |of: fn(&Round) -> f64| Spread::of(&self.rounds.iter().map(of).collect::<Vec<_>>());
        Some([spread(|r| r.base)?, spread(|r| r.subject)?, spread(|r| r.subject / r.base)?])
    }
}

/// Measures `subject` against `base`. The first to run changes with each round, so that neither always has the warmer
/// cache; a round before the first warms both up and is not counted. `told` hears of each round.
pub fn compare(
    base: &Served,
    subject: &Served,
    load: &Load,
    dialogue: Dialogue,
    mut told: impl FnMut(u32, &Round),
) -> anyhow::Result<Comparison> {
    ensure!(load.rounds > 0 && load.sessions > 0, "at least one round of one session is needed");
    let _pinned = load.client_cpu.map(Pinned::to).transpose()?;
    let warm_up = Load { sessions: (load.sessions / 5).max(1), ..*load };
    measure(base, &warm_up, dialogue).context("the base, warming up")?;
    measure(subject, &warm_up, dialogue).context("the subject, warming up")?;
    let mut rounds = Vec::new();
    for number in 0..load.rounds {
        let base_first = number % 2 == 0;
        let mut base_cost = 0.0;
        if base_first {
            base_cost = measure(base, load, dialogue).context("the base")?;
        }
        let subject_cost = measure(subject, load, dialogue).context("the subject")?;
        if !base_first {
            base_cost = measure(base, load, dialogue).context("the base")?;
        }
        let round = Round { base: base_cost, subject: subject_cost };
        told(number + 1, &round);
        rounds.push(round);
    }
    Ok(Comparison { dialogue, rounds, memory: Memory::of(subject.pid())? })
}

/// Microseconds of CPU for each session. A session that was not refused in order makes the measurement worthless, so
/// it is an error.
fn measure(server: &Served, load: &Load, dialogue: Dialogue) -> anyhow::Result<f64> {
    let run = RefusedSessions {
        pipelined: dialogue == Dialogue::Pipelined,
        ..RefusedSessions::new(server.address, load.sessions, load.connections)
    };
    let before = CpuTime::of(server.pid())?;
    let outcome: RefusedOutcome = run.run()?;
    let spent = CpuTime::of(server.pid())?.since(&before);
    ensure!(
        outcome.is_clean(load.sessions, 550),
        "not every one of {} sessions was refused with 550: {} completed, by code {:?}, errors {:?}",
        load.sessions,
        outcome.completed,
        outcome.by_code,
        outcome.errors,
    );
    Ok(spent.micros_per(load.sessions))
}
