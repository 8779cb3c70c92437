//! What a program takes for a packet by itself: run by the kernel (`BPF_PROG_TEST_RUN`) on packets whose source changes
//! with each run, less what the same runs take with a program that does nothing.

use anyhow::ensure;
use filter_common::Counter;
use filter_common::table::Kind;

use super::comparison::{self, Varying};
use super::frame;
use super::plan::Plan;
use super::program::{Answer, Program};
use super::relaygate::{NEVER_EXCEEDED, Relaygate};
use super::rivals;
use super::turns::in_turns;
use super::xdp_filter;
use bench::judged::{Judged, Unit};
use bench::namespace::Own;

/// Packets to another port. As the kernel runs it, whole: what a program does there is over before the kernel's loop is
/// round, so it has hardly a time by itself.
pub(super) fn not_ours(plan: &Plan, told: impl FnMut()) -> anyhow::Result<Vec<Judged>> {
    let mut programs = [Relaygate::load(1, NEVER_EXCEEDED)?.program, comparison::minimal_pass()?];
    let frame = frame::syn(frame::OTHER);
    let measure = |program: &mut Program| program.run(&frame, plan.runs, Answer::Pass);
    let took = in_turns(plan.rounds, &mut programs, measure, told)?;
    Ok(Judged::beside("a packet not for us", 1, Unit::NanosecondsRun, &[rivals::MINIMAL_PASS], &took))
}

/// Packets of blocked hosts, as many as are in the table.
pub(super) fn blocked(
    own: &Own,
    plan: &Plan,
    entries: u32,
    told: impl FnMut(),
) -> anyhow::Result<Vec<Judged>> {
    let sanctioned =
        Sanctioned { kind: Kind::Blocked, answer: Answer::Drop, counter: Counter::DroppedBlocked };
    let mut programs = vec![comparison::minimal_hash(entries)?];
    let mut others = vec![rivals::MINIMAL_HASH];
    if entries <= xdp_filter::ROOM {
        programs.push(xdp_filter::load(own, entries)?);
        others.push(rivals::XDP_FILTER);
    }
    let took = against(sanctioned, programs, plan, entries, told)?;
    Ok(figures("blocked", entries, &others, &took))
}

/// Connections of limited hosts, all of which take from their limiter and pass, beside the drops of one look-up.
pub(super) fn limited(plan: &Plan, entries: u32, told: impl FnMut()) -> anyhow::Result<Vec<Judged>> {
    let sanctioned =
        Sanctioned { kind: Kind::Limited, answer: Answer::Pass, counter: Counter::PassedLimited };
    let took = against(sanctioned, vec![comparison::minimal_hash(entries)?], plan, entries, told)?;
    Ok(figures("limited, within the rate", entries, &[rivals::MINIMAL_HASH], &took))
}

/// What is done to relaygate's hosts, and what must come of it.
struct Sanctioned {
    kind: Kind,
    answer: Answer,
    counter: Counter,
}

fn against(
    sanctioned: Sanctioned,
    others: Vec<Program>,
    plan: &Plan,
    entries: u32,
    told: impl FnMut(),
) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut varying = Varying::load()?;
    let mut relaygate = Relaygate::load(entries, NEVER_EXCEEDED)?;
    relaygate.sanction(0..entries, sanctioned.kind)?;
    let mut contestants: Vec<_> = others.into_iter().map(Contestant::Other).collect();
    contestants.insert(0, Contestant::Relaygate(relaygate));
    let measure = |contestant: &mut Contestant| match contestant {
        Contestant::Other(program) => varying.run(program, &(0..entries), plan.runs, Answer::Drop),
        Contestant::Relaygate(relaygate) => {
            let before = relaygate.count(sanctioned.counter)?;
            let took = varying.run(&mut relaygate.program, &(0..entries), plan.runs, sanctioned.answer)?;
            let counted = relaygate.count(sanctioned.counter)? - before;
            ensure!(
                counted == u64::from(plan.runs),
                "of {} packets, {} counts {counted}: not all of them went the way that is measured",
                plan.runs,
                sanctioned.counter.name()
            );
            Ok(took)
        }
    };
    in_turns(plan.rounds, &mut contestants, measure, told)
}

enum Contestant {
    Relaygate(Relaygate),
    Other(Program),
}

fn figures(what: &'static str, entries: u32, others: &[&'static str], took: &[Vec<f64>]) -> Vec<Judged> {
    Judged::beside(what, entries, Unit::NanosecondsProgram, others, took)
}
