//! What a packet takes with all of the receive path: sent through a pair of interfaces as fast as a CPU can, received by
//! a thread of the kernel, whose CPU time is divided by the packets that came. A turn in which packets went another way
//! than is meant is an error, not a figure.

use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use filter_common::table::Kind;

use super::comparison::{self, Flood, Sender};
use super::cpus::Cpus;
use super::frame;
use super::lane::Lane;
use super::nftables::Rules;
use super::plan::Plan;
use super::program::{Answer, Program, RunsCounted};
use super::relaygate::{NEVER_EXCEEDED, Relaygate};
use super::rivals;
use super::turns::in_turns;
use super::xdp_filter;
use bench::judged::{Judged, Unit};
use bench::namespace::Own;

/// Packets that are sent before the clock is looked at.
const SENT_AT_ONCE: u32 = 16 * 1024;

/// Packets that the kernel itself may send in the namespace.
const STRAY: u64 = 20;

/// A link with somebody at its receiving end.
struct Contestant {
    lane: Lane,
    judge: Judge,
}

/// What judges packets there, as long as it is kept.
enum Judge {
    Program(Program),
    Rules(#[expect(dead_code, reason = "kept, not used")] Rules),
}

impl Judge {
    /// What the kernel has counted of its runs.
    fn counted(&mut self) -> anyhow::Result<Duration> {
        match self {
            Self::Program(program) => program.counted(),
            Self::Rules(_) => Ok(Duration::ZERO),
        }
    }
}

impl Contestant {
    fn program(own: &Own, cpus: Cpus, mut program: Program) -> anyhow::Result<Self> {
        let mut lane = Lane::make(own)?;
        program.attach(&lane)?;
        lane.receive_in_thread(cpus)?;
        Ok(Self { lane, judge: Judge::Program(program) })
    }

    fn rules(own: &Own, cpus: Cpus, entries: u32) -> anyhow::Result<Self> {
        let mut lane = Lane::make(own)?;
        let rules = Rules::block(&lane, entries)?;
        lane.receive_in_thread(cpus)?;
        Ok(Self { lane, judge: Judge::Rules(rules) })
    }
}

/// Packets to another port: they go on to the network stack, which has no use for them.
pub(super) fn not_ours(
    own: &Own,
    plan: &Plan,
    cpus: Cpus,
    told: impl FnMut(),
) -> anyhow::Result<Vec<Judged>> {
    let relaygate = Relaygate::load(1, NEVER_EXCEEDED)?.program;
    let contestants = vec![
        Contestant::program(own, cpus, relaygate)?,
        Contestant::program(own, cpus, comparison::minimal_pass()?)?,
    ];
    let traffic = Traffic { port: frame::OTHER, sources: 0..1, answer: Answer::Pass };
    let took = measure(contestants, plan, cpus, &traffic, told)?;
    Ok(figures("a packet not for us", 1, &[rivals::MINIMAL_PASS], &took))
}

/// Packets of blocked hosts, as many as are in the table.
pub(super) fn blocked(
    own: &Own,
    plan: &Plan,
    cpus: Cpus,
    entries: u32,
    told: impl FnMut(),
) -> anyhow::Result<Vec<Judged>> {
    let mut relaygate = Relaygate::load(entries, NEVER_EXCEEDED)?;
    relaygate.sanction(0..entries, Kind::Blocked)?;
    let mut contestants = vec![
        Contestant::program(own, cpus, relaygate.program)?,
        Contestant::program(own, cpus, comparison::minimal_hash(entries)?)?,
        Contestant::rules(own, cpus, entries)?,
        Contestant::program(own, cpus, comparison::nothing()?)?,
    ];
    let mut others = vec![rivals::MINIMAL_HASH, rivals::NFTABLES, rivals::NOTHING];
    if entries <= xdp_filter::ROOM {
        contestants.push(Contestant::program(own, cpus, xdp_filter::load(own, entries)?)?);
        others.push(rivals::XDP_FILTER);
    }
    let traffic = Traffic { port: frame::SMTP, sources: 0..entries, answer: Answer::Drop };
    let took = measure(contestants, plan, cpus, &traffic, told)?;
    Ok(figures("blocked", entries, &others, &took))
}

/// What is sent, and what must become of it.
struct Traffic {
    port: u16,
    sources: Range<u32>,
    answer: Answer,
}

fn measure(
    mut contestants: Vec<Contestant>,
    plan: &Plan,
    cpus: Cpus,
    traffic: &Traffic,
    told: impl FnMut(),
) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut flood = Flood::load()?;
    flood.sources.choose(&traffic.sources)?;
    let _pinned = cpus.generate_here()?;
    let one = |contestant: &mut Contestant| {
        let counted = contestant.judge.counted()?;
        let took = one(&mut flood.sender, &contestant.lane, plan, traffic)?;
        ensure!(contestant.judge.counted()? == counted, RunsCounted);
        Ok(took)
    };
    in_turns(plan.rounds, &mut contestants, one, told)
}

fn one(sender: &mut Sender, lane: &Lane, plan: &Plan, traffic: &Traffic) -> anyhow::Result<f64> {
    let (before, passed) = (lane.received()?, ip_packets()?);
    let until = Instant::now() + plan.flood;
    while Instant::now() < until {
        sender.send(traffic.port, SENT_AT_ONCE, lane.sender_index())?;
    }
    let after = lane.received()?;
    let packets = after.packets.saturating_sub(before.packets);
    ensure!(packets > u64::from(SENT_AT_ONCE) / 4, "only {packets} packets came to {}", lane.receiver());
    let passed = ip_packets()?.saturating_sub(passed);
    let as_meant = match traffic.answer {
        Answer::Drop => passed <= STRAY,
        Answer::Pass => passed >= packets / 2,
    };
    ensure!(
        as_meant,
        "{passed} of {packets} packets passed on {}: that is not what is measured",
        lane.receiver()
    );
    Ok(after.spent.saturating_sub(before.spent).as_secs_f64() * 1e9 / packets as f64)
}

fn figures(what: &'static str, entries: u32, others: &[&'static str], took: &[Vec<f64>]) -> Vec<Judged> {
    Judged::beside(what, entries, Unit::NanosecondsReceived, others, took)
}

/// Packets that came as far as IP in this namespace.
fn ip_packets() -> anyhow::Result<u64> {
    let path = "/proc/thread-self/net/snmp";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    in_receives(&text).with_context(|| format!("{path} has no Ip InReceives"))
}

/// A line of names, then one of values.
fn in_receives(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let at = lines.next()?.split(' ').position(|name| name == "InReceives")?;
    lines.next()?.split(' ').nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_stands_under_its_name() {
        let text =
            "Ip: Forwarding DefaultTTL InReceives InHdrErrors\nIp: 2 64 321 0\nIcmp: InMsgs\nIcmp: 5\n";
        assert_eq!(in_receives(text), Some(321));
        assert_eq!(in_receives("Ip: Forwarding\nIp: 1\n"), None);
        assert_eq!(in_receives(""), None);
    }
}
