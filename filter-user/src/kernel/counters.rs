//! Reads the program's counters. Their names and meanings are in filter-common.

use aya::maps::{MapData, PerCpuArray};
use filter_common::Counter;

use super::KernelError;

/// The map `COUNTERS`.
pub(super) struct Counters(PerCpuArray<MapData, u64>);

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}

impl Counters {
    pub(super) fn new(map: PerCpuArray<MapData, u64>) -> Self {
        Self(map)
    }

    /// Every counter, summed over all CPUs.
    pub(super) fn read(&self) -> Result<Vec<(Counter, u64)>, KernelError> {
        Counter::ALL
            .iter()
            .map(|counter| {
                let values = self.0.get(&counter.index(), 0).map_err(KernelError::map("COUNTERS"))?;
                Ok((*counter, values.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value))))
            })
            .collect()
    }
}
