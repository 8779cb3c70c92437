//! The limit that every peer has, where one was set: a bounded map that forgets whoever was seen longest ago, and the
//! only one that the program puts anything into. It holds no sanction, so nobody can push one out of it.

use aya_ebpf::bindings::BPF_NOEXIST;
use filter_common::event::Happened;
use filter_common::{PeerKey, Reason, Timestamp, gcra};

use crate::atomic::Word;
use crate::maps::load_time;
use crate::{limiter, maps, report};

/// Takes one new connection of a peer: whether it conforms. Passes whoever there is no room for. A function of its own, so
/// that its keys are not on the stack of all else.
#[inline(never)]
pub fn conforms(peer: &PeerKey, now: Timestamp) -> bool {
    let (peer, rate) = (*peer, load_time!(syn_limit));
    if let Some(arrival) = arrival(peer) {
        return limiter::conforms(arrival, now, rate);
    }
    let Some(first) = gcra::step(0, now, rate) else { return false };
    if maps::ARRIVALS.insert(peer, first, u64::from(BPF_NOEXIST)).is_ok() {
        return true;
    }
    match arrival(peer) {
        // Another CPU was faster.
        Some(arrival) => limiter::conforms(arrival, now, rate),
        None => {
            report::tell(Happened::Pressure, peer, Reason::Unknown);
            true
        }
    }
}

#[inline(always)]
fn arrival(peer: PeerKey) -> Option<Word> {
    let arrival = maps::ARRIVALS.get_ptr_mut(peer)?;
    // SAFETY: a map's element. Where it is used for another peer meanwhile, that one's limiter moves by one connection:
    // which is why the map holds limiters alone.
    Some(unsafe { Word::new(arrival) })
}
