//! From one generation into the next, a few buckets at a time, while the older one is in force; and what is left to
//! settle when the newer one is.

use core::ops::Range;

use super::{Drops, Full, Memory, Table};
use crate::PeerKey;

impl<M: Memory> Table<M> {
    /// Copies the hosts of some buckets. Their drops stay behind, for [`settle`](Self::settle). Meanwhile whoever inserts
    /// and removes does so in both; and as hosts move within this table, a second round is due where the counts differ
    /// after the first.
    pub fn copy_into<N: Memory>(&self, buckets: Range<u32>, next: &mut Table<N>) -> Result<(), Full> {
        for entry in self.entries(buckets) {
            next.insert(entry.peer, entry.standing, entry.meter.harvested(entry.standing.kind))?;
        }
        Ok(())
    }

    /// Hands over what the program metered here until the next generation was in force: its drops to `told`, its limiters
    /// and marks to the next.
    pub fn settle<N: Memory>(
        &self,
        buckets: Range<u32>,
        next: &Table<N>,
        mut told: impl FnMut(PeerKey, Drops),
    ) {
        for entry in self.entries(buckets) {
            let kind = entry.standing.kind;
            let (_, drops) = entry.meter.harvest(kind);
            if drops != Drops::default() {
                told(entry.peer, drops);
            }
            let Some(after) = next.get(entry.peer) else { continue };
            // Whose kind has changed since begins anew.
            if after.standing.kind == kind {
                next.add_to_meter(entry.peer, entry.meter.owed_to(after.meter, kind));
            }
        }
    }
}
