//! Answers a blocked peer in its packet's place, as often as the rate for all answers together lets it.

use filter_common::packet::{Packet, Version};
use filter_common::reply::{self, Answer, Headers, IPV4, IPV6, words};
use filter_common::{Counter, Verdict};

use crate::hook::Hook;
use crate::hosts::now;
use crate::maps::load_time;
use crate::{count, limiter, maps};

/// The verdict that came of a wanted one: itself, or a drop where there can or may be no answer.
#[inline(always)]
pub fn attempt(frame: &impl Hook, packet: &Packet, wanted: Verdict) -> Verdict {
    let answer = match wanted {
        Verdict::Pass | Verdict::Drop => return wanted,
        Verdict::Reset => Answer::Reset,
        Verdict::Tarpit => Answer::Tarpit,
    };
    let sent = match packet.plain {
        Some(Version::V4) => over_ipv4(frame, packet.network, answer),
        Some(Version::V6) => over_ipv6(frame, packet.network, answer),
        None => None,
    };
    if sent.is_some() { wanted } else { Verdict::Drop }
}

// A function of its own, here and below: headers of two packets do not fit onto the stack beside all else.
#[inline(never)]
fn over_ipv4(frame: &impl Hook, network: usize, answer: Answer) -> Option<()> {
    let headers = reply::ipv4(&words(frame, network)?, &words(frame, network + 4 * IPV4)?, answer)?;
    send(frame, network, &headers)
}

#[inline(never)]
fn over_ipv6(frame: &impl Hook, network: usize, answer: Answer) -> Option<()> {
    let headers = reply::ipv6(&words(frame, network)?, &words(frame, network + 4 * IPV6)?, answer)?;
    send(frame, network, &headers)
}

#[inline(always)]
fn send<const N: usize>(frame: &impl Hook, network: usize, headers: &Headers<N>) -> Option<()> {
    let ethernet = reply::ethernet(&frame.bytes(0)?)?;
    if !limiter::conforms(maps::replies_arrival()?, now(), load_time!(replies)) {
        count::one(Counter::RepliesWithheld);
        return None;
    }
    frame.rewrite(ethernet, network, headers).then_some(())
}
