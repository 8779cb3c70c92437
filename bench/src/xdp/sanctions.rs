//! What it takes to hold sanctions: memory of the kernel, and time to put them in.

use std::time::{Duration, Instant};

use filter_common::table::Kind;

use super::comparison;
use super::plan::Plan;
use super::relaygate::{NEVER_EXCEEDED, Relaygate};
use super::rivals;
use super::turns::in_turns;
use bench::judged::{Judged, Unit};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Memory of the maps that hold sanctions, full of them.
pub(super) fn memory(plan: &Plan) -> anyhow::Result<Vec<Judged>> {
    let mut ours = Relaygate::load(plan.sanctions, NEVER_EXCEEDED)?;
    ours.sanction(0..plan.sanctions, Kind::Blocked)?;
    let took = [ours.memory()? as f64 / MEBIBYTE];
    let minimal = comparison::minimal_hash(plan.sanctions)?;
    let theirs = [minimal.memory(comparison::HASH)? as f64 / MEBIBYTE];
    let figure =
        Judged::of("memory", plan.sanctions, Unit::Mebibytes, &took, Some((rivals::MINIMAL_HASH, &theirs)));
    Ok(figure.into_iter().collect())
}

/// Sanctions put into an empty table, one call each.
pub(super) fn inserts(plan: &Plan, told: impl FnMut()) -> anyhow::Result<Vec<Judged>> {
    enum Table {
        Relaygate,
        Hash,
    }
    let millions = |took: Duration| f64::from(plan.sanctions) / took.as_secs_f64() / 1e6;
    let measure = |table: &mut Table| {
        Ok(millions(match table {
            Table::Relaygate => {
                let mut empty = Relaygate::load(plan.sanctions, NEVER_EXCEEDED)?;
                timed(|| empty.sanction(0..plan.sanctions, Kind::Blocked))?
            }
            Table::Hash => {
                let mut empty = comparison::empty_hash(plan.sanctions)?;
                timed(|| comparison::fill(&mut empty, plan.sanctions))?
            }
        }))
    };
    // Filling is long enough, and steady.
    let rounds = plan.rounds.min(3);
    let took = in_turns(rounds, &mut [Table::Relaygate, Table::Hash], measure, told)?;
    Ok(Judged::beside("inserts", plan.sanctions, Unit::MillionsASecond, &[rivals::MINIMAL_HASH], &took))
}

fn timed(fill: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    fill()?;
    Ok(start.elapsed())
}
