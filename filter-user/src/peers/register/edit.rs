//! What an operator does by hand: blocks, limits and frees peers, ends an authentication, edits the allow-list. What
//! cannot be done is refused, with the reason and what to do; nothing is done by half.

use std::net::IpAddr;

use filter_common::{PeerKey, Sanction, Timestamp};
use ipnet::IpNet;

use super::{Record, Register};
use crate::peers::SHARDS;
use crate::peers::allow_list::{Allowance, Allowed, MAX_ALLOWANCES};
use crate::peers::enforcer::NotExempted;
use crate::peers::orders::{MAX_ORDERS, Order};

/// The widest networks that are allowed by hand: wider ones are hardly meant.
const WIDEST_IPV4: u8 = 8;
const WIDEST_IPV6: u8 = 16;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Who is allowed is never sanctioned.
    #[error(
        "{peer} is on the allow-list by {by}, and who is there is never sanctioned: take that away first"
    )]
    Allowed {
        /// Whom.
        peer: PeerKey,
        /// What has it there.
        by: String,
    },
    /// Who has authenticated is never sanctioned.
    #[error(
        "{0} has authenticated, and who has is never sanctioned: end that first, `peers authenticate {0} --end`"
    )]
    Authenticated(PeerKey),
    /// A block is more than a limit.
    #[error("{0} is blocked, which is more: free it first, `peers unblock {0}`")]
    Blocked(PeerKey),
    /// What is ordered outranks a proof.
    #[error("{0} is sanctioned by hand, and stays so: free it first, `peers unblock {0}`")]
    Ordered(PeerKey),
    /// As many as may.
    #[error("{MAX_ORDERS} peers are sanctioned by hand, and more may not be: free some, or use a firewall")]
    TooManyOrders,
    /// As many as may.
    #[error(
        "{MAX_ALLOWANCES} networks are allowed by hand, and more may not be: take some away, or use the setting allow"
    )]
    TooManyAllowances,
    /// Hardly meant.
    #[error(
        "{0} is wider than a /{WIDEST_IPV4} of IPv4 or a /{WIDEST_IPV6} of IPv6: use the setting allow, if that is meant"
    )]
    TooWide(IpNet),
    /// It is allowed already.
    #[error("{network} is allowed already, by {setting} of the setting allow")]
    AllowedBySetting {
        /// What was to be allowed.
        network: IpNet,
        /// What holds it.
        setting: IpNet,
    },
    /// It never was.
    #[error("{0} was not allowed by hand: `peers list --allowed` shows what was")]
    NotAllowedByHand(IpNet),
    /// The kernel refuses.
    #[error(transparent)]
    Kernel(#[from] NotExempted),
}

impl Register {
    /// Sanctions a peer by hand, in place of an earlier order. Its strikes and blocks are not counted up by it.
    pub fn order(&self, address: IpAddr, order: Order, now: Timestamp) -> Result<PeerKey, EditError> {
        let peer = self.key(address);
        if let Some(allowed) = self.allow.why(address) {
            let by = match allowed {
                Allowed::BySetting(network) => format!("{network} of the setting allow"),
                Allowed::ByHand(allowance) => format!("{}, allowed by hand", allowance.network),
            };
            return Err(EditError::Allowed { peer, by });
        }
        let mut peers = self.peers.of(peer);
        let record = peers.get_mut(peer).map_or_else(Record::default, |record| *record);
        if self.authenticated_until(peer, &record, now) > now {
            return Err(EditError::Authenticated(peer));
        }
        let stands = self.earned(&record, now).max(self.orders.sanction(peer, now));
        if let (Sanction::Blocked { .. }, Sanction::Limited { .. }) = (stands, order.sanction) {
            return Err(EditError::Blocked(peer));
        }
        if !self.orders.put(peer, order, now) {
            return Err(EditError::TooManyOrders);
        }
        self.edited();
        self.enforcer.enforce(peer, self.in_force(peer, &record, now), now);
        Ok(peer)
    }

    /// Frees a peer of what it has earned and of what was ordered: its strikes are lowered to as many as earn nothing, or
    /// with `forget` they and its earlier blocks are forgotten. Says what was in force.
    pub fn unblock(&self, address: IpAddr, forget: bool, now: Timestamp) -> Sanction {
        self.free(self.key(address), forget, now)
    }

