//! Tells userspace: the first drop under each sanction, and, where it was asked for, every decision. Counts an event
//! that finds no room and goes on.

use core::ops::ControlFlow;

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::info;
use filter_common::verdict::Segment;
use filter_common::{Counter, Event, PeerEntry, PeerKey, Reason, Timestamp};

use crate::{count, limiter, maps};

/// Tells the first drop under a sanction.
#[inline(always)]
pub fn first_drop(entry: *mut PeerEntry, peer: PeerKey, reason: Reason, now: impl Fn() -> Timestamp) {
    if !limiter::claims_report(entry) {
        return;
    }
    match maps::EVENTS.reserve::<Event>(0) {
        Some(mut room) => {
            room.write(Event::first_drop(peer, reason, now()));
            room.submit(0);
        }
        None => count::one(Counter::EventsLost),
    }
}

/// Logs a decision, if tracing was asked for when the program was loaded; otherwise this is no code at all.
#[inline(always)]
pub fn trace(context: &XdpContext, segment: &ControlFlow<Reason, Segment>, reason: Reason) {
    if !maps::is_tracing() {
        return;
    }
    match segment {
        ControlFlow::Continue(segment) => {
            info!(context, "reason {}: {:i} to port {}", reason as u32, segment.source, segment.port);
        }
        ControlFlow::Break(_) => info!(context, "reason {}", reason as u32),
    }
}
