//! Compares what the kernel holds with what is wanted, both ways and for ever: a part of it each time. Puts right what
//! differs, takes out what is over, brings in what was metered.

use std::ops::Range;
use std::sync::PoisonError;

use filter_common::table::{Entry, Kind};
use filter_common::{PeerKey, Timestamp};

use super::enforcer::{KernelEnforcer, wanted};
use super::growing_table::{NotHeld, give_back, make};
use super::hosts::{Done, HostTable};
use crate::peers::{Enforcer, Held, LocalEnforcer, SHARDS};

/// Buckets that a sweep looks at: a million hosts take it sixteen rounds.
const BUCKETS: u32 = 1 << 16;

/// Buckets, and peers, that are looked at before other threads get their turn: a tenth of a millisecond.
const BUCKETS_AT_ONCE: u32 = 256;
const PEERS_AT_ONCE: usize = 512;

/// Limited networks, each a system call.
const NETWORKS_AT_ONCE: usize = 64;

/// Peers of this process that a sweep looks at, to the next whole shard.
const PEERS: usize = 1 << 16;

/// Where the rounds have come to, and what the last whole ones found.
#[derive(Debug)]
pub(super) struct Rounds {
    bucket: u32,
    shard: usize,
    /// Wanted of each kind, as each shard was seen last.
    wanted: [[usize; Kind::ALL.len()]; SHARDS],
    table: Round,
    wanted_side: Round,
    /// Whether this round has found anybody wanted who is not in the table.
    is_missing: bool,
    repaired: u64,
    ended: u64,
}

/// One way round.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    so_far: u64,
    last: u64,
    /// Peers that this process had forgotten when the round began.
    forgotten: u64,
}

impl Round {
    fn end(&mut self, forgotten: u64) {
        // What this process had to forget for want of room is not wanted any more: the kernel learns of it here, and
        // nothing is wrong.
        let expected = forgotten.wrapping_sub(self.forgotten);
        *self = Self { so_far: 0, last: self.so_far.saturating_sub(expected), forgotten };
    }
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            bucket: 0,
            shard: 0,
            wanted: [[0; Kind::ALL.len()]; SHARDS],
            table: Round::default(),
            wanted_side: Round::default(),
            is_missing: false,
            repaired: 0,
            ended: 0,
        }
    }
}

impl Rounds {
    /// How many are wanted of a kind.
    pub(super) fn wanted(&self, kind: Kind) -> usize {
        self.wanted.iter().map(|of_shard| of_shard[kind as usize - 1]).sum()
    }

    /// Entries that differed in the last whole round of each way, for no reason that is known.
    pub(super) fn differences(&self) -> u64 {
        self.table.last + self.wanted_side.last
    }

    /// Entries that were put right, ever.
    pub(super) fn repaired(&self) -> u64 {
        self.repaired
    }
}

impl KernelEnforcer {
    /// Looks at a part of the table and a part of what is wanted; returns how many entries were over.
    pub(super) fn sweep(&self, now: Timestamp) -> usize {
        let mut rounds = self.rounds();
        let ended = rounds.ended;
        self.grow();
        self.sweep_table(&mut rounds, now);
        self.sweep_wanted(&mut rounds, now);
        while self.hosts().renew_networks(NETWORKS_AT_ONCE, now) {}
        usize::try_from(rounds.ended - ended).unwrap_or(usize::MAX)
    }

    /// Lets the table be as large as it may ever be.
    pub(super) fn grow_whole(&self) -> Result<(), NotHeld> {
        let grown = self.hosts().table_mut().grow_whole();
        self.grow();
        grown
    }

    /// What takes its time, and no lock of the table.
    fn grow(&self) {
        let maker = self.hosts().table().maker();
        let mut maker = maker.lock().unwrap_or_else(PoisonError::into_inner);
        let soon_needed = self.hosts().table().soon_needed();
        if let Some((generation, seed)) = soon_needed {
            let made = make(&mut *maker, generation, seed);
            self.hosts().table_mut().grow_into(generation, made);
        }
        let mut hosts = self.hosts();
        if !hosts.table().is_told() {
            hosts.table_mut().tell_in_force_to(&mut *maker);
        }
        let settled = hosts.table_mut().take_settled();
        drop(hosts);
        give_back(settled, &mut *maker);
    }

