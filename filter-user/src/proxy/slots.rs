//! The sessions of one worker as they look from outside: whose each is, when it is overdue, how to wake it and what
//! for. One coarse ticker over all slots stands in for a timer a session: to arm or disarm it is one store.

use std::task::Waker;
use std::time::Instant;

use filter_common::PeerKey;
use slab::Slab;

/// Why a session was woken, if not by its socket. Ordered: the greater one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    /// Not at all.
    #[default]
    None,
    /// Its deadline has passed.
    Overdue,
    /// The daemon is stopping: end where nothing is lost by it.
    Drain,
    /// Its peer was blocked: end by a reset.
    Reset,
}

#[derive(Debug)]
struct Slot {
    peer: PeerKey,
    deadline: Instant,
    waker: Option<Waker>,
    call: Call,
}

/// All sessions of a worker.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Slab<Slot>,
}

impl Slots {
    /// A new session.
    pub(super) fn insert(&mut self, peer: PeerKey, deadline: Instant) -> usize {
        self.slots.insert(Slot { peer, deadline, waker: None, call: Call::None })
    }

    /// A session is over.
    pub(super) fn remove(&mut self, slot: usize) {
        self.slots.try_remove(slot);
    }

    /// How to wake it. To be called whenever it is polled: a task keeps its waker, so this is a comparison.
    pub(super) fn listen(&mut self, slot: usize, waker: &Waker) {
        if let Some(slot) = self.slots.get_mut(slot) {
            match &mut slot.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    /// When it will be overdue.
    pub(super) fn set_deadline(&mut self, slot: usize, deadline: Instant) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.deadline = deadline;
        }
    }

    /// What it was woken for. To be overdue is told once; the others stay.
    pub(super) fn take_call(&mut self, slot: usize) -> Call {
        let Some(slot) = self.slots.get_mut(slot) else { return Call::None };
        let call = slot.call;
        if call == Call::Overdue {
            slot.call = Call::None;
        }
        call
    }

    /// Calls everyone whose deadline has passed.
    pub(super) fn call_overdue(&mut self, now: Instant) {
        self.call(Call::Overdue, |slot| slot.deadline <= now);
    }

    /// Calls every session of a peer.
    pub(super) fn call_peer(&mut self, peer: PeerKey, call: Call) {
        self.call(call, |slot| slot.peer == peer);
    }

    /// Calls everyone.
    pub(super) fn call_all(&mut self, call: Call) {
        self.call(call, |_| true);
    }

    /// How many sessions there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn call(&mut self, call: Call, whom: impl Fn(&Slot) -> bool) {
        for (_, slot) in &mut self.slots {
            if slot.call < call && whom(slot) {
                slot.call = call;
                if let Some(waker) = &slot.waker {
                    waker.wake_by_ref();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_overdue_are_called_and_once_each() {
        let mut slots = Slots::default();
        let start = Instant::now();
        let peer = PeerKey::from(Ipv4Addr::new(192, 0, 2, 1));
        let early = slots.insert(peer, start + Duration::from_secs(1));
        let late = slots.insert(peer, start + Duration::from_secs(60));
        slots.call_overdue(start + Duration::from_secs(1));
        assert_eq!((slots.take_call(early), slots.take_call(late)), (Call::Overdue, Call::None));
        assert_eq!(slots.take_call(early), Call::None);
    }

    #[test]
    fn a_reset_calls_the_sessions_of_that_peer_and_outranks_a_drain() {
        let mut slots = Slots::default();
        let now = Instant::now();
        let (one, other) =
            (PeerKey::from(Ipv4Addr::new(192, 0, 2, 1)), PeerKey::from(Ipv4Addr::new(192, 0, 2, 2)));
        let (a, b, c) = (slots.insert(one, now), slots.insert(other, now), slots.insert(one, now));
        slots.call_peer(one, Call::Reset);
        slots.call_all(Call::Drain);
        assert_eq!([a, b, c].map(|slot| slots.take_call(slot)), [Call::Reset, Call::Drain, Call::Reset]);
    }
}
