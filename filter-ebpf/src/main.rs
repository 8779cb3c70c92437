//! relaygate's program for XDP and for tc: read the packet, judge it, count it, and answer where that was asked for. It
//! takes nothing but what sanctioned peers send to what is protected; whatever it cannot read it passes, and it never
//! aborts. No packet puts a sanction into a map.
#![no_std]
#![no_main]
#![allow(
    internal_features,
    reason = "the bpf target has no compare-and-swap outside the intrinsics, see atomic.rs"
)]
#![feature(core_intrinsics, asm_experimental_arch)]

mod answer;
mod arrivals;
mod atomic;
mod count;
mod decide;
mod generation;
mod hook;
mod hosts;
mod limiter;
mod maps;
mod report;
mod tc;
mod xdp;

use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};

/// The entry point at the driver, or before the network stack.
#[xdp]
pub fn relaygate(context: XdpContext) -> u32 {
    let frame = xdp::XdpFrame(context);
    xdp::action(decide::decide(&frame))
}

/// The entry point inside the network stack, where another XDP program owns the interface.
#[classifier]
pub fn relaygate_tc(context: TcContext) -> i32 {
    let frame = tc::TcFrame::new(context);
    frame.action(decide::decide(&frame))
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
