//! What a hook of the kernel must give so that one decision serves all of them.

use filter_common::captured::CAPTURED_OCTETS;
use filter_common::packet::usual::HEADERS;
use filter_common::packet::{Frame, Octets};
use filter_common::reply::Headers;

/// A frame at a hook.
pub trait Hook: Frame {
    /// How long it is.
    fn length(&self) -> u32;

    /// Copies its first octets, as many as there is room for, and says how many those were. What lies behind them in the
    /// room stays.
    ///
    /// # Safety
    ///
    /// `room` must be valid for writes.
    #[inline(always)]
    unsafe fn copy(&self, room: *mut [u8; CAPTURED_OCTETS]) -> u32 {
        const CHUNK: usize = 8;
        let room: *mut u8 = room.cast();
        let mut kept = 0;
        // Chunks, then single octets, at places that the verifier knows as numbers: bounded by the packet's length instead,
        // it would have to follow that, which Linux 6.1 cannot.
        while kept < CAPTURED_OCTETS {
            let Some(chunk) = self.bytes::<CHUNK>(kept) else { break };
            // SAFETY: within the room, a multiple of a chunk, which is valid as the caller promises.
            unsafe { room.add(kept).cast::<[u8; CHUNK]>().write(chunk) };
            kept += CHUNK;
        }
        // Of nothing, the verifier would not see that an octet lies behind it; and no such packet was ever judged.
        while kept > 0 && kept < CAPTURED_OCTETS {
            let Some([octet]) = self.bytes(kept) else { break };
            // SAFETY: as above.
            unsafe { room.add(kept).write(octet) };
            kept += 1;
        }
        kept as u32
    }

    /// Puts an answer in the frame's place, its IP header at `network`: whether that could be done. The frame is spoilt
    /// where not.
    fn rewrite<const N: usize>(&self, ethernet: [u8; 12], network: usize, headers: &Headers<N>) -> bool;
}

/// Further in than any header that is read: the verifier wants to know how far a read can go.
const FURTHEST: usize = 0x3fff;

/// Where `N` bytes from `offset` on lie between the two ends of a packet; nothing where it ends before.
#[inline(always)]
pub fn place<const N: usize>(begin: usize, end: usize, offset: usize) -> Option<*mut [u8; N]> {
    if offset > FURTHEST {
        return None;
    }
    let from = begin + offset;
    if from + N > end { None } else { Some(from as *mut [u8; N]) }
}

/// Reads bytes of a packet; two, four and eight of them at once. They lie at any address, which every machine that
/// runs this reads whole, but no language has a word for it: so the instruction is written out.
///
/// # Safety
///
/// The place must lie in the packet.
#[inline(always)]
pub unsafe fn read<const N: usize>(place: *mut [u8; N]) -> [u8; N] {
    let mut bytes = [0; N];
    macro_rules! load {
        ($word:ty, $instruction:literal) => {{
            let word: u64;
            // SAFETY: a load from where the caller says that the packet is; it changes nothing else.
            unsafe {
                core::arch::asm!($instruction, out(reg) word, in(reg) place, options(pure, readonly, nostack));
            }
            bytes.copy_from_slice(&(word as $word).to_ne_bytes());
        }};
    }
    match N {
        8 => load!(u64, "{0} = *(u64 *)({1} + 0)"),
        4 => load!(u32, "{0} = *(u32 *)({1} + 0)"),
        2 => load!(u16, "{0} = *(u16 *)({1} + 0)"),
        // SAFETY: as the caller promises; an array of bytes has no alignment.
        _ => bytes = unsafe { place.read() },
    }
    bytes
}

/// The headers of the usual packet, in a packet that was measured to have so many octets.
pub struct Measured(*mut [u8; HEADERS]);

impl Measured {
    /// # Safety
    ///
    /// They must lie in the packet.
    #[inline(always)]
    pub const unsafe fn new(headers: *mut [u8; HEADERS]) -> Self {
        Self(headers)
    }
}

/// Reads a word of some octets, as [`read`] does, at a place that is part of the instruction.
macro_rules! load_at {
    ($word:ty, $headers:expr, $at:expr, $instruction:literal) => {{
        const { assert!($at + size_of::<$word>() <= HEADERS) };
        let word: u64;
        // SAFETY: a load from among the octets that lie in the packet; it changes nothing else.
        unsafe {
            core::arch::asm!($instruction, out(reg) word, in(reg) $headers, const $at, options(pure, readonly, nostack));
        }
        (word as $word).to_ne_bytes()
    }};
}

impl Octets for Measured {
    #[inline(always)]
    fn four<const AT: usize>(&self) -> [u8; 4] {
        load_at!(u32, self.0, AT, "{0} = *(u32 *)({1} + {2})")
    }

    #[inline(always)]
    fn two<const AT: usize>(&self) -> [u8; 2] {
        load_at!(u16, self.0, AT, "{0} = *(u16 *)({1} + {2})")
    }
}
