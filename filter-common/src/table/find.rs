//! Looks for a host in one bucket while userspace may be writing to it. The same code in the kernel program, in
//! userspace and in the model that shows that it cannot err.

use super::{KEY, METER, SLOT_WORDS, STATE, State};

/// The words of one bucket, as somebody else may be changing them.
pub trait Words {
    /// A word, read whole, once.
    fn word(&self, index: usize) -> u64;
    /// What was read before it was read before what is read after it. Nothing where the machine keeps loads in order.
    fn fence(&self);
    /// The first word of a slot, which is 0 or [`SLOT_WORDS`]: as it is, unless a verifier must be shown that it is.
    #[inline(always)]
    fn slot(&self, first: usize) -> usize {
        first
    }
}

/// A host's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which of the bucket's words is its meter.
    pub meter: usize,
    /// What stands there. Not empty.
    pub state: State,
}

/// The slot of the host with this key and tag in the bucket; nothing where it is not there, or just comes or goes.
#[must_use]
#[inline(always)]
pub fn find(words: &impl Words, key: [u64; 2], tag: u16) -> Option<Found> {
    // Which of the two is as good as random, and a branch that cannot be foreseen costs as much as all the rest: so the
    // slot is computed. Both have to be looked into only where both have this tag.
    let second = State(words.word(SLOT_WORDS + STATE)).has_tag_as_number(tag) as usize;
    match find_in(words, words.slot(second * SLOT_WORDS), key, tag) {
        None if second != 0 => find_in(words, 0, key, tag),
        found => found,
    }
}

#[inline(always)]
fn find_in(words: &impl Words, slot: usize, key: [u64; 2], tag: u16) -> Option<Found> {
    let before = State(words.word(slot + STATE));
    if before.is_empty() || !before.has_tag(tag) {
        return None;
    }
    words.fence();
    // One comparison: to give up between the two would save nothing.
    let differs = words.word(slot + KEY) ^ key[0] | words.word(slot + KEY + 1) ^ key[1];
    words.fence();
    let state = State(words.word(slot + STATE));
    if differs != 0 || state.is_empty() || !state.is_same_stay(before) {
        return None;
    }
    Some(Found { meter: slot + METER, state })
}
