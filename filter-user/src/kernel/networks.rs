//! The networks that are limited as such, as the program's map `NETWORKS` has them. Decides of none.

use std::io;
use std::sync::Arc;

use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{MapData, MapError};
use filter_common::{NetworkEntry, Timestamp};
use ipnet::IpNet;

use super::aggregates::LimitedNetworks;
use super::allow::key;
use super::control::ControlPage;

/// The map.
pub(super) struct Networks {
    map: LpmTrie<MapData, [u8; 16], NetworkEntry>,
    limited: u64,
    control: Arc<ControlPage>,
}

impl std::fmt::Debug for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Networks").field("limited", &self.limited).finish_non_exhaustive()
    }
}

impl Networks {
    /// Nothing is limited. What an earlier process left in the map goes: nobody counts it any more.
    pub(super) fn new(
        map: LpmTrie<MapData, [u8; 16], NetworkEntry>,
        control: Arc<ControlPage>,
    ) -> Result<Self, MapError> {
        let mut networks = Self { map, limited: 0, control };
        networks.now_limited(0);
        let left: Vec<_> = networks.map.keys().filter_map(Result::ok).collect();
        for network in left {
            networks.map.remove(&network)?;
        }
        Ok(networks)
    }

    fn now_limited(&mut self, limited: u64) {
        self.limited = limited;
        self.control.set_limited_networks(limited);
    }
}

impl LimitedNetworks for Networks {
    /// What it took from its limiter stays taken.
    fn put(&mut self, network: IpNet, until: Timestamp) -> io::Result<()> {
        let key = key(&network);
        let before = self.map.get(&key, 0).ok();
        let arrival = before.map_or(0, |entry| entry.arrival);
        let entry = NetworkEntry { arrival, ..NetworkEntry::new(until) };
        self.map.insert(&key, entry, 0).map_err(io::Error::other)?;
        self.now_limited(self.limited + u64::from(before.is_none()));
        Ok(())
    }

    fn remove(&mut self, network: IpNet) -> io::Result<()> {
        match self.map.remove(&key(&network)) {
            Ok(()) => self.now_limited(self.limited.saturating_sub(1)),
            // Absent is what it shall be.
            Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }
}
