//! The register of peers: who has how many strikes, in bounded memory; puts what they earn in force.

mod remembered;

use std::net::IpAddr;
use std::sync::Arc;

use filter_common::{PeerKey, PrefixLengths, Sanction, Timestamp};
use ipnet::IpNet;
use prefix_trie::PrefixSet;

use super::bounded::{Shards, Worth};
use super::enforcer::{Admission, Enforcer};
use super::ladder::Ladder;
use super::strikes::{Strike, StrikeLevel, Weights};

pub use remembered::Remembered;

/// What is remembered of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    level: StrikeLevel,
    /// How often it was blocked, and until when the last time.
    blocks: u32,
    blocked_until: Timestamp,
    /// The end of the block after which the peer was last limited again.
    resumed_after: Timestamp,
    authenticated_until: Timestamp,
}

impl Worth for Record {
    fn worth(&self, now: Timestamp) -> u64 {
        let last = self.level.empty_at().max(self.blocked_until).max(self.authenticated_until);
        last.0.saturating_sub(now.0)
    }
}

/// What a strike came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The strikes that stand now, this one among them.
    pub strikes: u32,
    /// What is in force now.
    pub sanction: Sanction,
    /// Whether this strike made it worse.
    pub escalated: bool,
}

/// Remembers strikes and sanctions.
pub struct Register {
    peers: Shards<Record>,
    ladder: Ladder,
    weights: Weights,
    prefixes: PrefixLengths,
    allowed_ipv4: PrefixSet<ipnet::Ipv4Net>,
    allowed_ipv6: PrefixSet<ipnet::Ipv6Net>,
    enforcer: Arc<dyn Enforcer>,
}

impl Register {
    /// Remembers at most `max_peers`, never sanctions those in `allow`.
    #[must_use]
    pub fn new(
        ladder: Ladder,
        weights: Weights,
        prefixes: PrefixLengths,
        allow: &[IpNet],
        max_peers: usize,
        enforcer: Arc<dyn Enforcer>,
    ) -> Self {
        let mut allowed_ipv4 = PrefixSet::new();
        let mut allowed_ipv6 = PrefixSet::new();
        for network in allow {
            match network {
                IpNet::V4(v4) => allowed_ipv4.insert(*v4),
                IpNet::V6(v6) => allowed_ipv6.insert(*v6),
            };
        }
        Self {
            peers: Shards::new(max_peers),
            ladder,
            weights,
            prefixes,
            allowed_ipv4,
            allowed_ipv6,
            enforcer,
        }
    }

    /// The key of a peer.
    #[must_use]
    pub fn key(&self, address: IpAddr) -> PeerKey {
        PeerKey::from_ip(address, self.prefixes)
    }

