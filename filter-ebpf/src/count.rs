//! Adds one to a counter of this CPU.

use filter_common::Counter;

use crate::maps::COUNTERS;

/// Counts one.
#[inline(always)]
pub fn one(counter: Counter) {
    if let Some(count) = COUNTERS.get_ptr_mut(counter.index()) {
        // SAFETY: this CPU's own element, and nothing else runs on this CPU between the read and the write.
        unsafe { *count = (*count).wrapping_add(1) };
    }
}
