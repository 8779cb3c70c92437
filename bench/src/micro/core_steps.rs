//! The relay decision of a recipient that is refused, and the strike that it earns. Beside nobody: no other does the same.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use filter_common::{PrefixLengths, Rate, Timestamp};
use filter_user::address::ForwardPath;
use filter_user::peers::{Ladder, LocalEnforcer, Register, Strike, Weights};
use filter_user::policy::{DirectoryAnswer, Facts, Policy, PolicySettings};

use super::Plan;
use super::contest::{Work, nanoseconds};
use crate::turns::in_turns;
use bench::judged::{Judged, Unit};

/// Peers that strike in turn, and that are remembered: more than a cache has lines for.
const PEERS: u32 = 100_000;
/// Strikes of a turn for each line that a parser reads in one.
const STRIKES: usize = 100;

/// What each takes.
pub(super) fn figures(plan: Plan, told: &dyn Fn()) -> anyhow::Result<Vec<Judged>> {
    let policy = Policy::new(&PolicySettings {
        local_domains: vec!["example.org".to_owned()],
        reroute: true,
        ..PolicySettings::default()
    });
    let facts = Facts::of_connection(Ipv4Addr::new(198, 51, 100, 7).into(), None);
    let recipient = ForwardPath::parse(b"<victim@far.example>", false);
    let (path, _) = recipient.map_err(|error| anyhow::anyhow!("{}", error.text()))?;
    let decide: Work<'_> = Box::new(|| {
        for _ in 0..plan.repeats * 10 {
            let placement = policy.place(black_box(&path));
            black_box(policy.decide(&facts, &placement, DirectoryAnswer::NotAsked));
        }
        plan.repeats * 10
    });
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let enforcer = Arc::new(LocalEnforcer::new(Rate::new(6, minutes(1), 1), PEERS as usize));
    let ladder = Ladder {
        to_limit: 3,
        to_block: 10,
        decay: minutes(10),
        block_for: minutes(5),
        block_max: minutes(24 * 60),
    };
    let (weights, prefixes) = (Weights::default(), PrefixLengths::default());
    let register = Register::new(ladder, weights, prefixes, &[], PEERS as usize, enforcer);
    let mut strikes = 0u64;
    let strike: Work<'_> = Box::new(|| {
        for _ in 0..plan.repeats * STRIKES {
            // Each peer is back after a quarter of an hour: its last strike has leaked away.
            let now = Duration::from_secs(900).mul_f64(strikes as f64 / f64::from(PEERS));
            let peer = Ipv4Addr::from((strikes % u64::from(PEERS)) as u32);
            let now = Timestamp(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
            black_box(register.strike(peer.into(), Strike::RelayAttempt, now));
            strikes += 1;
        }
        plan.repeats * STRIKES
    });
    let mut figures = Vec::new();
    for (what, entries, work) in [("decide: relaying prohibited", 1, decide), ("strike", PEERS, strike)] {
        let took = in_turns(plan.rounds, &mut [work], nanoseconds, told)?;
        let figure = Judged::of(what, entries, Unit::NanosecondsEach, &took[0], None);
        figures.push(figure.context("no round was measured")?);
    }
    Ok(figures)
}
