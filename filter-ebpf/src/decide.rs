//! Decides on a frame, at every hook alike: reads it, asks the common rule, and does what follows of the reason.

use core::ops::ControlFlow;

use filter_common::event::Happened;
use filter_common::judge::{judge, verdict};
use filter_common::packet::{self, Packet, Part, Protected, Version};
use filter_common::table::Meter;
use filter_common::verdict::counter;
use filter_common::{Address, PeerKey, Reason, Verdict};

use crate::hook::Hook;
use crate::hosts::{Entry, Maps};
use crate::maps::load_time;
use crate::{answer, count, maps, report};

/// What is done with a frame. Counted, told and answered already.
#[inline(always)]
pub fn decide(frame: &impl Hook) -> Verdict {
    let packet = match packet::read(frame, &Ours) {
        ControlFlow::Continue(packet) => packet,
        ControlFlow::Break(reason) => {
            count::one(reason.counter());
            report::log_other(reason);
            return reason.verdict();
        }
    };
    let Address([high, low]) = packet.source;
    let wanted = judged(frame, high, low, packet.part, packet.plain);
    if matches!(wanted, Verdict::Pass | Verdict::Drop) {
        return wanted;
    }
    let verdict = answer::attempt(frame, &packet, wanted);
    finish(&packet, Reason::Blocked, verdict);
    verdict
}

/// What shall be done with a packet; where that is to answer it, it is yet to be done, and counted. A function of its own:
/// on the stack there is no room for this and for an answer at once. What is known of the packet comes in registers, not by
/// reference: before 6.8 the verifier does not see that a branch depends on a constant that lies on the caller's stack, and
/// where it met one constant there it takes what only others reach for dead, and cuts it out.
#[inline(never)]
fn judged(frame: &impl Hook, high: u64, low: u64, part: Part, plain: Option<Version>) -> Verdict {
    // Nobody looks there again who judges.
    let network = 0;
    let packet = &Packet { source: Address([high, low]), network, part, plain };
    let peer = packet.source.peer(maps::prefix_lengths());
    let (reason, entry) = judge(&Maps, packet, peer);
    if let Some(entry) = entry {
        note(frame, entry, peer, reason);
    }
    let wanted = verdict(reason, packet, maps::block_action());
    if !matches!(wanted, Verdict::Pass) {
        report::capture(frame, peer, reason);
    }
    if matches!(wanted, Verdict::Pass | Verdict::Drop) {
        finish(packet, reason, wanted);
    }
    wanted
}

#[inline(always)]
fn finish(packet: &Packet, reason: Reason, verdict: Verdict) {
    count::one(counter(reason, verdict));
    report::log_judged(&packet.source, reason, verdict);
}

/// Notes in the peer's meter what becomes of its packet, and tells of the first drop and of a block's end.
#[inline(always)]
fn note(frame: &impl Hook, entry: Entry, peer: PeerKey, reason: Reason) {
    match reason {
        Reason::Blocked | Reason::BlockedFragment => {
            if entry.meter.add(Meter::blocked_frame(frame.length())) == 0 {
                report::tell(Happened::FirstDrop, peer, reason);
            }
        }
        Reason::BeyondLimit => {
            if Meter(entry.meter.add(Meter::limited_syn())).has_no_limited_drop() {
                report::tell(Happened::FirstDrop, peer, reason);
            }
        }
        // Once somebody has harvested drops of the block, its end is worth telling: by whoever takes that mark off.
        Reason::Expired if entry.is_blocked => {
            let meter = entry.meter.read();
            let Some(unmarked) = Meter(meter).unmarked() else { return };
            if entry.meter.exchange(meter, unmarked.0) {
                report::tell(Happened::BlockEnded, peer, reason);
            }
        }
        _ => {}
    }
}

/// What is protected, as the maps have it.
struct Ours;

impl Protected for Ours {
    #[inline(always)]
    fn port(&self, port: u16) -> bool {
        maps::is_protected(port)
    }

    #[inline(always)]
    fn lists_addresses(&self) -> bool {
        load_time!(addresses) != 0
    }

    #[inline(always)]
    fn address(&self, destination: Address) -> bool {
        maps::is_protected_address(destination)
    }
}
