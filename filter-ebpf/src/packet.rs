//! Reads a frame as far as a verdict needs it: Ethernet, up to two VLAN tags, IPv4, IPv6, TCP (RFC 9293). "Not ours"
//! at once, bounded reads alone. Knows no map and nothing of aya, so that the tests compile this very file too.

use core::ops::ControlFlow::{self, Break, Continue};

use filter_common::{Reason, verdict::Segment};

/// A frame that may be shorter than it says.
pub trait Frame {
    /// `N` bytes from `offset` on; nothing where the frame ends before.
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

const ETHERNET: usize = 14;
const VLAN_TAG: usize = 4;
const MAX_VLAN_TAGS: usize = 2;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// IEEE 802.1Q and 802.1ad.
const ETHERTYPE_VLAN: [u16; 2] = [0x8100, 0x88a8];

const IPV4: usize = 20;
const IPV6: usize = 40;
/// More than any honest packet has (RFC 8504 section 5.3 lets a node refuse beyond 8); each costs the verifier.
const MAX_EXTENSIONS: usize = 6;

const TCP: u8 = 6;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Of the flags and the fragment offset of IPv4.
const MORE_FRAGMENTS_IPV4: u16 = 0x2000;
/// Of the last octet of the fragment offset of IPv6.
const MORE_FRAGMENTS_IPV6: u8 = 0x01;

/// A TCP header and where it says it comes from.
struct Transport {
    source: [u8; 16],
    offset: usize,
    /// It is the first of several fragments.
    in_pieces: bool,
}

/// The segment in a frame, if it is TCP to a protected port.
#[inline(always)]
pub fn segment(frame: &impl Frame, is_protected: impl Fn(u16) -> bool) -> ControlFlow<Reason, Segment> {
    let (ethertype, offset) = ethernet(frame)?;
    let transport = match ethertype {
        ETHERTYPE_IPV4 => ipv4(frame, offset)?,
        ETHERTYPE_IPV6 => ipv6(frame, offset)?,
        _ => return Break(Reason::NotOurs),
    };
    tcp(frame, transport, is_protected)
}

/// The EtherType behind the tags, and where its header begins.
#[inline(always)]
fn ethernet(frame: &impl Frame) -> ControlFlow<Reason, (u16, usize)> {
    let mut offset = ETHERNET;
    let mut ethertype = u16::from_be_bytes(read(frame, offset - 2)?);
    for _ in 0..MAX_VLAN_TAGS {
        if !ETHERTYPE_VLAN.contains(&ethertype) {
            break;
        }
        offset += VLAN_TAG;
        ethertype = u16::from_be_bytes(read(frame, offset - 2)?);
    }
    Continue((ethertype, offset))
}

/// RFC 791.
#[inline(always)]
fn ipv4(frame: &impl Frame, offset: usize) -> ControlFlow<Reason, Transport> {
    let header: [u8; IPV4] = read(frame, offset)?;
    let length = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || length < IPV4 {
        return Break(Reason::Unparsed);
    }
    if header[9] != TCP {
        return Break(Reason::NotOurs);
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    if fragment & 0x1fff != 0 {
        return Break(Reason::Fragment);
    }
    let in_pieces = fragment & MORE_FRAGMENTS_IPV4 != 0;
    let source = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, header[12], header[13], header[14], header[15]];
    Continue(Transport { source, offset: offset + length, in_pieces })
}

/// RFC 8200.
#[inline(always)]
fn ipv6(frame: &impl Frame, offset: usize) -> ControlFlow<Reason, Transport> {
    let header: [u8; IPV6] = read(frame, offset)?;
    if header[0] >> 4 != 6 {
        return Break(Reason::Unparsed);
    }
    let mut source = [0; 16];
    source.copy_from_slice(&header[8..24]);
    let mut next = header[6];
    let mut offset = offset + IPV6;
    let mut in_pieces = false;
    for _ in 0..MAX_EXTENSIONS {
        if next == TCP {
            return Continue(Transport { source, offset, in_pieces });
        }
        let units = match next {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY => 8,
            // RFC 4302 counts in units of four octets, and from two on.
            AUTHENTICATION => 4,
            FRAGMENT => {
                let fragment: [u8; 8] = read(frame, offset)?;
                if u16::from_be_bytes([fragment[2], fragment[3]]) & 0xfff8 != 0 {
                    return Break(Reason::Fragment);
                }
                in_pieces |= fragment[3] & MORE_FRAGMENTS_IPV6 != 0;
                next = fragment[0];
                offset += 8;
                continue;
            }
            _ => return Break(Reason::NotOurs),
        };
        let extension: [u8; 2] = read(frame, offset)?;
        next = extension[0];
        offset += if units == 8 {
            (usize::from(extension[1]) + 1) * 8
        } else {
            (usize::from(extension[1]) + 2) * 4
        };
    }
    if next == TCP { Continue(Transport { source, offset, in_pieces }) } else { Break(Reason::Unparsed) }
}

/// RFC 9293. A first fragment may end behind the ports, and what Ethernet pads it with is not its flags: one of several
/// pieces is taken for a new connection, so that nobody goes round the limit by cutting the header in two.
#[inline(always)]
fn tcp(
    frame: &impl Frame,
    transport: Transport,
    is_protected: impl Fn(u16) -> bool,
) -> ControlFlow<Reason, Segment> {
    let [_, _, high, low] = read::<4>(frame, transport.offset)?;
    let port = u16::from_be_bytes([high, low]);
    if !is_protected(port) {
        return Break(Reason::NotOurs);
    }
    // One condition around the read: made one of two, Linux 6.1's verifier loses sight of the bound.
    let flags = frame.bytes(transport.offset + 13).map_or(SYN, |[flags]: [u8; 1]| flags);
    let opens = transport.in_pieces || flags & (SYN | ACK) == SYN;
    Continue(Segment { source: transport.source, port, opens })
}

#[inline(always)]
fn read<const N: usize>(frame: &impl Frame, offset: usize) -> ControlFlow<Reason, [u8; N]> {
    match frame.bytes(offset) {
        Some(bytes) => Continue(bytes),
        None => Break(Reason::Unparsed),
    }
}
