//! How soon a block bites: under a flood from one peer after the other, each is blocked, and the time until userspace has
//! read that a packet of it was dropped is kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use filter_common::Counter;
use filter_common::table::Kind;

use super::comparison::{Flood, Sources};
use super::cpus::Cpus;
use super::frame;
use super::lane::Lane;
use super::plan::Plan;
use super::relaygate::{NEVER_EXCEEDED, Relaygate};
use crate::percentile::percentile;
use bench::judged::{Judged, Unit};
use bench::namespace::Own;

/// Packets in one call: the kernel takes a moment to begin, and there should be few such moments.
const SENT_AT_ONCE: u32 = 1 << 20;

/// A block that has not bitten after so long never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// The 99th of a hundred, of each round.
pub(super) fn first_drops(
    own: &Own,
    plan: &Plan,
    cpus: Cpus,
    mut told: impl FnMut(),
) -> anyhow::Result<Vec<Judged>> {
    let mut relaygate = Relaygate::load(plan.sanctions, NEVER_EXCEEDED)?;
    let mut lane = Lane::make(own)?;
    relaygate.program.attach(&lane)?;
    lane.receive_in_thread(cpus)?;
    let over = AtomicBool::new(false);
    let Flood { mut sources, mut sender } = Flood::load()?;
    let rounds = thread::scope(|scope| {
        let generator = scope.spawn(|| {
            let _pinned = cpus.generate_here()?;
            while !over.load(Ordering::Relaxed) {
                sender.send(frame::SMTP, SENT_AT_ONCE, lane.sender_index())?;
            }
            anyhow::Ok(())
        });
        let rounds = rounds(&mut relaygate, plan, &mut sources, &mut told);
        over.store(true, Ordering::Relaxed);
        let sent = generator.join().map_err(|_| anyhow!("the generator panicked"))?;
        sent.and(rounds)
    })?;
    let figure = Judged::of("block to first drop, p99", plan.blocks, Unit::Microseconds, &rounds, None);
    Ok(figure.into_iter().collect())
}

fn rounds(
    relaygate: &mut Relaygate,
    plan: &Plan,
    sources: &mut Sources,
    told: &mut impl FnMut(),
) -> anyhow::Result<Vec<f64>> {
    Cpus::wait_here()?;
    let mut events = relaygate.events()?;
    let mut next = 0;
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let mut latencies = Vec::new();
        for _ in 0..plan.blocks {
            sources.choose(&(next..next + 1))?;
            // Packets of the peer before, which is blocked, are dropped: what passes is this one's.
            let passed = relaygate.count(Counter::PassedUnknown)?;
            let until = Instant::now() + PATIENCE;
            while relaygate.count(Counter::PassedUnknown)? == passed {
                ensure!(Instant::now() < until, "no packet of peer {next} came in {PATIENCE:?}");
                thread::sleep(Duration::from_micros(50));
            }
            let start = Instant::now();
            relaygate.sanction(next..next + 1, Kind::Blocked)?;
            events.wait_for_first_drop(next, PATIENCE)?;
            latencies.push(start.elapsed().as_secs_f64() * 1e6);
            next += 1;
        }
        rounds.push(percentile(&mut latencies, 99).context("nobody was blocked")?);
        told();
    }
    Ok(rounds)
}
