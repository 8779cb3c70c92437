//! The least reading of a packet that is of any use: Ethernet, IPv4, TCP; no VLAN, no IPv6, no fragments.

use aya_ebpf::programs::XdpContext;

const ETHERTYPE_IPV4: u16 = 0x0800;
const TCP: u8 = 6;
/// Where the IPv4 header begins.
const IPV4: usize = 14;
/// The port that the compared programs protect.
const SMTP: u16 = 25;

/// `N` bytes of the frame, where it is so long.
#[inline(always)]
pub fn bytes<const N: usize>(context: &XdpContext, offset: usize) -> Option<[u8; N]> {
    let from = context.data() + offset;
    if from + N > context.data_end() {
        return None;
    }
    // SAFETY: `from` to `from + N` lies between the frame's two ends, as just compared; an array of bytes has no
    // alignment.
    Some(unsafe { (from as *const [u8; N]).read() })
}

/// The IPv4 source of a TCP segment to port 25.
#[inline(always)]
pub fn source(context: &XdpContext) -> Option<[u8; 4]> {
    let header: [u8; IPV4 + 20] = bytes(context, 0)?;
    if u16::from_be_bytes([header[12], header[13]]) != ETHERTYPE_IPV4 || header[IPV4 + 9] != TCP {
        return None;
    }
    let length = usize::from(header[IPV4] & 0x0f) * 4;
    let [_, _, high, low] = bytes::<4>(context, IPV4 + length)?;
    if u16::from_be_bytes([high, low]) != SMTP {
        return None;
    }
    Some([header[IPV4 + 12], header[IPV4 + 13], header[IPV4 + 14], header[IPV4 + 15]])
}

/// Puts another source into a frame that holds an IPv4 header. Its checksum is then wrong: nothing that is measured looks
/// at it.
#[inline(always)]
pub fn put_source(context: &XdpContext, source: u32) -> bool {
    let at = context.data() + IPV4 + 12;
    if at + size_of::<u32>() > context.data_end() {
        return false;
    }
    // SAFETY: within the frame, as just compared; a program may write to its frame. In one store: the compiler would make
    // four of it, and who then reads them as one word has to wait until all have left the CPU.
    unsafe { core::arch::asm!("*(u32 *)({at} + 0) = {source}", at = in(reg) at, source = in(reg) source.to_be()) };
    true
}
