//! The roll of peers: who stands how, for people to look at. A page of it at a time, sorted and filtered, of any number of
//! peers: one shard after the other is copied, so that nobody waits for the whole, and no more than a page is kept. It is
//! no snapshot: who moves while it is read may be missed.

use std::collections::{BinaryHeap, HashSet};

use filter_common::{PeerKey, Sanction, Timestamp};
use ipnet::IpNet;

use super::{LastStrike, Record, Register};
use crate::peers::SHARDS;
use crate::peers::allow_list::Allowed;
use crate::peers::enforcer::Dropped;
use crate::peers::local::Held;
use crate::peers::orders::Order;

/// Peers on one page at most.
pub const LONGEST_PAGE: usize = 10_000;

/// How a peer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whom.
    pub peer: PeerKey,
    /// What is in force for it.
    pub sanction: Sanction,
    /// What of it was ordered by hand.
    pub order: Option<Order>,
    /// Strikes that stand.
    pub strikes: u32,
    /// The offence that it was struck for last.
    pub last_strike: Option<LastStrike>,
    /// How often it was blocked for its strikes.
    pub blocks: u32,
    /// Until when it counts as authenticated, if it does.
    pub authenticated_until: Option<Timestamp>,
    /// Why it is never sanctioned, if it is not.
    pub allowed: Option<Allowed>,
    /// What it has lost.
    pub dropped: Dropped,
    /// Whether the kernel has what is in force.
    pub is_installed: bool,
    /// The network that it is in, where all of that is limited.
    pub limited_network: Option<IpNet>,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollSettings {
    /// Only those that stand so.
    pub state: Option<State>,
    /// Only those in this network.
    pub network: Option<IpNet>,
    /// In which order.
    pub sorting: Sorting,
    /// How many at most; [`LONGEST_PAGE`] is the most.
    pub most: usize,
    /// Those behind this one.
    pub after: Option<Cursor>,
}

/// How a peer stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No sanction is in force.
    None,
    /// It is limited.
    Limited,
    /// It is blocked.
    Blocked,
    /// It counts as authenticated.
    Authenticated,
    /// It is sanctioned by hand.
    Ordered,
}

/// In which order peers are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sorting {
    /// By address.
    #[default]
    Peer,
    /// Whose sanction lasts longest, first.
    Until,
    /// Who has most strikes, first.
    Strikes,
    /// Who was struck last, first.
    LastStrike,
    /// Who lost most packets, first.
    Dropped,
    /// Who lost one last, first.
    LastDrop,
}

/// A place in a sorted roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Less comes first.
    pub rank: u64,
    /// Of the same rank, less comes first.
    pub peer: PeerKey,
}

/// A part of the roll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order that was asked for.
    pub standings: Vec<Standing>,
    /// How many there are in all, on this page and on others.
    pub matching: u64,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// What is looked at of every peer.
struct Listed {
    peer: PeerKey,
    record: Record,
    sanction: Sanction,
    authenticated_until: Timestamp,
}

impl Register {
    /// A page of the roll.
    #[must_use]
    pub fn roll(&self, wanted: &RollSettings, now: Timestamp) -> Page {
        let most = wanted.most.clamp(1, LONGEST_PAGE);
        // The last of those that would stand on the page is on top, to be thrown out by one that stands before it.
        let mut first = BinaryHeap::with_capacity(most + 2);
        let mut matching = 0;
        for shard in 0..SHARDS {
            for listed in self.listed(shard, now) {
                if !self.is_wanted(&listed, wanted, now) {
                    continue;
                }
                matching += 1;
                let place = Cursor { rank: self.rank(&listed, wanted.sorting, now), peer: listed.peer };
                if wanted.after.is_some_and(|after| place <= after) {
                    continue;
                }
                first.push(place);
                if first.len() > most + 1 {
                    first.pop();
                }
            }
        }
        let mut places = first.into_sorted_vec();
        places.dedup();
        let next = (places.len() > most).then(|| places[most - 1]);
        places.truncate(most);
        let standings = places.iter().map(|place| self.standing_of(place.peer, now)).collect();
        Page { standings, matching, next }
    }

    /// How the peer that an address belongs to stands.
    #[must_use]
    pub fn standing(&self, address: std::net::IpAddr, now: Timestamp) -> Standing {
        let mut standing = self.standing_of(self.key(address), now);
        // Of a peer that is many addresses, this one may be allowed.
        standing.allowed = self.allow.why(address);
        standing
    }

