//! The compare-and-swap loop around the GCRA step: several CPUs may take from one peer's limiter at once.

use core::intrinsics::{AtomicOrdering, atomic_cxchg};

use filter_common::{PeerEntry, Rate, Timestamp, gcra};

/// Whoever loses so often to others of the same peer is beyond its rate for all it is worth.
const TRIES: usize = 4;

/// Takes one new connection from a peer's limiter: whether it conforms.
#[inline(always)]
pub fn conforms(entry: *mut PeerEntry, now: Timestamp, rate: Rate) -> bool {
    for _ in 0..TRIES {
        // SAFETY: a map's element, readable until this run ends. Volatile, because other CPUs write it: LLVM has no
        // relaxed atomic load for this machine, and an aligned u64 is read whole anyway.
        let arrival = unsafe { (&raw const (*entry).arrival).read_volatile() };
        let Some(next) = gcra::step(arrival, now, rate) else { return false };
        // SAFETY: as above, aligned, and written by this instruction alone.
        let (_, won) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
                &raw mut (*entry).arrival,
                arrival,
                next,
            )
        };
        if won {
            return true;
        }
    }
    false
}

/// Marks an entry as reported: whether it was not yet, and so this CPU is the one to tell.
#[inline(always)]
pub fn claims_report(entry: *mut PeerEntry) -> bool {
    // SAFETY: as in `conforms`. The plain read first, because a drop must stay cheap: only one ever finds a 0.
    unsafe {
        if (&raw const (*entry).reported).read_volatile() != 0 {
            return false;
        }
        let (_, won) = atomic_cxchg::<u32, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
            &raw mut (*entry).reported,
            0,
            1,
        );
        won
    }
}
