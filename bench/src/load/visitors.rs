//! Who comes to the target, one after the other, and what became of all of them: the crowd's director.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use ipnet::IpNet;
use smtp_load::clients::crowd::{Arrival, Director, Ended, Next};

use super::pace::Pace;
use super::scenario::{From, Scenario};
use super::sources::Sources;
use super::speech::{Addresses, Encryption, Speech, pick};
use super::tally::{Tally, Times};

/// Visitors who do the same.
#[derive(Debug)]
pub(super) struct Kind {
    /// What they do, and where several do the same, which of them.
    pub(super) name: String,
    share: u64,
    hosts: u64,
    sources: Sources,
    speech: Speech,
    /// Sessions that it is to have at most, and that it has had.
    at_most: u64,
    begun: u64,
    pub(super) tally: Tally,
}

/// Different texts of what went wrong that are kept.
const TEXTS: usize = 50;

/// All of them.
#[derive(Debug)]
pub(super) struct Visitors {
    pub(super) kinds: Vec<Kind>,
    pace: Pace,
    left: u64,
    random: Rng,
    /// By how much sessions were begun too late.
    pub(super) late: Times,
    /// How often which reply code came.
    pub(super) codes: BTreeMap<u16, u64>,
    /// What went wrong, and how often.
    pub(super) faults: BTreeMap<String, u64>,
    bar: ProgressBar,
}

/// What is not in the scenario.
pub(super) struct Visit<'v> {
    pub(super) target: SocketAddr,
    pub(super) pace: Pace,
    pub(super) addresses: &'v Addresses,
    pub(super) encryption: &'v Encryption,
    /// In place of the scenario's networks.
    pub(super) networks: &'v [IpNet],
    pub(super) seed: u64,
}

impl Visitors {
    /// Those of `scenario`.
    pub(super) fn of(scenario: &Scenario, visit: &Visit<'_>) -> anyhow::Result<Self> {
        let &Visit { addresses, encryption, .. } = visit;
        let mut kinds = Vec::new();
        for (number, honest) in (1..).zip(&scenario.honest) {
            let speech = Speech::honest(honest, addresses, encryption);
            kinds.push(Kind::new(("honest", number), honest.share.0, &honest.from, visit, speech)?);
        }
        for (number, relay) in (1..).zip(&scenario.relay) {
            let speech = Speech::relay(relay, encryption);
            kinds.push(Kind::new(("relay", number), relay.share.0, &relay.from, visit, speech)?);
        }
        for (number, harvest) in (1..).zip(&scenario.harvest) {
            let speech = Speech::harvest(harvest, addresses, encryption);
            kinds.push(Kind::new(("harvest", number), harvest.share.0, &harvest.from, visit, speech)?);
        }
        for (number, early) in (1..).zip(&scenario.early) {
            kinds.push(Kind::new(
                ("early", number),
                early.share.0,
                &early.from,
                visit,
                Speech::early(early),
            )?);
        }
        for (number, flood) in (1..).zip(&scenario.flood) {
            kinds.push(Kind::new(
                ("flood", number),
                flood.share.0,
                &flood.from,
                visit,
                Speech::flood(flood),
            )?);
        }
        let bar = ProgressBar::new(scenario.sessions.0);
        bar.set_style(ProgressStyle::with_template(
            "{bar:30} {pos}/{len} sessions, {per_sec:.0}, {elapsed} gone",
        )?);
        Ok(Self {
            kinds,
            pace: visit.pace,
            left: scenario.sessions.0,
            random: Rng::with_seed(visit.seed),
            late: Times::new()?,
            codes: BTreeMap::new(),
            faults: BTreeMap::new(),
            bar,
        })
    }

    /// How many that were due by `now` have not been begun.
    pub(super) fn not_begun(&mut self, now: Instant) -> u64 {
        self.bar.finish_and_clear();
        let mut due = 0;
        while matches!(self.pace, Pace::Rate { .. }) && due < self.left && self.pace.due(now) < now {
            self.pace.advance(&mut self.random);
            due += 1;
        }
        due
    }
}

impl Kind {
    fn new(
        (does, number): (&str, u32),
        share: u64,
        from: &From,
        visit: &Visit<'_>,
        speech: Speech,
    ) -> anyhow::Result<Self> {
        let networks = if visit.networks.is_empty() { &from.networks[..] } else { visit.networks };
        let hosts = from.hosts.0;
        Ok(Self {
            name: if number == 1 { does.to_owned() } else { format!("{does} {number}") },
            share,
            hosts,
            sources: Sources::new(networks, hosts, visit.target)?,
            speech,
            at_most: from.tries.map_or(u64::MAX, |tries| tries.0.saturating_mul(hosts)),
            begun: 0,
            tally: Tally::new()?,
        })
    }

    /// Its share, as long as there are any left of it.
    fn share_now(&self) -> u64 {
        if self.begun < self.at_most { self.share } else { 0 }
    }
}

impl Director for Visitors {
    fn next(&mut self, now: Instant) -> Next {
        if self.left == 0 || self.kinds.iter().all(|kind| kind.share_now() == 0) {
            return Next::Nobody;
        }
        let due = self.pace.due(now);
        if due > now {
            return Next::NotBefore(due);
        }
        self.pace.advance(&mut self.random);
        self.left -= 1;
        let tag = pick(self.kinds.iter().map(Kind::share_now), &mut self.random);
        let kind = &mut self.kinds[tag];
        let number = kind.begun;
        kind.begun += 1;
        let script = kind.speech.script(number, &mut self.random);
        Next::Begin(Arrival { script, source: kind.sources.of(number % kind.hosts), due, tag })
    }

    fn heard(&mut self, _tag: usize, code: u16) {
        *self.codes.entry(code).or_default() += 1;
    }

    fn ended(&mut self, ended: Ended) {
        self.bar.inc(1);
        self.late.record(ended.begun.max(Duration::from_micros(1)));
        let kind = &mut self.kinds[ended.tag];
        if kind.tally.add(&ended).is_a_fault() {
            let text = format!("{}: {ended}", kind.name);
            if self.faults.len() < TEXTS || self.faults.contains_key(&text) {
                *self.faults.entry(text).or_default() += 1;
            }
        }
    }
}
