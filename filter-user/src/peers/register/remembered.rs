//! What the register knows, as values that can be put away and given back: over a restart, over a reboot. Knows neither
//! file nor clock.

use std::sync::atomic::Ordering;

use filter_common::{PeerKey, Sanction, Timestamp};

use super::{LastStrike, Record, Register};
use crate::peers::bounded::Worth as _;
use crate::peers::enforcer::Enforcer;
use crate::peers::local::Held;
use crate::peers::strikes::StrikeLevel;

/// What is remembered of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Whom.
    pub peer: PeerKey,
    /// When all its strikes will have leaked away.
    pub strikes_until: Timestamp,
    /// How often it was blocked.
    pub blocks: u32,
    /// Until when the last time; [`Timestamp::default`] where it never was.
    pub blocked_until: Timestamp,
    /// Whether it has come back after that block.
    pub has_resumed: bool,
    /// Until when it counts as authenticated.
    pub authenticated_until: Timestamp,
    /// The offence that it was struck for last.
    pub last_strike: Option<LastStrike>,
}

impl Record {
    fn has_resumed(&self) -> bool {
        self.resumed_after >= self.blocked_until
    }

    /// Whether it was blocked, and has not come back since.
    pub(super) fn awaits_return(&self) -> bool {
        self.blocked_until > Timestamp::default() && !self.has_resumed()
    }
}

impl Remembered {
    fn of(peer: PeerKey, record: &Record) -> Self {
        Self {
            peer,
            strikes_until: record.level.empty_at(),
            blocks: record.blocks,
            blocked_until: record.blocked_until,
            has_resumed: record.has_resumed(),
            authenticated_until: record.authenticated_until,
            last_strike: record.last_strike,
        }
    }

    pub(super) fn record(&self) -> Record {
        Record {
            level: StrikeLevel::until(self.strikes_until),
            blocks: self.blocks,
            blocked_until: self.blocked_until,
            resumed_after: if self.has_resumed { self.blocked_until } else { Timestamp::default() },
            authenticated_until: self.authenticated_until,
            last_strike: self.last_strike,
        }
    }
}

impl Register {
    /// What is remembered of the peers of one shard, of [`SHARDS`](crate::peers::SHARDS), and means something at `now`.
    /// The shard is locked while it is copied, the others are not.
    #[must_use]
    pub fn remembered(&self, shard: usize, now: Timestamp) -> Vec<Remembered> {
        self.records(shard, now).iter().map(|(peer, record)| Remembered::of(*peer, record)).collect()
    }

    /// The same, as it is kept.
    pub(super) fn records(&self, shard: usize, now: Timestamp) -> Vec<(PeerKey, Record)> {
        let peers = self.peers.shard(shard);
        peers.iter().filter(|(_, record)| record.worth(now) > 0).copied().collect()
    }

    /// Remembers this, unless the peer has earned worse since, and puts in force what it comes to at `now`. A peer is what
    /// the prefix lengths of now make of it.
    pub fn remember(&self, remembered: &Remembered, now: Timestamp) {
        let peer = self.key(remembered.peer.address());
        let mut record = remembered.record();
        self.forget_old_blocks(&mut record, now);
        if record.worth(now) == 0 {
            return;
        }
        let mut peers = self.peers.of(peer);
        let known = peers.entry(peer, now);
        if known.worth(now) >= record.worth(now) {
            return;
        }
        *known = record;
        if record.authenticated_until > now {
            self.enforcer.inherit(peer, record.authenticated_until, now);
            return;
        }
        match self.in_force(peer, &record, now) {
            // It is limited when it comes back.
            Sanction::Limited { .. } if record.awaits_return() => {}
            Sanction::None => {}
            sanction => self.enforcer.enforce(peer, sanction, now),
        }
    }

    /// Puts in force again what was in force for a peer of which nothing is remembered.
    pub fn hold(&self, held: &Held, now: Timestamp) {
        let peer = self.key(held.peer.address());
        // First what exempts: between the two, nobody shall be dropped who has authenticated.
        if held.authenticated_until > now {
            self.enforcer.inherit(peer, held.authenticated_until, now);
        }
        let sanction = held.sanction.at(now);
        if sanction != Sanction::None {
            self.enforcer.enforce(peer, sanction, now);
        }
    }

    /// Where it is put in force.
    #[must_use]
    pub fn enforcer(&self) -> &dyn Enforcer {
        &*self.enforcer
    }

    /// Something was changed by hand.
    pub(super) fn edited(&self) {
        self.edits.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that is another one when something was changed by hand.
    #[must_use]
    pub fn edits(&self) -> u64 {
        self.edits.load(Ordering::Relaxed)
    }

    /// A number that is another one when what is remembered may be something else.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.peers.changes().wrapping_add(self.edits())
    }
}

#[cfg(test)]
mod tests {
    use filter_common::PrefixLengths;

    use super::super::tests::{PEER, at, register_of};
    use super::*;
    use crate::peers::{Admission, SHARDS, Strike};

