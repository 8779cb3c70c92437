//! Reads a frame as far as a verdict and an answer need it: Ethernet, up to two VLAN tags, IPv4, IPv6, TCP (RFC 9293).
//! "Not ours" at once, bounded reads alone. Knows no map and nothing of aya: the program and the tests' model share it.

pub mod usual;

use core::ops::ControlFlow::{self, Break, Continue};

pub use usual::Octets;

use crate::{Address, Reason};

/// A frame that may be shorter than it says.
pub trait Frame {
    /// `N` bytes from `offset` on; nothing where the frame ends before.
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
    /// Its first octets, as many as the headers of the usual packet are; nothing where it is shorter.
    #[inline(always)]
    fn headers(&self) -> Option<impl Octets> {
        self.bytes::<{ usual::HEADERS }>(0)
    }
}

/// What is protected.
pub trait Protected {
    /// Whether a port is.
    fn port(&self, port: u16) -> bool;
    /// Whether only listed addresses of ours are; then each is asked for.
    fn lists_addresses(&self) -> bool;
    /// Whether an address of ours is listed.
    fn address(&self, destination: Address) -> bool;
}

/// TCP for what is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it says it comes from.
    pub source: Address,
    /// Where its IP header begins.
    pub network: usize,
    /// What it is of a connection.
    pub part: Part,
    /// Its headers as they can be answered: which IP, no options, no extensions, in one piece. Nothing where it has others.
    pub plain: Option<Version>,
}

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

/// What a packet is of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It asks for a new one: SYN without ACK, or the first of several fragments, which may hide one.
    Opens,
    /// It belongs to one, or claims to.
    Continues,
    /// A fragment that is not the first: it has no ports.
    LaterFragment,
}

const ETHERNET: usize = 14;
const VLAN_TAG: usize = 4;
const MAX_VLAN_TAGS: usize = 2;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// IEEE 802.1Q and 802.1ad.
const ETHERTYPE_VLAN: [u16; 2] = [0x8100, 0x88a8];

/// An IPv4 header without options.
const IPV4: usize = 20;
/// An IPv6 header without extensions.
const IPV6: usize = 40;
/// More than any honest packet has (RFC 8504 section 5.3 lets a node refuse beyond 8); each costs the verifier.
const MAX_EXTENSIONS: usize = 6;

pub(crate) const PROTOCOL_TCP: u8 = 6;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// Flags of TCP.
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// Of the flags and the fragment offset of IPv4.
const MORE_FRAGMENTS_IPV4: u16 = 0x2000;
const OFFSET_IPV4: u16 = 0x1fff;
/// Of the fragment offset of IPv6.
const MORE_FRAGMENTS_IPV6: u16 = 0x0001;
const OFFSET_IPV6: u16 = 0xfff8;

/// What an IP header says, and what lies behind it.
struct Internet {
    source: Address,
    plain: Option<Version>,
    offset: usize,
    pieces: Pieces,
}

/// Which piece of its packet a frame has.
enum Pieces {
    All,
    First,
    Later,
}

/// The TCP in a frame, if it is for what is protected.
#[inline(always)]
pub fn read(frame: &impl Frame, protected: &impl Protected) -> ControlFlow<Reason, Packet> {
    match frame.headers() {
        Some(headers) if usual::is_one(&headers) => usual::read(&headers, protected),
        _ => read_any(frame, protected),
    }
}

/// The same of a frame of any shape.
#[inline(always)]
fn read_any(frame: &impl Frame, protected: &impl Protected) -> ControlFlow<Reason, Packet> {
    let (ethertype, network) = ethernet(frame)?;
    let (internet, destination) = match ethertype {
        ETHERTYPE_IPV4 => (ipv4(frame, network)?, Place::V4(network + 16)),
        ETHERTYPE_IPV6 => (ipv6(frame, network)?, Place::V6(network + 24)),
        _ => return Break(Reason::NotOurs),
    };
    let part = tcp(frame, &internet, protected)?;
    if protected.lists_addresses() && !protected.address(address(frame, destination)?) {
        return Break(Reason::NotOurs);
    }
    let Internet { source, plain, .. } = internet;
    Continue(Packet { source, network, part, plain })
}

/// The EtherType behind the tags, and where its header begins.
#[inline(always)]
fn ethernet(frame: &impl Frame) -> ControlFlow<Reason, (u16, usize)> {
    let mut offset = ETHERNET;
    let mut ethertype = u16::from_be_bytes(bytes(frame, offset - 2)?);
    for _ in 0..MAX_VLAN_TAGS {
        if !ETHERTYPE_VLAN.contains(&ethertype) {
            break;
        }
        offset += VLAN_TAG;
        ethertype = u16::from_be_bytes(bytes(frame, offset - 2)?);
    }
    Continue((ethertype, offset))
}

