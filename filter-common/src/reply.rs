//! What a blocked peer may get back, made from its own packet: a reset as RFC 9293 section 3.10.7.1 has it for a
//! connection that does not exist, or the SYN-ACK of the tarpit. Pure: headers in, headers out; no memory of anybody.
//! Headers are words of 32 bits as they lie in memory.

use crate::checksum::Sum;
use crate::packet::{ACK, FIN, Frame, PROTOCOL_TCP, RST, SYN};

/// So little may the peer send before it has to wait for the next acknowledgement, which never comes.
pub const TARPIT_WINDOW: u16 = 4;

/// Words of an IPv4 header without options.
pub const IPV4: usize = 5;
/// Words of an IPv6 header.
pub const IPV6: usize = 10;
/// Words of a TCP header without options.
pub const TCP: usize = 5;

/// How many routers an answer may pass.
const HOP_LIMIT: u8 = 64;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A reset.
    Reset,
    /// A SYN-ACK with a tiny window.
    Tarpit,
}

/// The headers of an answer over an IP whose header has `N` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<const N: usize> {
    /// Of IP.
    pub ip: [u32; N],
    /// Of TCP, with its checksum.
    pub tcp: [u32; TCP],
    /// The checksum in it, as it lies in memory.
    pub checksum: u16,
    /// What takes its place where whoever has the packet next sums up all but the pseudo-header.
    pub pseudo_header: u16,
}

/// Where a TCP header has its checksum, in octets.
pub const CHECKSUM: usize = 16;

/// Words of a frame; nothing where it ends before.
#[must_use]
#[inline(always)]
pub fn words<const N: usize>(frame: &impl Frame, offset: usize) -> Option<[u32; N]> {
    let mut words = [0; N];
    let mut at = 0;
    while at < N {
        words[at] = u32::from_ne_bytes(frame.bytes(offset + at * size_of::<u32>())?);
        at += 1;
    }
    Some(words)
}

/// The addresses of the two Ethernet ends, the other way round. Nothing where the frame came to many: then there is no
/// end that it is for.
#[must_use]
#[inline(always)]
pub const fn ethernet(addresses: &[u8; 12]) -> Option<[u8; 12]> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *addresses;
    if (a | g) & 1 == 1 {
        return None;
    }
    Some([g, h, i, j, k, l, a, b, c, d, e, f])
}

/// The answer to an IPv4 and a TCP header, both without options; nothing where RFC 9293, RFC 1122 or RFC 1812 want none.
#[must_use]
#[inline(always)]
pub const fn ipv4(ip: &[u32; IPV4], segment: &[u32; TCP], answer: Answer) -> Option<Headers<IPV4>> {
    let [first, _, _, source, destination] = *ip;
    if !is_one_host_ipv4(source) || !is_one_host_ipv4(destination) {
        return None;
    }
    let Some(payload) = (u32::from_be(first) & 0xffff).checked_sub(4 * IPV4 as u32) else { return None };
    let length = 4 * (IPV4 + TCP) as u32;
    // Do not fragment: then the identification, 0 here, means nothing (RFC 6864).
    let mut header = [
        (0x4500_0000 | length).to_be(),
        0x4000_u32.to_be(),
        ((HOP_LIMIT as u32) << 24 | (PROTOCOL_TCP as u32) << 16).to_be(),
        destination,
        source,
    ];
    let sum = u16::from_be(Sum::EMPTY.words(&header).checksum());
    header[2] |= (sum as u32).to_be();
    match tcp(segment, payload, answer, Sum::EMPTY.words(&[source, destination])) {
        Some((tcp, checksum, pseudo_header)) => Some(Headers { ip: header, tcp, checksum, pseudo_header }),
        None => None,
    }
}

/// The same over IPv6, without extensions.
#[must_use]
#[inline(always)]
pub const fn ipv6(ip: &[u32; IPV6], segment: &[u32; TCP], answer: Answer) -> Option<Headers<IPV6>> {
    let [_, second, s0, s1, s2, s3, d0, d1, d2, d3] = *ip;
    let (source, destination) = ([s0, s1, s2, s3], [d0, d1, d2, d3]);
    if !is_one_host_ipv6(source) || !is_one_host_ipv6(destination) {
        return None;
    }
    let lengths = (4 * TCP as u32) << 16 | (PROTOCOL_TCP as u32) << 8 | HOP_LIMIT as u32;
    let header = [0x6000_0000_u32.to_be(), lengths.to_be(), d0, d1, d2, d3, s0, s1, s2, s3];
    let addresses = Sum::EMPTY.words(&source).words(&destination);
    match tcp(segment, u32::from_be(second) >> 16, answer, addresses) {
        Some((tcp, checksum, pseudo_header)) => Some(Headers { ip: header, tcp, checksum, pseudo_header }),
        None => None,
    }
}

/// The answering TCP header, its checksum, and the sum over its pseudo-header. `payload` is what IP says that it carries,
/// header and data.
#[inline(always)]
const fn tcp(
    segment: &[u32; TCP],
    payload: u32,
    answer: Answer,
    addresses: Sum,
) -> Option<([u32; TCP], u16, u16)> {
    let fourth = u32::from_be(segment[3]);
    let (header, flags) = ((fourth >> 28) * 4, (fourth >> 16) as u8);
    if flags & RST != 0 || header < 4 * TCP as u32 {
        return None;
    }
    let Some(data) = payload.checked_sub(header) else { return None };
    let sequence = u32::from_be(segment[1]);
    let (sends, acknowledges, flags, window) = match answer {
        // It continues where the peer believes that we are.
        Answer::Reset if flags & ACK != 0 => (u32::from_be(segment[2]), 0, RST, 0),
        Answer::Reset => {
            let controls = (flags & SYN != 0) as u32 + (flags & FIN != 0) as u32;
            (0, sequence.wrapping_add(data).wrapping_add(controls), RST | ACK, 0)
        }
        // Of all numbers that need no memory, one that the peer alone can know; no data of its SYN is taken.
        Answer::Tarpit => (!sequence, sequence.wrapping_add(1), SYN | ACK, TARPIT_WINDOW),
    };
    let mut header = [
        segment[0].rotate_left(16),
        sends.to_be(),
        acknowledges.to_be(),
        ((TCP as u32) << 28 | (flags as u32) << 16 | window as u32).to_be(),
        0,
    ];
    let pseudo_header = addresses.number(PROTOCOL_TCP as u16).number(4 * TCP as u16);
    let checksum = pseudo_header.words(&header).checksum();
    header[4] = ((u16::from_be(checksum) as u32) << 16).to_be();
    Some((header, checksum, pseudo_header.folded()))
}

/// Neither "this host", loopback, multicast nor broadcast (RFC 1122 section 3.2.1.3): a host that an answer may go to, or
/// come from.
#[inline(always)]
const fn is_one_host_ipv4(address: u32) -> bool {
    !matches!(u32::from_be(address) >> 24, 0 | 127 | 224..)
}

/// Neither unspecified, loopback nor multicast (RFC 4291 section 2).
#[inline(always)]
const fn is_one_host_ipv6(address: [u32; 4]) -> bool {
    let [a, b, c, d] = address;
    u32::from_be(a) >> 24 != 0xff && (a | b | c != 0 || u32::from_be(d) > 1)
}
