//! Looks for a host in one bucket while userspace may be writing to it. The same code in the kernel program, in
//! userspace and in the model that shows that it cannot err.

use super::{KEY, SLOT_WORDS, STATE, State};

/// The words of one bucket, as somebody else may be changing them.
pub trait Words: Sized {
    /// A word, read whole, once.
    fn word(&self, index: usize) -> u64;
    /// What was read before it was read before what is read after it. Nothing where the machine keeps loads in order.
    fn fence(&self);
    /// The words from a slot on, where `first`, which is 0 or [`SLOT_WORDS`], is its first.
    fn slot(&self, first: usize) -> Self;
}

/// A host's slot.
#[derive(Clone, Copy, Debug)]
pub struct Found<W> {
    /// Its words, from its first on.
    pub slot: W,
    /// What stands there. Not empty.
    pub state: State,
}

/// The slot of the host with this key and tag in the bucket; nothing where it is not there, or just comes or goes.
#[must_use]
#[inline(always)]
pub fn find<W: Words>(bucket: &W, key: [u64; 2], tag: u16) -> Option<Found<W>> {
    // Which of the two is as good as random, and a branch that cannot be foreseen costs as much as all the rest: so the
    // slot is computed. Both have to be looked into only where both have this tag.
    let second = State(bucket.word(SLOT_WORDS + STATE)).has_tag_as_number(tag) as usize;
    match find_in(bucket.slot(second * SLOT_WORDS), key, tag) {
        None if second != 0 => find_in(bucket.slot(0), key, tag),
        found => found,
    }
}

#[inline(always)]
fn find_in<W: Words>(slot: W, key: [u64; 2], tag: u16) -> Option<Found<W>> {
    let before = State(slot.word(STATE));
    if before.is_empty() || !before.has_tag(tag) {
        return None;
    }
    slot.fence();
    // One comparison: to give up between the two would save nothing.
    let differs = slot.word(KEY) ^ key[0] | slot.word(KEY + 1) ^ key[1];
    slot.fence();
    let state = State(slot.word(STATE));
    if differs != 0 || state.is_empty() || !state.is_same_stay(before) {
        return None;
    }
    Some(Found { slot, state })
}