/// RFC 791. In whole words: their octets cost a load each.
#[inline(always)]
fn ipv4(frame: &impl Frame, offset: usize) -> ControlFlow<Reason, Internet> {
    let first = u64::from_be_bytes(bytes(frame, offset)?);
    let second = u64::from_be_bytes(bytes(frame, offset + 8)?);
    bytes::<4>(frame, offset + 16)?;
    let length = (first >> 56 & 0x0f) as usize * 4;
    if first >> 60 != 4 || length < IPV4 {
        return Break(Reason::Unparsed);
    }
    if (second >> 48) as u8 != PROTOCOL_TCP {
        return Break(Reason::NotOurs);
    }
    let pieces = if first as u16 & OFFSET_IPV4 != 0 {
        Pieces::Later
    } else if first as u16 & MORE_FRAGMENTS_IPV4 != 0 {
        Pieces::First
    } else {
        Pieces::All
    };
    let is_plain = length == IPV4 && matches!(pieces, Pieces::All);
    let plain = if is_plain { Some(Version::V4) } else { None };
    Continue(Internet { source: Address::from_ipv4(second as u32), plain, offset: offset + length, pieces })
}

/// RFC 8200.
#[inline(always)]
fn ipv6(frame: &impl Frame, offset: usize) -> ControlFlow<Reason, Internet> {
    let first = u64::from_be_bytes(bytes(frame, offset)?);
    let source = address(frame, Place::V6(offset + 8))?;
    bytes::<16>(frame, offset + 24)?;
    if first >> 60 != 6 {
        return Break(Reason::Unparsed);
    }
    let mut next = (first >> 8) as u8;
    let plain = if next == PROTOCOL_TCP { Some(Version::V6) } else { None };
    let mut offset = offset + IPV6;
    let mut pieces = Pieces::All;
    for _ in 0..MAX_EXTENSIONS {
        if next == PROTOCOL_TCP {
            break;
        }
        let units = match next {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY => 8,
            // RFC 4302 counts in units of four octets, and from two on.
            AUTHENTICATION => 4,
            FRAGMENT => {
                let fragment = u64::from_be_bytes(bytes(frame, offset)?);
                next = (fragment >> 56) as u8;
                let place = (fragment >> 32) as u16;
                if place & OFFSET_IPV6 != 0 {
                    if next != PROTOCOL_TCP {
                        return Break(Reason::NotOurs);
                    }
                    pieces = Pieces::Later;
                    break;
                }
                if place & MORE_FRAGMENTS_IPV6 != 0 {
                    pieces = Pieces::First;
                }
                offset += 8;
                continue;
            }
            _ => return Break(Reason::NotOurs),
        };
        let [following, length] = bytes(frame, offset)?;
        next = following;
        offset += if units == 8 { (usize::from(length) + 1) * 8 } else { (usize::from(length) + 2) * 4 };
    }
    if next != PROTOCOL_TCP {
        return Break(Reason::Unparsed);
    }
    Continue(Internet { source, plain, offset, pieces })
}

/// RFC 9293. A first fragment may end behind the ports, and what Ethernet pads it with is not its flags: one of several
/// pieces is taken for a new connection, so that nobody goes round the limit by cutting the header in two.
#[inline(always)]
fn tcp(frame: &impl Frame, internet: &Internet, protected: &impl Protected) -> ControlFlow<Reason, Part> {
    let part = match internet.pieces {
        Pieces::Later => return Continue(Part::LaterFragment),
        Pieces::First => Part::Opens,
        Pieces::All => {
            // From the flags to the end of the header.
            let flags = (u64::from_be_bytes(bytes(frame, internet.offset + 12)?) >> 48) as u8;
            if flags & (SYN | ACK) == SYN { Part::Opens } else { Part::Continues }
        }
    };
    let ports = u32::from_be_bytes(bytes(frame, internet.offset)?);
    if protected.port(ports as u16) { Continue(part) } else { Break(Reason::NotOurs) }
}

/// Where an address lies in a frame.
enum Place {
    V4(usize),
    V6(usize),
}

#[inline(always)]
fn address(frame: &impl Frame, place: Place) -> ControlFlow<Reason, Address> {
    Continue(match place {
        Place::V4(at) => Address::from_ipv4(u32::from_be_bytes(bytes(frame, at)?)),
        Place::V6(at) => {
            let words = [bytes(frame, at)?, bytes(frame, at + 8)?];
            Address(words.map(u64::from_ne_bytes))
        }
    })
}

#[inline(always)]
fn bytes<const N: usize>(frame: &impl Frame, offset: usize) -> ControlFlow<Reason, [u8; N]> {
    match frame.bytes(offset) {
        Some(bytes) => Continue(bytes),
        None => Break(Reason::Unparsed),
    }
}