    fn sweep_table(&self, rounds: &mut Rounds, now: Timestamp) {
        let mut left = BUCKETS;
        while left > 0 {
            let mut hosts = self.hosts();
            hosts
                .table_mut()
                .go_on(BUCKETS_AT_ONCE, |peer, drops| self.local().note_dropped(peer, drops, now));
            let buckets = hosts.table().current().buckets();
            let begin = if rounds.bucket < buckets { rounds.bucket } else { 0 };
            let end = (begin + BUCKETS_AT_ONCE.min(left)).min(buckets);
            look_at_table(&mut hosts, self.local(), begin..end, rounds, now);
            drop(hosts);
            left -= end - begin;
            rounds.bucket = end;
            if end == buckets {
                rounds.bucket = 0;
                rounds.table.end(self.local().forgotten());
                // Once round is enough.
                return;
            }
        }
    }

    fn sweep_wanted(&self, rounds: &mut Rounds, now: Timestamp) {
        let mut seen = 0;
        for _ in 0..SHARDS {
            let held = self.local().held_in_shard(rounds.shard, now);
            let mut count = [0; Kind::ALL.len()];
            for peers in held.chunks(PEERS_AT_ONCE) {
                let mut hosts = self.hosts();
                for held in peers {
                    if let Some((kind, _)) = wanted(Some(held), now) {
                        count[kind as usize - 1] += 1;
                    }
                    look_at_wanted(&mut hosts, self, held, rounds, now);
                }
            }
            seen += held.len();
            rounds.wanted[rounds.shard] = count;
            rounds.shard += 1;
            if rounds.shard == SHARDS {
                rounds.shard = 0;
                rounds.wanted_side.end(self.local().forgotten());
                if !std::mem::take(&mut rounds.is_missing) {
                    self.set_short(false);
                }
            }
            if seen >= PEERS {
                return;
            }
        }
    }
}

fn look_at_table(
    hosts: &mut HostTable,
    local: &LocalEnforcer,
    buckets: Range<u32>,
    rounds: &mut Rounds,
    now: Timestamp,
) {
    let entries: Vec<Entry> = hosts.table().current().entries(buckets).collect();
    for Entry { peer, standing, meter } in entries {
        let shall = wanted(local.held(peer, now).as_ref(), now);
        if standing.until <= now {
            let Done { drops, .. } = hosts.take_out(peer);
            local.note_dropped(peer, drops, now);
            rounds.ended += 1;
            // An authentication that is over may have stood before a sanction.
            let _ = hosts.accord(peer, shall, now);
        } else if !hosts.accords(peer, shall) {
            rounds.table.so_far += 1;
            put_right(hosts, local, peer, now, rounds);
        } else if meter != meter.harvested(standing.kind) {
            let (drops, until) = hosts.harvest(peer, now);
            local.note_dropped(peer, drops, now);
            if let Some(until) = until {
                local.authenticate(peer, until, now);
            }
        }
    }
}

fn look_at_wanted(
    hosts: &mut HostTable,
    enforcer: &KernelEnforcer,
    seen: &Held,
    rounds: &mut Rounds,
    now: Timestamp,
) {
    let local = enforcer.local();
    // The second look, because it may have changed since it was seen.
    let accords = hosts.accords(seen.peer, wanted(Some(seen), now))
        || hosts.accords(seen.peer, wanted(local.held(seen.peer, now).as_ref(), now));
    if !accords && put_right(hosts, local, seen.peer, now, rounds) && !enforcer.is_short() {
        rounds.wanted_side.so_far += 1;
    }
    rounds.is_missing |= hosts.table().get(seen.peer).is_none();
}

/// Whether anything was done.
fn put_right(
    hosts: &mut HostTable,
    local: &LocalEnforcer,
    peer: PeerKey,
    now: Timestamp,
    rounds: &mut Rounds,
) -> bool {
    let Ok(done) = hosts.accord(peer, wanted(local.held(peer, now).as_ref(), now), now) else { return false };
    local.note_dropped(peer, done.drops, now);
    rounds.repaired += u64::from(done.changed);
    done.changed
}

#[cfg(test)]
mod tests;
