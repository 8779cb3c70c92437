//! What peers earn, and what becomes of them.

use std::time::Duration;

use filter_common::Rate;

use super::*;
use crate::peers::LocalEnforcer;

pub(super) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

pub(super) fn register(allow: &[IpNet]) -> Register {
    register_of(1000, PrefixLengths::default(), allow)
}

pub(super) fn register_of(max_peers: usize, prefixes: PrefixLengths, allow: &[IpNet]) -> Register {
    let ladder = Ladder {
        to_limit: 3,
        to_block: 5,
        decay: Duration::from_secs(600),
        block_for: Duration::from_secs(300),
        block_max: Duration::from_secs(3600),
    };
    let enforcer = Arc::new(LocalEnforcer::new(Rate::new(6, Duration::from_secs(60), 1), max_peers));
    Register::new(ladder, Weights::default(), prefixes, allow, max_peers, enforcer)
}

/// Remembers a thousand peers; a sanction is in force for few.
fn short_register() -> Register {
    let full = register(&[]);
    let enforcer = Arc::new(LocalEnforcer::new(Rate::new(6, Duration::from_secs(60), 1), 1));
    Register::new(full.ladder, Weights::default(), PrefixLengths::default(), &[], 1000, enforcer)
}

/// So many others are blocked for so long that whoever enforces must forget the peer.
fn crowd_out(register: &Register, now: Timestamp) {
    let peer = register.key(PEER);
    for other in 0..10_000u32 {
        let other = PeerKey::from(std::net::Ipv4Addr::from(0x0a00_0000 + other));
        register.enforcer.enforce(other, Sanction::Blocked { until: Timestamp::NEVER }, now);
        if register.enforcer.held(peer, now).is_none() {
            return;
        }
    }
    panic!("it is still held");
}

const NOTHING: Struck = Struck { strikes: 0, sanction: Sanction::None, escalated: false };

fn strike(register: &Register, times: u32, now: Timestamp) -> Struck {
    (0..times).map(|_| register.strike(PEER, Strike::RelayAttempt, now).unwrap_or(NOTHING)).last().unwrap()
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
    assert_eq!(register.admit(PEER, at(301 + 5 * 600)), Admission::Admitted, "until they have leaked away");
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
fn a_block_that_had_to_be_forgotten_is_in_force_again_as_soon_as_the_peer_is_seen() {
    let until = Sanction::Blocked { until: at(301) };
    let register = short_register();
    let peer = register.key(PEER);
    let held = |now| register.enforcer.held(peer, now).map(|held| held.sanction);
    assert_eq!(strike(&register, 5, at(1)).sanction, until);

    crowd_out(&register, at(2));
    assert_eq!(strike(&register, 1, at(2)), Struck { strikes: 5, sanction: until, escalated: false });
    assert_eq!(held(at(2)), Some(until), "by a strike");

    crowd_out(&register, at(3));
    assert_eq!(register.admit(PEER, at(3)), Admission::Blocked);
    assert_eq!(held(at(3)), Some(until), "by a connection");
    assert_ne!(register.admit(PEER, at(301)), Admission::Blocked, "and it ends when it would have");
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
fn what_use_has_prolonged_counts_for_strikes_too() {
    let register = register(&[]);
    register.authenticate(PEER, at(100), at(1));
    let peer = register.key(PEER);
    register.enforcer.authenticate(peer, at(1000), at(90));
    assert_eq!(register.strike(PEER, Strike::RelayAttempt, at(500)), None);
    assert!(register.strike(PEER, Strike::RelayAttempt, at(1000)).is_some(), "until it is over");
}

#[test]
fn of_a_login_and_what_an_operator_has_vouched_for_the_longer_counts() {
    let register = register(&[]);
    let until = |now| register.standing(PEER, now).authenticated_until;
    register.vouch(PEER, at(1000), at(1)).unwrap();
    register.authenticate(PEER, at(100), at(2));
    assert_eq!(until(at(3)), Some(at(1000)));
    register.authenticate(PEER, at(2000), at(3));
    assert_eq!(until(at(4)), Some(at(2000)));
    register.vouch(PEER, at(50), at(5)).unwrap();
    assert_eq!(until(at(6)), Some(at(50)), "an operator's word is as it is said");
}

#[test]
fn an_authenticated_host_is_not_forgotten_for_attackers() {
    let register = register_of(crate::peers::SHARDS * 2, PrefixLengths::default(), &[]);
    register.authenticate(PEER, at(100), at(1));
    for peer in 0..20_000u32 {
        let address = IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + peer));
        for _ in 0..5 {
            register.strike(address, Strike::RelayAttempt, at(2));
        }
    }
    let key = register.key(PEER);
    let peers = register.peers.of(key);
    let known = peers.iter().find(|(peer, _)| *peer == key).map(|(_, record)| record.authenticated_until);
    assert_eq!(known, Some(at(100)), "though each of them is blocked for longer");
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
