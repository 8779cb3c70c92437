//! Tells userspace: events, captured packets, and, where it was asked for, the program's own log. Counts what finds no
//! room and goes on.

use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_boot_ns};
use aya_log_ebpf::log;
use aya_log_ebpf::macro_support::{Level, level_enabled};
use filter_common::captured::CAPTURED_OCTETS;
use filter_common::event::{EVENTS, Happened};
use filter_common::{Address, Counter, Event, PeerKey, Reason, Timestamp, Verdict};

use crate::hook::Hook;
use crate::{count, limiter, maps};

/// Tells what happened, unless too much does. A function of its own, here and below: what is rare shall not take registers
/// and stack from what is not.
#[inline(never)]
pub fn tell(happened: Happened, peer: PeerKey, reason: Reason) {
    let now = exactly_now();
    let conforms = match maps::events_arrival() {
        Some(arrival) => limiter::conforms(arrival, now, EVENTS),
        None => false,
    };
    let room = if conforms { maps::EVENTS.reserve(0) } else { None };
    match room {
        Some(mut room) => {
            room.write(Event::new(happened, peer, reason, now));
            room.submit(0);
        }
        None => count::one(Counter::EventsLost),
    }
}

/// Captures a dropped packet, where its peer's are asked for and its turn has come.
#[inline(always)]
pub fn capture(frame: &impl Hook, peer: PeerKey, reason: Reason) {
    let Some((one_of, key)) = maps::captured() else { return };
    if key != peer.words() {
        return;
    }
    // SAFETY: a helper without arguments; any program may call it.
    if one_of > 1 && u64::from(unsafe { bpf_get_prandom_u32() }) % one_of != 0 {
        return;
    }
    keep(frame, reason);
}

#[inline(never)]
fn keep(frame: &impl Hook, reason: Reason) {
    let Some(mut room) = maps::CAPTURED.reserve(0) else { return count::one(Counter::CapturesLost) };
    let captured = room.as_mut_ptr();
    // SAFETY: room for a record, reserved just now and aligned to 8 octets; each of its fields is written.
    unsafe {
        let octets = &raw mut (*captured).octets;
        for word in 0..CAPTURED_OCTETS / size_of::<u64>() {
            // Volatile: else the compiler makes a call of it that goes octet by octet.
            octets.cast::<u64>().add(word).write_volatile(0);
        }
        (&raw mut (*captured).at).write(exactly_now().0);
        (&raw mut (*captured).length).write(frame.length());
        (&raw mut (*captured).reason).write(reason as u32);
        (&raw mut (*captured).reserved).write(0);
        (&raw mut (*captured).kept).write(frame.copy(octets));
    }
    room.submit(0);
}

/// Logs a decision on a packet for what is protected, where the program was loaded to: one that passed for debugging, all
/// others as information.
#[inline(always)]
pub fn log_judged(source: &Address, reason: Reason, verdict: Verdict) {
    if level_enabled(Level::Info) {
        write_judged(source, reason, verdict);
    }
}

#[inline(never)]
fn write_judged(source: &Address, reason: Reason, verdict: Verdict) {
    let level = if matches!(verdict, Verdict::Pass) { Level::Debug } else { Level::Info };
    log!((), level, "{:i}: reason {}, verdict {}", source.octets(), reason as u32, verdict as u32);
}

/// Logs that a frame is not ours, or cannot be read, where the program was loaded to trace.
#[inline(always)]
pub fn log_other(reason: Reason) {
    if level_enabled(Level::Trace) {
        write_other(reason as u32);
    }
}

#[inline(never)]
fn write_other(reason: u32) {
    log!((), Level::Trace, "reason {}", reason);
}

/// The time, exactly: for what is rare.
#[inline(always)]
fn exactly_now() -> Timestamp {
    // SAFETY: a helper without arguments; any program may call it.
    Timestamp(unsafe { bpf_ktime_get_boot_ns() })
}
