//! What an earlier process has left in force, and the register learns from the enforcer. It is newer than what a state file
//! says of the same peers: of those the file tells only what led to it.

use std::collections::HashSet;
use std::time::Duration;

use filter_common::{PeerKey, Sanction, Timestamp};

use super::{Record, Register, Remembered};
use crate::peers::bounded::{SHARDS, Worth as _};

/// Peers for whom something was in force when this process began.
#[derive(Debug, Default)]
pub struct Inherited(HashSet<PeerKey>);

impl Inherited {
    /// Whether the peer is one of them.
    #[must_use]
    pub fn contains(&self, peer: PeerKey) -> bool {
        self.0.contains(&peer)
    }
}

/// The table of hosts and the state file keep times to a millisecond.
const SLACK: Duration = Duration::from_millis(10);

impl Register {
    /// Remembers what is in force already, of peers of whom nothing is remembered: what an earlier process has left in the
    /// kernel. Who is blocked has been blocked once, at least.
    pub fn inherit(&self, now: Timestamp) -> Inherited {
        let mut inherited = Inherited::default();
        for shard in 0..SHARDS {
            for held in self.enforcer.held_in_shard(shard, now) {
                inherited.0.insert(held.peer);
                let mut record =
                    Record { authenticated_until: held.authenticated_until, ..Record::default() };
                if let Sanction::Blocked { until } = held.sanction
                    && !self.is_ordered(held.peer, until, now)
                {
                    (record.blocks, record.blocked_until) = (1, until);
                }
                // A limit ends without a trace.
                if record.worth(now) == 0 {
                    continue;
                }
                let mut peers = self.peers.of(held.peer);
                let known = peers.entry(held.peer, now);
                if known.worth(now) == 0 {
                    *known = record;
                }
            }
        }
        inherited
    }

    /// Remembers what led to what is in force for an inherited peer. Nothing else is put in force by it: a state file was
    /// written up to a minute before the process ended that wrote it.
    pub fn recall(&self, peer: PeerKey, remembered: Option<&Remembered>, now: Timestamp) {
        let held = self.enforcer.held(peer, now);
        if held.is_some_and(|held| held.authenticated_until > now) {
            // That has cleared it.
            return;
        }
        let mut record = remembered.map_or_else(Record::default, Remembered::record);
        self.forget_old_blocks(&mut record, now);
        record.authenticated_until = Timestamp::default();
        match held.map_or(Sanction::None, |held| held.sanction) {
            Sanction::Blocked { until } if self.is_ordered(peer, until, now) => {}
            Sanction::Blocked { until } => {
                if !is_about(until, record.blocked_until) {
                    record.blocks = record.blocks.saturating_add(1);
                }
                (record.blocked_until, record.resumed_after) = (until, Timestamp::default());
            }
            // It has been freed, or has come back after a block.
            Sanction::Limited { .. } | Sanction::None => {
                record.blocked_until = record.blocked_until.min(now);
                record.resumed_after = record.blocked_until;
            }
        }
        *self.peers.of(peer).entry(peer, now) = record;
    }

    /// Whether it is by an order that a peer is blocked until then: what was not earned is not counted.
    fn is_ordered(&self, peer: PeerKey, until: Timestamp, now: Timestamp) -> bool {
        matches!(self.orders.sanction(peer, now), Sanction::Blocked { until: ordered } if is_about(ordered, until))
    }
}

