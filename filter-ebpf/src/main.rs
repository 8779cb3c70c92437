//! relaygate's XDP program: parse, decide, count, return. Drops what blocked and limited peers send to the protected
//! ports and passes all else; whatever it cannot read it passes, and it never aborts. Inserts into no map.
#![no_std]
#![no_main]
#![allow(
    internal_features,
    reason = "the bpf target has no compare-and-swap outside the intrinsics, see limiter.rs"
)]
#![feature(core_intrinsics)]

mod count;
mod decide;
mod frame;
mod limiter;
mod maps;
mod packet;
mod report;

use core::ops::ControlFlow;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use filter_common::Verdict;

/// The entry point.
#[xdp]
pub fn relaygate(context: XdpContext) -> u32 {
    let segment = packet::segment(&frame::XdpFrame(&context), maps::is_protected);
    let reason = match &segment {
        ControlFlow::Continue(segment) => decide::decide(segment),
        ControlFlow::Break(reason) => *reason,
    };
    count::one(reason.counter());
    report::trace(&context, &segment, reason);
    match reason.verdict() {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
    }
}

/// Never reached: nothing here panics, and the verifier would refuse a loop.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// All that it calls, any kernel lets a program of this licence call.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 18] = *b"Apache-2.0 OR MIT\0";