    /// Whether a host is on the allow-list.
    #[must_use]
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                !self.allowed_ipv4.is_empty()
                    && self.allowed_ipv4.get_lpm(&ipnet::Ipv4Net::from(v4)).is_some()
            }
            IpAddr::V6(v6) => {
                !self.allowed_ipv6.is_empty()
                    && self.allowed_ipv6.get_lpm(&ipnet::Ipv6Net::from(v6)).is_some()
            }
        }
    }

    /// What is done with a connection that was just accepted. Order: authenticated, allowed, then sanctions.
    #[must_use]
    pub fn admit(&self, address: IpAddr, now: Timestamp) -> Admission {
        if self.is_allowed(address) {
            return Admission::Admitted;
        }
        let peer = self.key(address);
        let admission = self.enforcer.admit(peer, now);
        if admission == Admission::Admitted && self.resume(peer, now) {
            return self.enforcer.admit(peer, now);
        }
        admission
    }

    /// A block that is over leaves the strikes that earned it: the peer is limited for as long as they say. Done once,
    /// when the peer comes back; says whether it was now.
    fn resume(&self, peer: PeerKey, now: Timestamp) -> bool {
        let mut peers = self.peers.of(peer);
        let Some(record) = peers.get_mut(peer) else { return false };
        let is_back =
            record.awaits_return() && record.blocked_until <= now && record.authenticated_until <= now;
        if !is_back {
            return false;
        }
        record.resumed_after = record.blocked_until;
        match self.in_force(record, now) {
            limited @ Sanction::Limited { .. } => {
                self.enforcer.enforce(peer, limited, now);
                true
            }
            Sanction::None | Sanction::Blocked { .. } => false,
        }
    }

    /// Records an offence, and puts in force what it earns. Allow-listed and authenticated hosts earn nothing, and
    /// neither does a kind that is forgiven.
    pub fn strike(&self, address: IpAddr, strike: Strike, now: Timestamp) -> Option<Struck> {
        let weight = self.weights.of(strike);
        if weight == 0 || self.is_allowed(address) {
            return None;
        }
        let peer = self.key(address);
        // Held until the sanction is in force: of two workers that strike at once, the later word must not be the milder.
        let mut peers = self.peers.of(peer);
        let record = peers.entry(peer, now);
        if record.authenticated_until > now {
            return None;
        }
        let before = self.in_force(record, now);
        if let Sanction::Blocked { .. } = before {
            // What a blocked peer's open session still says prolongs nothing: it is reset anyway.
            let strikes = record.level.strikes(self.ladder.decay, now);
            return Some(Struck { strikes, sanction: before, escalated: false });
        }
        if record.blocked_until.plus(self.ladder.block_max) <= now {
            record.blocks = 0;
        }
        record.level = record.level.add(weight, self.ladder.decay, now);
        let strikes = record.level.strikes(self.ladder.decay, now);
        let sanction = self.ladder.sanction(record.level, record.blocks, now);
        if let Sanction::Blocked { until } = sanction {
            record.blocks = record.blocks.saturating_add(1);
            record.blocked_until = until;
        }
        let escalated = std::mem::discriminant(&sanction) != std::mem::discriminant(&before);
        if sanction != Sanction::None {
            self.enforcer.enforce(peer, sanction, now);
        }
        Some(Struck { strikes, sanction, escalated })
    }

    /// The host has authenticated: its strikes are cleared, and none of its sanctions apply until then.
    pub fn authenticate(&self, address: IpAddr, until: Timestamp, now: Timestamp) {
        let peer = self.key(address);
        let mut peers = self.peers.of(peer);
        *peers.entry(peer, now) = Record { authenticated_until: until, ..Record::default() };
        self.enforcer.enforce(peer, Sanction::None, now);
        self.enforcer.authenticate(peer, until, now);
    }

    /// Peers remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Peers that were forgotten to make room for others.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.peers.forgotten()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn in_force(&self, record: &Record, now: Timestamp) -> Sanction {
        if record.blocked_until > now {
            return Sanction::Blocked { until: record.blocked_until };
        }
        match self.ladder.sanction(record.level, record.blocks, now) {
            // Strikes that outlast a block do not block again by themselves: the next strike does.
            Sanction::Blocked { .. } | Sanction::Limited { .. } => {
                Sanction::Limited { until: record.level.below(self.ladder.to_limit, self.ladder.decay) }
            }
            Sanction::None => Sanction::None,
        }
    }
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register")
            .field("ladder", &self.ladder)
            .field("peers", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use filter_common::Rate;

    use super::*;
    use crate::peers::LocalEnforcer;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    fn register(allow: &[IpNet]) -> Register {
        let ladder = Ladder {
            to_limit: 3,
            to_block: 5,
            decay: Duration::from_secs(600),
            block_for: Duration::from_secs(300),
            block_max: Duration::from_secs(3600),
        };
        let enforcer = Arc::new(LocalEnforcer::new(Rate::new(6, Duration::from_secs(60), 1), 1000));
        Register::new(ladder, Weights::default(), PrefixLengths::default(), allow, 1000, enforcer)
    }

    const NOTHING: Struck = Struck { strikes: 0, sanction: Sanction::None, escalated: false };

    fn strike(register: &Register, times: u32, now: Timestamp) -> Struck {
        (0..times)
            .map(|_| register.strike(PEER, Strike::RelayAttempt, now).unwrap_or(NOTHING))
            .last()
            .unwrap()
    }

    #[test]
    fn strikes_are_enforced_as_they_add_up() {
        let register = register(&[]);
        assert_eq!(strike(&register, 2, at(1)).sanction, Sanction::None);
        let limited = strike(&register, 1, at(1));
        assert!(matches!(limited.sanction, Sanction::Limited { .. }) && limited.escalated);
        assert!(!strike(&register, 1, at(1)).escalated);
        let blocked = strike(&register, 1, at(1));
        assert_eq!(
            blocked,
            Struck { strikes: 5, sanction: Sanction::Blocked { until: at(301) }, escalated: true }
        );
        assert_eq!(register.admit(PEER, at(300)), Admission::Blocked);
        assert_ne!(register.admit(PEER, at(301)), Admission::Blocked);
    }

    #[test]
    fn who_goes_on_after_a_block_is_blocked_for_longer() {
        let register = register(&[]);
        strike(&register, 5, at(1));
        let again = strike(&register, 1, at(302));
        assert_eq!(again.sanction, Sanction::Blocked { until: at(302 + 600) });
        assert!(again.escalated);
    }

    #[test]
    fn after_a_block_the_strikes_that_are_left_still_limit() {
        let register = register(&[]);
        strike(&register, 5, at(1));
        assert_eq!(register.admit(PEER, at(300)), Admission::Blocked);
        let admitted = (0..60).filter(|s| register.admit(PEER, at(301 + s)) == Admission::Admitted).count();
        assert_eq!(admitted, 6, "six a minute");
        assert_eq!(
            register.admit(PEER, at(301 + 5 * 600)),
            Admission::Admitted,
            "until they have leaked away"
        );
        assert_eq!(register.admit(PEER, at(301 + 5 * 600)), Admission::Admitted);
    }

    #[test]
    fn what_a_dying_session_says_is_not_counted() {
        let register = register(&[]);
        let blocked = strike(&register, 5, at(1));
        assert_eq!(strike(&register, 20, at(2)).strikes, blocked.strikes);
    }

    #[test]
    fn of_two_workers_that_strike_at_once_the_block_stands() {
        let register = register(&[]);
        for peer in 0..20_000u32 {
            let address = IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + peer % 900));
            let now = at(1 + u64::from(peer / 900) * 100_000);
            let strike = || {
                for _ in 0..3 {
                    register.strike(address, Strike::RelayAttempt, now);
                }
            };
            std::thread::scope(|scope| {
                if peer % 50 == 0 {
                    scope.spawn(strike);
                    scope.spawn(strike);
                } else {
                    strike();
                    strike();
                }
            });
            assert_eq!(register.admit(address, now), Admission::Blocked);
        }
    }

    #[test]
    fn blocks_are_forgotten_after_good_behaviour() {
        let register = register(&[]);
        strike(&register, 5, at(1));
        let much_later = at(301 + 3600 + 3000);
        assert_eq!(
            strike(&register, 5, much_later).sanction,
            Sanction::Blocked { until: much_later.plus(Duration::from_secs(300)) }
        );
    }

    #[test]
    fn a_blocked_peers_open_sessions_prolong_nothing() {
        let register = register(&[]);
        strike(&register, 5, at(1));
        let more = strike(&register, 20, at(2));
        assert_eq!(more.sanction, Sanction::Blocked { until: at(301) });
        assert!(!more.escalated);
    }

    #[test]
    fn an_allow_listed_host_earns_nothing() {
        let register = register(&["192.0.2.0/24".parse().unwrap()]);
        assert_eq!(strike(&register, 100, at(1)).sanction, Sanction::None);
        assert_eq!(register.admit(PEER, at(1)), Admission::Admitted);
    }

    #[test]
    fn to_authenticate_clears_the_strikes() {
        let register = register(&[]);
        strike(&register, 5, at(1));
        register.authenticate(PEER, at(100), at(2));
        assert_eq!(register.admit(PEER, at(3)), Admission::Admitted);
        assert_eq!(
            strike(&register, 50, at(4)).sanction,
            Sanction::None,
            "an authenticated host is never blocked"
        );
        assert_eq!(register.admit(PEER, at(5)), Admission::Admitted);
    }

    #[test]
    fn addresses_of_one_64_are_one_peer() {
        let register = register(&[]);
        for host in 1..=5u16 {
            let address = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host));
            register.strike(address, Strike::UnknownRecipient, at(1));
        }
        assert_eq!(register.admit("2001:db8:0:1::ffff".parse().unwrap(), at(2)), Admission::Blocked);
        assert_eq!(register.admit("2001:db8:0:2::1".parse().unwrap(), at(2)), Admission::Admitted);
    }
}