fn is_about(one: Timestamp, other: Timestamp) -> bool {
    one.since(other).max(other.since(one)) < SLACK
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use filter_common::PrefixLengths;

    use super::super::tests::{PEER, at, register_of};
    use super::*;
    use crate::peers::{Admission, Hand, Order, Strike};

    fn register(prefixes: PrefixLengths) -> Register {
        register_of(1000, prefixes, &[])
    }

    #[test]
    fn what_is_in_force_already_is_remembered_as_far_as_it_tells() {
        let register = register(PrefixLengths::default());
        let [blocked, limited, authenticated] = [7, 8, 9].map(|n| IpAddr::from([192, 0, 2, n]));
        let until = at(300);
        let enforcer = register.enforcer();
        enforcer.enforce(register.key(blocked), Sanction::Blocked { until }, at(0));
        enforcer.enforce(register.key(limited), Sanction::Limited { until }, at(0));
        enforcer.authenticate(register.key(authenticated), until, at(0));
        register.inherit(at(1));
        assert_eq!(register.len(), 2);
        let struck = register.strike(blocked, Strike::RelayAttempt, at(2)).unwrap();
        assert_eq!((struck.sanction, struck.escalated), (Sanction::Blocked { until }, false));
        assert_eq!(register.strike(authenticated, Strike::RelayAttempt, at(2)), None, "it is exempt");
        // The next block is its second, and so a longer one.
        let mut now = at(301);
        let second = (0..9).find_map(|_| {
            now = now.plus(Duration::from_secs(1));
            match register.strike(blocked, Strike::RelayAttempt, now)?.sanction {
                Sanction::Blocked { until } => Some(until.since(now)),
                Sanction::None | Sanction::Limited { .. } => None,
            }
        });
        assert!(second.unwrap() > Duration::from_secs(300), "{second:?}");
    }

    /// What an earlier process has left in force for a peer, and what a file of a minute before says of it.
    fn recalled(sanction: Sanction, file: &Remembered) -> Register {
        let register = register(PrefixLengths::default());
        register.enforcer().enforce(file.peer, sanction, at(0));
        let inherited = register.inherit(at(100));
        assert_eq!(inherited.contains(file.peer), sanction.at(at(100)) != Sanction::None);
        register.recall(file.peer, Some(file), at(100));
        register
    }

    /// Five strikes that have not leaked away, and two blocks.
    fn file(blocked_until: Timestamp) -> Remembered {
        Remembered {
            peer: PeerKey::from_ip(PEER, PrefixLengths::default()),
            strikes_until: at(3000),
            blocks: 2,
            blocked_until,
            has_resumed: false,
            authenticated_until: Timestamp::default(),
            last_strike: None,
        }
    }

    #[test]
    fn the_block_in_force_stands_and_what_led_to_it_is_recalled() {
        for (in_file, in_force, blocks) in [
            // The same, as each keeps time; a newer one, and shorter or longer than what it came after.
            (Timestamp(at(400).0 + 1_000_000), at(400), 2),
            (at(90), at(400), 3),
            (at(900), at(400), 3),
        ] {
            let register = recalled(Sanction::Blocked { until: in_force }, &file(in_file));
            let standing = register.standing(PEER, at(101));
            assert_eq!((standing.sanction, standing.blocks), (Sanction::Blocked { until: in_force }, blocks));
            assert_eq!(standing.strikes, 5);
            assert_ne!(register.admit(PEER, at(400)), Admission::Blocked);
        }
    }

    #[test]
    fn who_has_been_freed_or_has_come_back_since_is_not_blocked_again() {
        let register = recalled(Sanction::Limited { until: at(1000) }, &file(at(900)));
        assert!(matches!(register.standing(PEER, at(101)).sanction, Sanction::Limited { .. }));
        assert_ne!(register.admit(PEER, at(101)), Admission::Blocked);
    }

    #[test]
    fn who_has_authenticated_since_has_no_strikes() {
        let register = register(PrefixLengths::default());
        let peer = register.key(PEER);
        register.enforcer().authenticate(peer, at(500), at(0));
        register.inherit(at(100));
        register.recall(peer, Some(&file(at(900))), at(100));
        let standing = register.standing(PEER, at(101));
        assert_eq!((standing.strikes, standing.authenticated_until), (0, Some(at(500))));
    }

    #[test]
    fn a_block_by_hand_is_not_counted_as_one_that_was_earned() {
        let register = register(PrefixLengths::default());
        let (peer, until) = (register.key(PEER), at(500));
        register.enforcer().enforce(peer, Sanction::Blocked { until }, at(0));
        register.inherit(at(100));
        let hand = Hand { by: 0, since: at(1), reason: "a test".into() };
        register.order(PEER, Order { sanction: Sanction::Blocked { until }, hand }, at(100)).unwrap();
        register.recall(peer, None, at(100));
        register.inherit(at(100));
        let standing = register.standing(PEER, at(101));
        assert_eq!((standing.sanction, standing.blocks), (Sanction::Blocked { until }, 0));
    }
}
