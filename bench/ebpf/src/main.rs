//! The programs that `bench xdp` measures relaygate's against, and the two that make its packets come from many
//! sources. None of them is ever attached outside of the namespaces that `bench` makes.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod packet;
mod sources;

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, HashMap, ProgramArray},
    programs::XdpContext,
};

/// What the kernel's hash map of the minimal program holds: preallocated, the faster of its two kinds.
#[map]
static BLOCKED: HashMap<[u8; 16], u64> = HashMap::with_max_entries(1024, 0);

/// Which sources come, and how far the random numbers are: written by `bench` between runs.
#[map]
static SOURCES: Array<Sources> = Array::with_max_entries(1, 0);

/// The program that is measured, as its element 0.
#[map]
static MEASURED: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The sources numbered `first` to `first + count`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Sources {
    /// Never 0, from which no other number comes.
    random: u64,
    first: u64,
    /// Below 2^32.
    count: u64,
}

/// Does nothing: what a run costs without a program's own work.
#[xdp]
pub fn nothing(_: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// Reads the packet and passes it: the least for one that is not ours.
#[xdp]
pub fn minimal_pass(context: XdpContext) -> u32 {
    match packet::source(&context) {
        // Another verdict, so that the compiler keeps the reading.
        Some(_) => xdp_action::XDP_DROP,
        None => xdp_action::XDP_PASS,
    }
}

/// Reads the packet, looks for its source in a hash map, drops it where that is there: the least for a block.
#[xdp]
pub fn minimal_hash(context: XdpContext) -> u32 {
    let Some([a, b, c, d]) = packet::source(&context) else { return xdp_action::XDP_PASS };
    let key = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
    match BLOCKED.get_ptr(&key) {
        Some(_) => xdp_action::XDP_DROP,
        None => xdp_action::XDP_PASS,
    }
}

/// Puts a random source into the packet and goes on with the program that is measured.
#[xdp]
pub fn vary(context: XdpContext) -> u32 {
    if put_random_source(&context) {
        // SAFETY: this program holds nothing that would have to be dropped.
        unsafe { MEASURED.tail_call(&context, 0) };
    }
    // No verdict of any measured program: so a run that measured nothing shows.
    xdp_action::XDP_ABORTED
}

/// Puts a random source into the packet and sends it out of the interface that it is said to have come from.
#[xdp]
pub fn flood(context: XdpContext) -> u32 {
    if put_random_source(&context) { xdp_action::XDP_TX } else { xdp_action::XDP_ABORTED }
}

#[inline(always)]
fn put_random_source(context: &XdpContext) -> bool {
    let Some(sources) = SOURCES.get_ptr_mut(0) else { return false };
    // SAFETY: a map's element, there until this run ends; one run at a time writes it.
    let sources = unsafe { &mut *sources };
    // xorshift64 (Marsaglia 2003).
    let mut random = sources.random;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    sources.random = random;
    let number = sources.first.wrapping_add(sources.count.wrapping_mul(random >> 32) >> 32);
    packet::put_source(context, sources::address(number as u32))
}

/// Never reached: nothing here panics, and the verifier would refuse a loop.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// All that these call, any kernel lets a program of this licence call.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 18] = *b"Apache-2.0 OR MIT\0";
