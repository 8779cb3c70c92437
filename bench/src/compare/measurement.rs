//! One measurement of one running peer: drives the sessions and reads what they cost. Compares nothing.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;

use super::dialogues::{self, ANSWERS_BUSY, ANSWERS_IDLE, RECIPIENTS};
use super::quantity::{OfSessions, Quantity};
use super::tally::{drive, hold};
use crate::peers::{Pace, Running};
use crate::ratio::Dialogue;
use crate::sink_thread::SinkThread;

/// Sessions at once, at most: of those with mail, of those within a message.
const SENDERS: usize = 10;
const BUSY: usize = 100;
/// Sessions that insist on DATA, and KiB of what they would send.
const INSISTENT: (u64, u32) = (20, 64);
/// How long an idle session stays at most.
const STAYS: Duration = Duration::from_secs(80);

/// What is measured in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    Refused(Dialogue),
    Harvest(Dialogue),
    Honest(u32),
    Idle,
    Busy,
    Insistent,
}

impl Measurement {
    pub(super) const ALL: [Self; 8] = [
        Self::Refused(Dialogue::Plain),
        Self::Refused(Dialogue::Pipelined),
        Self::Harvest(Dialogue::Pipelined),
        Self::Idle,
        Self::Busy,
        Self::Honest(1),
        Self::Honest(100),
        Self::Insistent,
    ];

    /// Whether it needs somebody who takes mail.
    pub(super) fn needs_mail(self) -> bool {
        matches!(self, Self::Honest(_) | Self::Busy)
    }

    /// The same for who takes one command at a time; none, where that would be another measurement.
    pub(super) fn one_at_a_time(self) -> Option<Self> {
        match self {
            Self::Refused(Dialogue::Pipelined) => None,
            Self::Harvest(_) => Some(Self::Harvest(Dialogue::Plain)),
            other => Some(other),
        }
    }

    /// Whether it counts memory, which the sessions before it would have taken already.
    pub(super) fn counts_memory(self) -> bool {
        matches!(self, Self::Idle | Self::Busy)
    }

    /// Whether one round says all: what it counts does not vary with what else the machine does.
    pub(super) fn is_steady(self) -> bool {
        matches!(self, Self::Insistent)
    }

    /// Of which the progress bar tells.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refused(Dialogue::Plain) => "refused sessions",
            Self::Refused(Dialogue::Pipelined) => "refused sessions, pipelined",
            Self::Harvest(_) => "a thousand recipients",
            Self::Honest(1) => "small honest messages",
            Self::Honest(_) => "large honest messages",
            Self::Idle => "idle sessions",
            Self::Busy => "busy sessions",
            Self::Insistent => "bodies of spam",
        }
    }

    /// Measures it once.
    pub(super) fn of(
        self,
        peer: &Running,
        pace: Pace,
        sink: &SinkThread,
        stop: &AtomicBool,
    ) -> anyhow::Result<Vec<(Quantity, f64)>> {
        match self {
            Self::Refused(dialogue) => refused(peer, dialogue, pace, stop),
            Self::Harvest(dialogue) => {
                let before = peer.tree.cpu()?;
                drive(peer.address, dialogues::harvest(dialogue), pace.harvests, 1, Some(1), stop)?;
                let spent = peer.tree.cpu()?.since(&before);
                Ok(vec![(Quantity::ManyRecipients, spent.micros_per(pace.harvests * u64::from(RECIPIENTS)))])
            }
            Self::Honest(kib) => {
                let expected = sink.messages() + pace.messages;
                let senders = SENDERS.min(pace.at_once);
                let before = peer.tree.cpu()?;
                drive(peer.address, dialogues::honest(kib), pace.messages, senders, Some(1), stop)?;
                sink.wait_for(expected)?;
                let spent = peer.tree.cpu()?.since(&before);
                Ok(vec![(Quantity::Honest(kib), spent.micros_per(pace.messages))])
            }
            Self::Idle => {
                let (script, count) = (dialogues::idle(STAYS), pace.idle);
                let before = peer.tree.memory()?;
                let held = hold(peer.address, script, (count, pace.at_once), ANSWERS_IDLE, stop, || {
                    peer.tree.memory()
                })?;
                Ok(vec![(Quantity::IdleMemory, kib_each(before, held, count))])
            }
            Self::Busy => {
                let (script, count) = (dialogues::busy(STAYS), BUSY.min(pace.idle));
                let before = peer.tree.memory()?;
                let held = hold(peer.address, script, (count, pace.at_once), ANSWERS_BUSY, stop, || {
                    // What each has said of its message is on its way.
                    std::thread::sleep(Duration::from_millis(200));
                    peer.tree.memory()
                })?;
                Ok(vec![(Quantity::BusyMemory, kib_each(before, held, count))])
            }
            Self::Insistent => {
                let (sessions, kib) = INSISTENT;
                let senders = SENDERS.min(pace.at_once);
                let tally = drive(peer.address, dialogues::insistent(kib), sessions, senders, None, stop)?;
                let octets = f64::from(kib) * 1024.0 * tally.granted as f64 / sessions as f64;
                Ok(vec![(Quantity::BodyTaken, octets)])
            }
        }
    }
}

fn refused(
    peer: &Running,
    dialogue: Dialogue,
    pace: Pace,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<(Quantity, f64)>> {
    let (sessions, before) = (pace.sessions, peer.tree.cpu()?);
    let tally =
        drive(peer.address, dialogues::relay_attempt(dialogue), sessions, pace.at_once, Some(1), stop)
            .context("refused sessions")?;
    let spent = peer.tree.cpu()?.since(&before);
    // The parts are told in ticks, or so that they make up the whole: their proportion is what they are good for.
    let parts = (spent.user + spent.system).as_secs_f64().max(f64::MIN_POSITIVE);
    let user = spent.micros_per(sessions) * spent.user.as_secs_f64() / parts;
    let milliseconds = |quantile| tally.latencies.value_at_quantile(quantile) as f64 / 1e6;
    let figures = [
        (OfSessions::Cpu, spent.micros_per(sessions)),
        (OfSessions::User, user),
        (OfSessions::System, spent.micros_per(sessions) - user),
        (OfSessions::Rate, sessions as f64 / tally.elapsed.as_secs_f64()),
        (OfSessions::Median, milliseconds(0.5)),
        (OfSessions::P99, milliseconds(0.99)),
        (OfSessions::P999, milliseconds(0.999)),
    ];
    Ok(figures.map(|(of, value)| (Quantity::Refused(dialogue, of), value)).into())
}

/// What each of so many sessions has added, in KiB.
fn kib_each(before: u64, held: u64, sessions: usize) -> f64 {
    held.saturating_sub(before) as f64 / 1024.0 / sessions.max(1) as f64
}
