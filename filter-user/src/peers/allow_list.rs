//! Who is never sanctioned: the networks of the settings, and those that an operator has added by hand, for a time or
//! for good. Enforces nothing.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use filter_common::Timestamp;
use ipnet::IpNet;

use super::orders::Hand;
use crate::network_map::NetworkMap;

/// Networks that may be added by hand at once.
pub const MAX_ALLOWANCES: usize = 4096;

/// A network that was added by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Which.
    pub network: IpNet,
    /// Until when; [`Timestamp::NEVER`] until it is taken back.
    pub until: Timestamp,
    /// Who has added it, when and why.
    pub hand: Hand,
}

/// Why an address is never sanctioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// This network is in the settings.
    BySetting(IpNet),
    /// It was added by hand.
    ByHand(Allowance),
}

/// Who is never sanctioned.
#[derive(Debug)]
pub(super) struct AllowList {
    by_setting: NetworkMap<()>,
    is_set: bool,
    /// How many were added by hand: usually none, and then nobody waits for the lock.
    count: AtomicUsize,
    by_hand: RwLock<NetworkMap<Allowance>>,
}

impl AllowList {
    /// These are in the settings.
    pub(super) fn new(networks: &[IpNet]) -> Self {
        let mut by_setting = NetworkMap::new();
        networks.iter().for_each(|network| by_setting.insert(*network, ()));
        Self {
            by_setting,
            is_set: !networks.is_empty(),
            count: AtomicUsize::new(0),
            by_hand: RwLock::new(NetworkMap::new()),
        }
    }

    /// Whether an address is never sanctioned. What is over counts until it is [swept](Self::over).
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        (self.is_set && self.by_setting.find(address).is_some())
            || (self.count.load(Ordering::Acquire) > 0 && self.read().find(address).is_some())
    }

    /// Why it is.
    pub(super) fn why(&self, address: IpAddr) -> Option<Allowed> {
        let by_setting = self.by_setting.find(address).map(|(network, ())| Allowed::BySetting(network));
        by_setting
            .or_else(|| self.read().find(address).map(|(_, allowance)| Allowed::ByHand(allowance.clone())))
    }

    /// The network of the settings that holds all of this one.
    pub(super) fn setting_that_holds(&self, network: IpNet) -> Option<IpNet> {
        let holding = self.by_setting.find(network.network()).map(|(holding, ())| holding)?;
        // The smallest that holds its first address; one that holds all of it may be wider.
        let mut wider = std::iter::successors(Some(holding), IpNet::supernet);
        wider.find(|wider| self.by_setting.get(*wider).is_some() && wider.contains(&network))
    }

    /// Adds a network, in place of an earlier addition of the same; says whether there was room.
    pub(super) fn add(&self, allowance: Allowance) -> bool {
        let mut by_hand = self.write();
        let is_new = by_hand.get(allowance.network).is_none();
        let count = self.count.load(Ordering::Acquire);
        if is_new && count >= MAX_ALLOWANCES {
            return false;
        }
        by_hand.insert(allowance.network, allowance);
        self.count.store(count + usize::from(is_new), Ordering::Release);
        true
    }

    /// Whether this network was added by hand.
    pub(super) fn has_added(&self, network: IpNet) -> bool {
        self.read().get(network).is_some()
    }

    /// Takes an addition back; says whether there was this one.
    pub(super) fn remove(&self, network: IpNet) -> bool {
        let mut by_hand = self.write();
        let was_there = by_hand.remove(network).is_some();
        self.count.fetch_sub(usize::from(was_there), Ordering::Release);
        was_there
    }

    /// All additions.
    pub(super) fn all(&self) -> Vec<Allowance> {
        self.read().values().cloned().collect()
    }

    /// The networks whose time is over, to be removed.
    pub(super) fn over(&self, now: Timestamp) -> Vec<IpNet> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let by_hand = self.read();
        by_hand
            .values()
            .filter(|allowance| allowance.until <= now)
            .map(|allowance| allowance.network)
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, NetworkMap<Allowance>> {
        self.by_hand.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, NetworkMap<Allowance>> {
        self.by_hand.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn allowance(network: &str, until: u64) -> Allowance {
        let hand = Hand { by: 0, since: Timestamp(1), reason: "a partner".into() };
        Allowance { network: net(network), until: Timestamp(until), hand }
    }

    #[test]
    fn settings_and_additions_both_allow_and_say_which_they_are() {
        let list = AllowList::new(&[net("192.0.2.0/24"), net("2001:db8::/32")]);
        assert!(list.add(allowance("198.51.100.0/24", 50)));
        for (address, allowed) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("2001:db8:1::1", true),
            ("198.51.100.9", true),
            ("203.0.113.1", false),
            ("2001:db9::1", false),
        ] {
            assert_eq!(list.contains(ip(address)), allowed, "{address}");
            assert_eq!(list.why(ip(address)).is_some(), allowed, "{address}");
        }
        assert_eq!(list.why(ip("192.0.2.7")), Some(Allowed::BySetting(net("192.0.2.0/24"))));
        assert!(
            matches!(list.why(ip("198.51.100.9")), Some(Allowed::ByHand(by_hand)) if by_hand.hand.by == 0)
        );
    }

    #[test]
    fn a_setting_holds_a_network_only_whole() {
        let list = AllowList::new(&[net("192.0.2.0/24"), net("192.0.2.0/28"), net("2001:db8::/32")]);
        for (network, holding) in [
            ("192.0.2.0/30", Some("192.0.2.0/28")),
            ("192.0.2.0/28", Some("192.0.2.0/28")),
            ("192.0.2.0/26", Some("192.0.2.0/24")),
            ("192.0.2.0/23", None),
            ("192.0.3.0/32", None),
            ("2001:db8:1::/48", Some("2001:db8::/32")),
            ("2001::/16", None),
        ] {
            assert_eq!(list.setting_that_holds(net(network)), holding.map(net), "{network}");
        }
    }

    #[test]
    fn additions_are_bounded_replaced_and_end() {
        let list = AllowList::new(&[]);
        for n in 0..MAX_ALLOWANCES as u32 {
            assert!(list.add(allowance(&format!("{}/32", std::net::Ipv4Addr::from(n)), u64::from(n) + 1)));
        }
        assert!(!list.add(allowance("2001:db8::/32", 9)));
        assert!(list.add(allowance("0.0.0.3/32", 90_000)), "in place of itself");
        assert_eq!(list.over(Timestamp(4)).len(), 3);
        for network in list.over(Timestamp(4)) {
            assert!(list.remove(network) && !list.remove(network));
        }
        assert!(list.add(allowance("2001:db8::/32", 9)) && list.contains(ip("2001:db8::1")));
        assert!(list.contains(ip("0.0.0.3")) && !list.contains(ip("0.0.0.2")));
        assert_eq!(list.all().len(), MAX_ALLOWANCES - 2);
    }
}
