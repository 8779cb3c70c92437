//! The networks that are limited as such, as the program's map `NETWORKS` has them. Decides of none.

use aya::maps::MapData;
use aya::maps::lpm_trie::LpmTrie;
use filter_common::{NetworkEntry, Timestamp};
use ipnet::IpNet;

use super::KernelError;
use super::allow::key;
use super::control::ControlPage;

/// The map.
pub(super) struct Networks {
    map: LpmTrie<MapData, [u8; 16], NetworkEntry>,
    limited: u64,
}

impl std::fmt::Debug for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Networks").field("limited", &self.limited).finish_non_exhaustive()
    }
}

impl Networks {
    pub(super) fn new(map: LpmTrie<MapData, [u8; 16], NetworkEntry>) -> Self {
        Self { map, limited: 0 }
    }

    /// Limits a network until then. What it took from its limiter stays taken.
    pub(super) fn limit(
        &mut self,
        network: &IpNet,
        until: Timestamp,
        control: &ControlPage,
    ) -> Result<(), KernelError> {
        let key = key(network);
        let before = self.map.get(&key, 0).ok();
        let arrival = before.map_or(0, |entry| entry.arrival);
        let entry = NetworkEntry { arrival, ..NetworkEntry::new(until) };
        self.map.insert(&key, entry, 0).map_err(KernelError::map("NETWORKS"))?;
        self.limited += u64::from(before.is_none());
        control.set_limited_networks(self.limited);
        Ok(())
    }
    /// Lifts a network's limit.
    pub(super) fn lift(&mut self, network: &IpNet, control: &ControlPage) -> Result<(), KernelError> {
        let key = key(network);
        // Where it was not limited there is nothing to lift.
        if self.map.get(&key, 0).is_ok() {
            self.map.remove(&key).map_err(KernelError::map("NETWORKS"))?;
            self.limited = self.limited.saturating_sub(1);
        }
        control.set_limited_networks(self.limited);
        Ok(())
    }
}