    fn free(&self, peer: PeerKey, forget: bool, now: Timestamp) -> Sanction {
        self.edited();
        let mut peers = self.peers.of(peer);
        let held = self.enforcer.held(peer, now).map_or(Sanction::None, |held| held.sanction);
        let before = peers.get_mut(peer).map_or(Sanction::None, |record| self.in_force(peer, record, now));
        self.orders.remove(peer, now);
        if let Some(record) = peers.get_mut(peer) {
            if forget {
                *record = Record { authenticated_until: record.authenticated_until, ..Record::default() };
            } else {
                record.level =
                    record.level.at_most(self.ladder.to_limit.saturating_sub(1), self.ladder.decay, now);
                record.blocked_until = record.blocked_until.min(now);
                record.resumed_after = record.blocked_until;
            }
        }
        self.enforcer.enforce(peer, Sanction::None, now);
        before.max(held)
    }

    /// Exempts a peer from sanctions until then, as if it had authenticated.
    pub fn vouch(&self, address: IpAddr, until: Timestamp, now: Timestamp) -> Result<PeerKey, EditError> {
        let peer = self.key(address);
        if self.exempt(peer, now, |_| until) { Ok(peer) } else { Err(EditError::Ordered(peer)) }
    }

    /// A peer counts as authenticated no longer; says whether it did.
    pub fn end_authentication(&self, address: IpAddr, now: Timestamp) -> bool {
        let peer = self.key(address);
        let mut peers = self.peers.of(peer);
        let record = peers.get_mut(peer);
        let was = self.authenticated_until(peer, &record.as_deref().copied().unwrap_or_default(), now) > now;
        if let Some(record) = record {
            record.authenticated_until = Timestamp::default();
        }
        self.enforcer.authenticate(peer, now, now);
        was
    }

    pub(super) fn authenticated_until(&self, peer: PeerKey, record: &Record, now: Timestamp) -> Timestamp {
        // Use may have prolonged it where it is enforced; and what was taken over from an earlier process stands there alone.
        let held = self.enforcer.held(peer, now).map(|held| held.authenticated_until);
        record.authenticated_until.max(held.unwrap_or_default())
    }

    /// Never sanctions a network from now on, until then; frees who is in it, and says how many those were.
    pub fn allow(&self, allowance: Allowance, now: Timestamp) -> Result<usize, EditError> {
        let network = allowance.network;
        let widest = if network.addr().is_ipv4() { WIDEST_IPV4 } else { WIDEST_IPV6 };
        if network.prefix_len() < widest {
            return Err(EditError::TooWide(network));
        }
        if let Some(setting) = self.allow.setting_that_holds(network) {
            return Err(EditError::AllowedBySetting { network, setting });
        }
        self.enforcer.exempt(network, true)?;
        if !self.allow.add(allowance) {
            self.enforcer.exempt(network, false)?;
            return Err(EditError::TooManyAllowances);
        }
        self.edited();
        Ok(self.free_within(network, now))
    }

    /// What was allowed by hand is no longer.
    pub fn disallow(&self, network: IpNet) -> Result<(), EditError> {
        if !self.allow.has_added(network) {
            return Err(EditError::NotAllowedByHand(network));
        }
        self.enforcer.exempt(network, false)?;
        self.allow.remove(network);
        self.edited();
        Ok(())
    }

    /// Frees every peer that lies in a network. One that the network is only a part of stays as it is, and is put in force
    /// anew, so that the kernel knows of the part.
    fn free_within(&self, network: IpNet, now: Timestamp) -> usize {
        let mut freed = 0;
        for shard in 0..SHARDS {
            for held in self.enforcer.held_in_shard(shard, now) {
                let whole = self.network(held.peer);
                if held.sanction == Sanction::None {
                    continue;
                }
                if network.contains(&whole) {
                    self.free(held.peer, false, now);
                    freed += 1;
                } else if whole.contains(&network) {
                    let _peers = self.peers.of(held.peer);
                    let sanction = self.enforcer.held(held.peer, now).map(|held| held.sanction);
                    self.enforcer.enforce(held.peer, sanction.unwrap_or_default(), now);
                }
            }
        }
        freed
    }

    /// The addresses that are this peer.
    #[must_use]
    pub fn network(&self, peer: PeerKey) -> IpNet {
        let address = peer.address();
        let length = if address.is_ipv4() { self.prefixes.ipv4 } else { self.prefixes.ipv6 };
        // A length is checked where it is configured; an address alone is one for certain.
        IpNet::new(address, length).unwrap_or_else(|_| IpNet::from(address))
    }