    fn register(prefixes: PrefixLengths) -> Register {
        register_of(1000, prefixes, &[])
    }

    fn struck(times: u32, now: Timestamp) -> Register {
        let register = register(PrefixLengths::default());
        for _ in 0..times {
            register.strike(PEER, Strike::RelayAttempt, now);
        }
        register
    }

    fn all(register: &Register, now: Timestamp) -> Vec<Remembered> {
        (0..SHARDS).flat_map(|shard| register.remembered(shard, now)).collect()
    }

    fn given_back(from: &Register, now: Timestamp) -> Register {
        let to = register(PrefixLengths::default());
        all(from, now).iter().for_each(|remembered| to.remember(remembered, now));
        assert_eq!(all(&to, now), all(from, now));
        to
    }

    #[test]
    fn a_blocked_peer_is_blocked_again_and_for_longer_the_next_time() {
        let after = given_back(&struck(5, at(1)), at(100));
        assert_eq!(after.admit(PEER, at(300)), Admission::Blocked);
        assert_ne!(after.admit(PEER, at(301)), Admission::Blocked, "not a moment longer");
        let again = after.strike(PEER, Strike::RelayAttempt, at(302)).unwrap();
        assert_eq!(again.sanction, Sanction::Blocked { until: at(302 + 600) });
    }

    #[test]
    fn a_limited_peer_is_limited_again() {
        let after = given_back(&struck(3, at(1)), at(100));
        let admitted = (0..60).filter(|s| after.admit(PEER, at(101 + s)) == Admission::Admitted).count();
        assert_eq!(admitted, 6, "six a minute");
    }

    #[test]
    fn who_has_not_come_back_after_a_block_is_limited_when_it_does() {
        let after = given_back(&struck(5, at(1)), at(400));
        let admitted = (0..60).filter(|s| after.admit(PEER, at(401 + s)) == Admission::Admitted).count();
        assert_eq!(admitted, 6);
        // And who has, once more.
        let after = given_back(&after, at(470));
        let admitted = (0..60).filter(|s| after.admit(PEER, at(500 + s)) == Admission::Admitted).count();
        assert_eq!(admitted, 6);
    }

    #[test]
    fn an_authenticated_host_stays_so_and_strikes_that_have_leaked_away_are_not_kept() {
        let before = register(PrefixLengths::default());
        before.authenticate(PEER, at(500), at(1));
        let after = given_back(&before, at(100));
        assert_eq!(after.strike(PEER, Strike::RelayAttempt, at(499)), None);
        assert!(after.strike(PEER, Strike::RelayAttempt, at(500)).is_some());
        assert_eq!(all(&struck(2, at(1)), at(1201)), []);
    }

    #[test]
    fn blocks_of_long_ago_count_no_more_and_the_worse_of_two_stands() {
        let fresh = register(PrefixLengths::default());
        let long_ago = Remembered {
            peer: fresh.key(PEER),
            strikes_until: at(9000),
            blocks: 7,
            blocked_until: at(301),
            has_resumed: true,
            authenticated_until: Timestamp::default(),
            last_strike: None,
        };
        fresh.remember(&long_ago, at(301 + 3600));
        assert_eq!(all(&fresh, at(4000))[0].blocks, 0);

        let worse = struck(5, at(1));
        let known = all(&worse, at(2));
        worse.remember(&Remembered { strikes_until: at(3), ..long_ago }, at(2));
        assert_eq!(all(&worse, at(2)), known);
    }

    #[test]
    fn peers_of_other_prefix_lengths_become_peers_of_these() {
        let wide = register(PrefixLengths { ipv4: 24, ipv6: 64 });
        for remembered in all(&struck(5, at(1)), at(2)) {
            wide.remember(&remembered, at(2));
        }
        assert_eq!(wide.admit("192.0.2.99".parse().unwrap(), at(3)), Admission::Blocked);
    }

    #[test]
    fn what_was_in_force_is_so_again_without_anything_remembered() {
        let register = register(PrefixLengths::default());
        let peer = register.key(PEER);
        let blocked = Sanction::Blocked { until: at(50) };
        register.hold(&Held { peer, sanction: blocked, authenticated_until: Timestamp::default() }, at(1));
        assert_eq!(register.admit(PEER, at(49)), Admission::Blocked);
        register.hold(&Held { peer, sanction: Sanction::None, authenticated_until: at(40) }, at(2));
        assert_eq!(register.admit(PEER, at(39)), Admission::Admitted);
        assert!(register.is_empty());
    }

    #[test]
    fn a_strike_changes_the_number_and_a_look_does_not() {
        let register = struck(1, at(1));
        let before = register.changes();
        let _ = (register.admit(PEER, at(1)), all(&register, at(1)));
        assert_eq!(register.changes(), before);
        register.strike(PEER, Strike::RelayAttempt, at(1));
        assert_ne!(register.changes(), before);
    }
}
