//! What an operator has ordered for single peers, by hand: blocked or limited, until when, by whom and why. It stands
//! beside what a peer has earned, and of the two the harder counts. Enforces nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use filter_common::{PeerKey, Sanction, Timestamp};
use foldhash::quality::RandomState;

/// Orders that stand at once.
pub const MAX_ORDERS: usize = 65_536;

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is ordered, and until when; [`Timestamp::NEVER`] until it is taken back.
    pub sanction: Sanction,
    /// Who has ordered it, when and why.
    pub hand: Hand,
}

/// Whose work something is that was not earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hand {
    /// The user, as the system numbers them.
    pub by: u32,
    /// When.
    pub since: Timestamp,
    /// Their words.
    pub reason: Arc<str>,
}

/// All orders that stand.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// How many there are: usually none, and then nobody waits for the lock.
    count: AtomicUsize,
    orders: RwLock<HashMap<PeerKey, Order, RandomState>>,
}

impl Orders {
    /// What is ordered for a peer at `now`.
    pub(super) fn sanction(&self, peer: PeerKey, now: Timestamp) -> Sanction {
        self.read(peer, |order| order.sanction.at(now)).unwrap_or_default()
    }

    /// The order for a peer, where one stands at `now`.
    pub(super) fn of(&self, peer: PeerKey, now: Timestamp) -> Option<Order> {
        self.read(peer, Order::clone).filter(|order| order.sanction.at(now) != Sanction::None)
    }

    fn read<T>(&self, peer: PeerKey, read: impl FnOnce(&Order) -> T) -> Option<T> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.orders.read().unwrap_or_else(PoisonError::into_inner).get(&peer).map(read)
    }

    /// Takes an order in place of an earlier one for the peer; says whether there was room.
    pub(super) fn put(&self, peer: PeerKey, order: Order, now: Timestamp) -> bool {
        let mut orders = self.orders.write().unwrap_or_else(PoisonError::into_inner);
        if orders.len() >= MAX_ORDERS && !orders.contains_key(&peer) {
            orders.retain(|_, order| order.sanction.at(now) != Sanction::None);
        }
        let has_room = orders.len() < MAX_ORDERS || orders.contains_key(&peer);
        if has_room {
            orders.insert(peer, order);
        }
        self.count.store(orders.len(), Ordering::Release);
        has_room
    }

    /// Takes an order back; says whether one stood.
    pub(super) fn remove(&self, peer: PeerKey, now: Timestamp) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut orders = self.orders.write().unwrap_or_else(PoisonError::into_inner);
        let removed = orders.remove(&peer);
        self.count.store(orders.len(), Ordering::Release);
        removed.is_some_and(|order| order.sanction.at(now) != Sanction::None)
    }

    /// All that stand at `now`.
    pub(super) fn all(&self, now: Timestamp) -> Vec<(PeerKey, Order)> {
        let orders = self.orders.read().unwrap_or_else(PoisonError::into_inner);
        let standing = orders.iter().filter(|(_, order)| order.sanction.at(now) != Sanction::None);
        standing.map(|(peer, order)| (*peer, order.clone())).collect()
    }

    /// Forgets those that are over, and says whose they were.
    pub(super) fn sweep(&self, now: Timestamp) -> Vec<PeerKey> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut orders = self.orders.write().unwrap_or_else(PoisonError::into_inner);
        let over = orders.extract_if(|_, order| order.sanction.at(now) == Sanction::None);
        let over = over.map(|(peer, _)| peer).collect();
        self.count.store(orders.len(), Ordering::Release);
        over
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn order(until: u64) -> Order {
        let hand = Hand { by: 0, since: Timestamp(1), reason: "".into() };
        Order { sanction: Sanction::Blocked { until: Timestamp(until) }, hand }
    }

    fn peer(n: u32) -> PeerKey {
        PeerKey::from(Ipv4Addr::from(n))
    }

    #[test]
    fn an_order_stands_until_it_is_over_or_taken_back() {
        let orders = Orders::default();
        assert_eq!(orders.of(peer(1), Timestamp(1)), None);
        assert!(orders.put(peer(1), order(10), Timestamp(1)) && orders.put(peer(2), order(20), Timestamp(1)));
        assert_eq!(orders.of(peer(1), Timestamp(9)), Some(order(10)));
        assert_eq!(orders.sanction(peer(1), Timestamp(10)), Sanction::None);
        assert!(!orders.remove(peer(1), Timestamp(10)), "it was over");
        assert!(orders.remove(peer(2), Timestamp(10)) && !orders.remove(peer(2), Timestamp(10)));
    }

    #[test]
    fn they_are_bounded_and_those_that_are_over_make_room() {
        let orders = Orders::default();
        for n in 0..MAX_ORDERS as u32 {
            assert!(orders.put(peer(n), order(if n == 7 { 5 } else { 50 }), Timestamp(1)));
        }
        assert!(!orders.put(peer(u32::MAX), order(50), Timestamp(4)));
        assert!(orders.put(peer(7), order(5), Timestamp(4)), "in place of its own");
        assert!(orders.put(peer(u32::MAX), order(50), Timestamp(5)), "one is over");
        assert_eq!(orders.all(Timestamp(5)).len(), MAX_ORDERS);
        assert_eq!(orders.sweep(Timestamp(49)), []);
        assert_eq!(orders.sweep(Timestamp(50)).len(), MAX_ORDERS);
        assert_eq!(orders.all(Timestamp(0)).len(), 0);
    }
}