    /// What is ordered by hand.
    #[must_use]
    pub fn orders(&self, now: Timestamp) -> Vec<(PeerKey, Order)> {
        self.orders.all(now)
    }

    /// What is allowed by hand.
    #[must_use]
    pub fn allowances(&self) -> Vec<Allowance> {
        self.allow.all()
    }

    /// Takes away what was ordered or allowed by hand for a time that is over; what a peer has earned beside it is in
    /// force again. To be called every second or so.
    pub fn keep(&self, now: Timestamp) {
        for network in self.allow.over(now) {
            // Where the kernel refuses, it stays allowed, and is tried again: never the other way round.
            let _ = self.disallow(network);
        }
        for peer in self.orders.sweep(now) {
            let mut peers = self.peers.of(peer);
            if let Some(record) = peers.get_mut(peer) {
                self.enforcer.enforce(peer, self.in_force(peer, record, now), now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::register::tests::{at, register};
    use crate::peers::{Admission, Hand, Strike};

    const PEER: &str = "192.0.2.7";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn hand() -> Hand {
        Hand { by: 0, since: at(1), reason: "a test".into() }
    }

    fn blocked(until: u64) -> Order {
        Order { sanction: Sanction::Blocked { until: at(until) }, hand: hand() }
    }

    fn limited(until: u64) -> Order {
        Order { sanction: Sanction::Limited { until: at(until) }, hand: hand() }
    }

    fn allowance(network: &str, until: u64) -> Allowance {
        Allowance { network: network.parse().unwrap(), until: at(until), hand: hand() }
    }

    fn strike(register: &Register, times: u32, now: Timestamp) {
        for _ in 0..times {
            register.strike(ip(PEER), Strike::RelayAttempt, now);
        }
    }

    fn sanction(register: &Register, now: Timestamp) -> Sanction {
        register.standing(ip(PEER), now).sanction
    }

    #[test]
    fn a_block_by_hand_ends_by_itself_and_leaves_what_was_earned() {
        let register = register(&[]);
        strike(&register, 3, at(1));
        register.order(ip(PEER), blocked(100), at(2)).unwrap();
        assert_eq!(register.admit(ip(PEER), at(99)), Admission::Blocked);
        assert_eq!(register.standing(ip(PEER), at(50)).blocks, 0, "it was not earned");
        register.keep(at(100));
        let admitted =
            (0..60).filter(|s| register.admit(ip(PEER), at(100 + s)) == Admission::Admitted).count();
        assert_eq!(admitted, 6, "the strikes of before still limit it");
    }

    #[test]
    fn of_what_is_earned_and_ordered_the_harder_counts() {
        let register = register(&[]);
        register.order(ip(PEER), limited(1000), at(1)).unwrap();
        strike(&register, 5, at(2));
        assert_eq!(sanction(&register, at(3)), Sanction::Blocked { until: at(302) });
        let error = register.order(ip(PEER), limited(2000), at(3)).unwrap_err();
        assert!(matches!(error, EditError::Blocked(_)), "{error}");
        register.order(ip(PEER), blocked(10), at(3)).unwrap();
        assert_eq!(sanction(&register, at(11)), Sanction::Blocked { until: at(302) });
        register.order(ip(PEER), blocked(9000), at(11)).unwrap();
        assert_eq!(sanction(&register, at(303)), Sanction::Blocked { until: at(9000) });
    }

    #[test]
    fn who_is_freed_is_free_and_the_next_strike_counts_or_is_the_first() {
        for forget in [false, true] {
            let register = register(&[]);
            strike(&register, 5, at(1));
            assert_eq!(register.unblock(ip(PEER), forget, at(2)), Sanction::Blocked { until: at(301) });
            assert_eq!(register.admit(ip(PEER), at(2)), Admission::Admitted);
            assert_eq!(register.admit(ip(PEER), at(2)), Admission::Admitted, "not limited either");
            let standing = register.standing(ip(PEER), at(2));
            assert_eq!((standing.strikes, standing.blocks), if forget { (0, 0) } else { (2, 1) });
            strike(&register, 1, at(3));
            let limited = matches!(sanction(&register, at(3)), Sanction::Limited { .. });
            assert_eq!(limited, !forget);
        }
        let register = register(&[]);
        assert_eq!(register.unblock(ip(PEER), false, at(1)), Sanction::None);
        register.order(ip(PEER), blocked(100), at(1)).unwrap();
        register.unblock(ip(PEER), false, at(2));
        assert_eq!(register.admit(ip(PEER), at(3)), Admission::Admitted);
        assert_eq!(register.orders(at(3)), []);
    }

    #[test]
    fn an_order_outranks_a_proof_and_a_proof_that_stands_has_to_be_ended_first() {
        let register = register(&[]);
        register.authenticate(ip(PEER), at(500), at(1));
        assert!(matches!(register.order(ip(PEER), blocked(100), at(2)), Err(EditError::Authenticated(_))));
        assert!(
            register.end_authentication(ip(PEER), at(2)) && !register.end_authentication(ip(PEER), at(2))
        );
        register.order(ip(PEER), blocked(100), at(2)).unwrap();
        register.authenticate(ip(PEER), at(500), at(3));
        assert_eq!(register.admit(ip(PEER), at(4)), Admission::Blocked);
        assert!(matches!(register.vouch(ip(PEER), at(500), at(4)), Err(EditError::Ordered(_))));
        register.unblock(ip(PEER), false, at(5));
        register.vouch(ip(PEER), at(500), at(5)).unwrap();
        strike(&register, 9, at(6));
        assert_eq!(register.admit(ip(PEER), at(499)), Admission::Admitted);
    }

    #[test]
    fn who_is_allowed_is_freed_and_never_sanctioned_until_that_is_over() {
        let register = register(&["198.51.100.0/24".parse().unwrap()]);
        strike(&register, 5, at(1));
        register.order(ip("192.0.2.9"), blocked(900), at(1)).unwrap();
        register.order(ip("203.0.113.1"), blocked(900), at(1)).unwrap();
        assert_eq!(register.allow(allowance("192.0.2.0/24", 100), at(2)).unwrap(), 2);
        assert_eq!(register.admit(ip(PEER), at(3)), Admission::Admitted);
        assert_eq!(register.admit(ip("203.0.113.1"), at(3)), Admission::Blocked, "somebody else");
        strike(&register, 50, at(3));
        assert_eq!(sanction(&register, at(3)), Sanction::None);
        for allowed in [PEER, "198.51.100.1"] {
            let error = register.order(ip(allowed), blocked(100), at(3)).unwrap_err();
            assert!(matches!(error, EditError::Allowed { .. }), "{error}");
        }
        register.keep(at(99));
        assert!(register.is_allowed(ip(PEER)));
        register.keep(at(100));
        strike(&register, 5, at(101));
        assert_eq!(register.admit(ip(PEER), at(102)), Admission::Blocked);
    }

    #[test]
    fn what_is_hardly_meant_or_not_there_is_refused() {
        let register = register(&["198.51.100.0/24".parse().unwrap()]);
        for (network, wanted) in [
            ("0.0.0.0/0", "wider than a /8"),
            ("2000::/3", "wider than a /8"),
            ("198.51.100.7/32", "allowed already, by 198.51.100.0/24 of the setting allow"),
        ] {
            let error = register.allow(allowance(network, 100), at(1)).unwrap_err().to_string();
            assert!(error.contains(wanted), "{network}: {error}");
        }
        let error = register.disallow("198.51.100.0/24".parse().unwrap()).unwrap_err();
        assert!(matches!(error, EditError::NotAllowedByHand(_)), "{error}");
    }

    #[test]
    fn a_host_that_is_allowed_out_of_a_blocked_peer_frees_itself_alone() {
        let register = register(&[]);
        let (host, neighbour) = (ip("2001:db8:0:1::5"), ip("2001:db8:0:1::6"));
        register.order(neighbour, blocked(900), at(1)).unwrap();
        assert_eq!(register.allow(allowance("2001:db8:0:1::5/128", 900), at(1)).unwrap(), 0);
        assert_eq!(register.admit(host, at(2)), Admission::Admitted);
        assert_eq!(register.admit(neighbour, at(2)), Admission::Blocked);
        register.disallow("2001:db8:0:1::5/128".parse().unwrap()).unwrap();
        assert_eq!(register.admit(host, at(3)), Admission::Blocked);
    }
}