    fn standing_of(&self, peer: PeerKey, now: Timestamp) -> Standing {
        let record = self.peers.of(peer).get_mut(peer).map(|record| *record);
        let held = self.enforcer.held(peer, now);
        let listed = self.joined(peer, record, held, now);
        Standing {
            peer,
            sanction: listed.sanction,
            order: self.orders.of(peer, now),
            strikes: listed.record.level.strikes(self.ladder.decay, now),
            last_strike: listed.record.last_strike,
            blocks: listed.record.blocks,
            authenticated_until: Some(listed.authenticated_until).filter(|until| *until > now),
            allowed: self.allow.why(peer.address()),
            dropped: self.enforcer.dropped(peer),
            is_installed: self.enforcer.is_installed(peer),
            limited_network: self.enforcer.limited_network(peer, now),
        }
    }

    /// The peers of one shard, those that are remembered and those for which something is in force without that.
    fn listed(&self, shard: usize, now: Timestamp) -> impl Iterator<Item = Listed> {
        let records = self.records(shard, now);
        let held = self.enforcer.held_in_shard(shard, now);
        let remembered: HashSet<PeerKey> = records.iter().map(|(peer, _)| *peer).collect();
        let forgotten = held.into_iter().filter(move |held| !remembered.contains(&held.peer));
        let known = records.into_iter().map(move |(peer, record)| self.joined(peer, Some(record), None, now));
        known.chain(forgotten.map(move |held| self.joined(held.peer, None, Some(held), now)))
    }

    fn joined(&self, peer: PeerKey, record: Option<Record>, held: Option<Held>, now: Timestamp) -> Listed {
        let earned = record.map_or(Sanction::None, |record| self.in_force(peer, &record, now));
        let held_sanction = held.map_or(Sanction::None, |held| held.sanction);
        let record = record.unwrap_or_default();
        let authenticated_until = record
            .authenticated_until
            .max(held.map_or(Timestamp::default(), |held| held.authenticated_until));
        let sanction = if authenticated_until > now { Sanction::None } else { earned.max(held_sanction) };
        Listed { peer, record, sanction, authenticated_until }
    }

    fn is_wanted(&self, listed: &Listed, wanted: &RollSettings, now: Timestamp) -> bool {
        let state = wanted.state.is_none_or(|state| match state {
            State::None => listed.sanction == Sanction::None,
            State::Limited => matches!(listed.sanction, Sanction::Limited { .. }),
            State::Blocked => matches!(listed.sanction, Sanction::Blocked { .. }),
            State::Authenticated => listed.authenticated_until > now,
            State::Ordered => self.orders.sanction(listed.peer, now) != Sanction::None,
        });
        state && wanted.network.is_none_or(|network| network.contains(&listed.peer.address()))
    }

