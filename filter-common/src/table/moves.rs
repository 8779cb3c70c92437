//! Makes room in full buckets: the shortest row of hosts of whom each can move into its other bucket, because the last
//! one finds a free slot there. Found before anything moves, so that a search without end changes nothing.

use super::{Memory, Place, SLOTS, Table};

/// Buckets looked at before it is given up. At the load that growth allows, a handful is enough.
const BUCKETS: usize = 512;

/// A bucket that the search came to, and how: the step whose host, in that slot, has its other bucket here.
#[derive(Clone, Copy)]
struct Step {
    bucket: u32,
    from: u16,
    slot: usize,
}

/// A free slot in one of the two buckets of a place; nothing where no row of moves was found.
pub(super) fn make_room<M: Memory>(table: &Table<M>, place: Place) -> Option<usize> {
    let buckets = table.buckets_of(place);
    if let Some(free) = buckets.into_iter().find_map(|bucket| table.free_slot(bucket)) {
        return Some(free);
    }
    search(table, buckets)
}

/// Breadth first, so that the row is the shortest: then no bucket stands in it twice, and no move undoes another.
#[cold]
fn search<M: Memory>(table: &Table<M>, begins: [u32; 2]) -> Option<usize> {
    let mut steps = [Step { bucket: 0, from: 0, slot: 0 }; BUCKETS];
    for (step, bucket) in steps.iter_mut().zip(begins) {
        step.bucket = bucket;
    }
    let mut reached = begins.len();
    for at in 0..BUCKETS {
        if at == reached {
            return None;
        }
        let bucket = steps[at].bucket;
        for slot in Table::<M>::slots(bucket) {
            let other = table.other_bucket(slot, bucket)?;
            if let Some(free) = table.free_slot(other) {
                return Some(shift(table, &steps, at, slot, free, begins.len()));
            }
            if let Some(next) = steps.get_mut(reached) {
                *next = Step { bucket: other, from: at as u16, slot };
                reached += 1;
            }
        }
    }
    None
}

/// Moves the row, the last host first; returns the slot that the first one left.
fn shift<M: Memory>(
    table: &Table<M>,
    steps: &[Step; BUCKETS],
    mut at: usize,
    mut slot: usize,
    mut free: usize,
    begins: usize,
) -> usize {
    loop {
        table.relocate(slot, free);
        free = slot;
        if at < begins {
            return free;
        }
        slot = steps[at].slot;
        at = usize::from(steps[at].from);
    }
}

const _: () = assert!(BUCKETS <= u16::MAX as usize && BUCKETS.is_multiple_of(SLOTS));