    fn rank(&self, listed: &Listed, sorting: Sorting, now: Timestamp) -> u64 {
        let most_first = match sorting {
            Sorting::Peer => 0,
            Sorting::Until => match listed.sanction {
                Sanction::None => listed.authenticated_until.0,
                Sanction::Limited { until } | Sanction::Blocked { until } => until.0,
            },
            Sorting::Strikes => u64::from(listed.record.level.strikes(self.ladder.decay, now)),
            Sorting::LastStrike => listed.record.last_strike.map_or(0, |strike| strike.at.0),
            Sorting::Dropped => self.enforcer.dropped(listed.peer).packets,
            Sorting::LastDrop => self.enforcer.dropped(listed.peer).last.map_or(0, |last| last.0),
        };
        u64::MAX - most_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Strike;
    use crate::peers::register::tests::{at, register, register_of};

    fn address(n: u32) -> std::net::IpAddr {
        std::net::IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + n))
    }

    fn peers(page: &Page) -> Vec<String> {
        page.standings.iter().map(|standing| standing.peer.to_string()).collect()
    }

    fn struck(register: &Register, n: u32, times: u32, now: Timestamp) {
        for _ in 0..times {
            register.strike(address(n), Strike::UnknownRecipient, now);
        }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition_in_every_order() {
        let register = register(&[]);
        for n in 0..300 {
            struck(&register, n, n % 7, at(1 + u64::from(n % 11)));
        }
        for sorting in
            [Sorting::Peer, Sorting::Until, Sorting::Strikes, Sorting::LastStrike, Sorting::Dropped]
        {
            let mut wanted = RollSettings { sorting, most: 1000, ..RollSettings::default() };
            let whole = register.roll(&wanted, at(20));
            assert_eq!((whole.matching, whole.next), (300 - 43, None), "who has no strike is not remembered");
            wanted.most = 50;
            let mut parts = Vec::new();
            loop {
                let page = register.roll(&wanted, at(20));
                assert_eq!(page.matching, whole.matching);
                parts.extend(peers(&page));
                wanted.after = page.next;
                if page.next.is_none() {
                    break;
                }
            }
            assert_eq!(parts, peers(&whole), "{sorting:?}");
        }
        let by_strikes = RollSettings { sorting: Sorting::Strikes, most: 1000, ..RollSettings::default() };
        let strikes: Vec<u32> =
            register.roll(&by_strikes, at(20)).standings.iter().map(|standing| standing.strikes).collect();
        assert!(strikes.is_sorted_by(|one, next| one >= next) && strikes.first() == Some(&5), "{strikes:?}");
    }

    #[test]
    fn filters_leave_those_that_stand_so() {
        let register = register(&[]);
        struck(&register, 1, 2, at(1));
        struck(&register, 2, 3, at(1));
        struck(&register, 3, 5, at(1));
        register.authenticate(address(4), at(100), at(1));
        // What an earlier process has left in force.
        let left = crate::peers::Held {
            peer: register.key(address(5)),
            sanction: Sanction::Blocked { until: at(90) },
            authenticated_until: Timestamp::default(),
        };
        register.hold(&left, at(1));
        let listed = |state, network: Option<&str>| {
            let network = network.map(|network| network.parse().unwrap());
            peers(
                &register.roll(&RollSettings { state, network, most: 10, ..RollSettings::default() }, at(2)),
            )
        };
        assert_eq!(listed(None, None).len(), 5);
        assert_eq!(listed(Some(State::None), None), ["10.0.0.1", "10.0.0.4"]);
        assert_eq!(listed(Some(State::Limited), None), ["10.0.0.2"]);
        assert_eq!(listed(Some(State::Blocked), None), ["10.0.0.3", "10.0.0.5"]);
        assert_eq!(listed(Some(State::Authenticated), None), ["10.0.0.4"]);
        assert_eq!(listed(Some(State::Ordered), None), Vec::<String>::new());
        assert_eq!(listed(None, Some("10.0.0.4/31")), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(listed(Some(State::Blocked), Some("192.0.2.0/24")), Vec::<String>::new());
    }

    #[test]
    fn of_a_million_peers_a_page_is_kept_and_strikes_go_on_meanwhile() {
        const MILLION: u32 = 1_000_000;
        let register = register_of(2 * MILLION as usize, filter_common::PrefixLengths::default(), &[]);
        for n in 0..MILLION {
            struck(&register, n, 1, at(1));
        }
        let wanted = RollSettings { sorting: Sorting::Strikes, most: 100, ..RollSettings::default() };
        let done = std::sync::atomic::AtomicBool::new(false);
        let (page, strikes) = std::thread::scope(|scope| {
            let striking = scope.spawn(|| {
                let mut strikes = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    struck(&register, strikes % MILLION, 1, at(2));
                    strikes += 1;
                }
                strikes
            });
            let page = register.roll(&wanted, at(2));
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            (page, striking.join().unwrap())
        });
        assert_eq!((page.standings.len(), page.matching), (100, u64::from(MILLION)));
        assert!(page.next.is_some());
        // Were all of them locked meanwhile, there would be one or two.
        assert!(strikes > 1000, "{strikes} strikes");
    }

    #[test]
    fn a_peer_stands_as_it_was_struck() {
        let register = register(&[]);
        struck(&register, 9, 5, at(1));
        let standing = register.standing(address(9), at(3));
        assert_eq!(
            (standing.sanction, standing.strikes, standing.blocks),
            (Sanction::Blocked { until: at(301) }, 5, 1)
        );
        assert_eq!(standing.last_strike, Some(LastStrike { kind: Strike::UnknownRecipient, at: at(1) }));
        assert_eq!(register.standing(address(8), at(3)).strikes, 0, "of whom nothing is known");
    }
}
