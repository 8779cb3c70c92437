//! The usual packet: TCP over IPv4 without tag, option or fragment. Nearly all are, and since each of its fields has its
//! place, it is measured once and not for each. It becomes what the reader of all shapes would make of it.

use core::ops::ControlFlow::{self, Break, Continue};

use super::{ACK, ETHERNET, IPV4, PROTOCOL_TCP, Packet, Part, Protected, SYN, Version};
use crate::{Address, Reason};

/// Where a frame has EtherType, version, length of the IP header and type of service.
const SHAPE: usize = 12;
/// Where it has flags and fragment offset, time to live and protocol.
const FRAGMENT: usize = 20;
const SOURCE: usize = 26;
const DESTINATION: usize = 30;
const DESTINATION_PORT: usize = 36;
/// Where it has the data offset and the flags.
const FLAGS: usize = 46;

/// No tag, no option; of any type of service.
const SHAPE_MASK: u32 = u32::from_be_bytes([0xff, 0xff, 0xff, 0]).to_be();
const ITS_SHAPE: u32 = u32::from_be_bytes([0x08, 0x00, 0x45, 0]).to_be();
/// No fragment, but TCP; it may have been told not to be fragmented, and may go on as far as it likes.
const FRAGMENT_MASK: u32 = u32::from_be_bytes([0x3f, 0xff, 0, 0xff]).to_be();
const ITS_FRAGMENT: u32 = u32::from_be_bytes([0, 0, 0, PROTOCOL_TCP]).to_be();

const FLAGS_MASK: u16 = u16::from_be_bytes([0, SYN | ACK]).to_be();
const OPENS: u16 = u16::from_be_bytes([0, SYN]).to_be();

/// Octets of all its headers.
pub const HEADERS: usize = ETHERNET + IPV4 + 20;

/// The octets of those, which are there: so each is read without a look at the frame's end.
pub trait Octets {
    /// Four of them, from one of the places above on.
    fn four<const AT: usize>(&self) -> [u8; 4];
    /// Two of them.
    fn two<const AT: usize>(&self) -> [u8; 2];
}

impl Octets for [u8; HEADERS] {
    #[inline(always)]
    fn four<const AT: usize>(&self) -> [u8; 4] {
        [self[AT], self[AT + 1], self[AT + 2], self[AT + 3]]
    }

    #[inline(always)]
    fn two<const AT: usize>(&self) -> [u8; 2] {
        [self[AT], self[AT + 1]]
    }
}

/// Whether these are such a packet's.
#[inline(always)]
pub(super) fn is_one(headers: &impl Octets) -> bool {
    u32::from_ne_bytes(headers.four::<SHAPE>()) & SHAPE_MASK == ITS_SHAPE
        && u32::from_ne_bytes(headers.four::<FRAGMENT>()) & FRAGMENT_MASK == ITS_FRAGMENT
}

/// The packet with these headers, which are such a packet's, if it is for what is protected.
#[inline(always)]
pub(super) fn read(headers: &impl Octets, protected: &impl Protected) -> ControlFlow<Reason, Packet> {
    if !protected.port(u16::from_be_bytes(headers.two::<DESTINATION_PORT>())) {
        return Break(Reason::NotOurs);
    }
    if protected.lists_addresses() && !protected.address(address(headers.four::<DESTINATION>())) {
        return Break(Reason::NotOurs);
    }
    let flags = u16::from_ne_bytes(headers.two::<FLAGS>());
    Continue(Packet {
        source: address(headers.four::<SOURCE>()),
        network: ETHERNET,
        part: if flags & FLAGS_MASK == OPENS { Part::Opens } else { Part::Continues },
        plain: Some(Version::V4),
    })
}

#[inline(always)]
fn address(octets: [u8; 4]) -> Address {
    Address::from_ipv4(u32::from_be_bytes(octets))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Frame, read, read_any};
    use super::*;

    struct Slice<'a>(&'a [u8]);

    impl Frame for Slice<'_> {
        fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
            self.0.get(offset..)?.first_chunk().copied()
        }
    }

    /// Port 25, and addresses of 10.0.0.0/8 where they are listed.
    struct Ours {
        lists_addresses: bool,
    }

    impl Protected for Ours {
        fn port(&self, port: u16) -> bool {
            port == 25
        }
        fn lists_addresses(&self) -> bool {
            self.lists_addresses
        }
        fn address(&self, destination: Address) -> bool {
            destination.octets()[12] == 10
        }
    }

    /// A SYN to port 25 of 10.0.0.1, and two octets more.
    const FRAME: [u8; 56] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, // Ethernet
        0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 7, 10, 0, 0, 1, // IPv4
        0x9c, 0x40, 0, 25, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0, // TCP
        0, 0,
    ];

    #[test]
    fn the_usual_packet_is_one() {
        let headers = Slice(&FRAME).headers().unwrap();
        assert!(is_one(&headers));
        let packet = super::read(&headers, &Ours { lists_addresses: true });
        let source = Address::from_ipv4(u32::from_be_bytes([192, 0, 2, 7]));
        let plain = Some(Version::V4);
        assert_eq!(packet, Continue(Packet { source, network: 14, part: Part::Opens, plain }));
    }

    #[test]
    fn no_octet_of_a_frame_and_no_length_makes_a_difference_to_the_reader_of_all_shapes() {
        for lists_addresses in [false, true] {
            let ours = Ours { lists_addresses };
            for length in 0..=FRAME.len() {
                let cut = Slice(&FRAME[..length]);
                assert_eq!(read(&cut, &ours), read_any(&cut, &ours), "cut to {length}");
            }
            for at in 0..FRAME.len() {
                for octet in 0..=u8::MAX {
                    let mut frame = FRAME;
                    frame[at] = octet;
                    let frame = Slice(&frame);
                    assert_eq!(read(&frame, &ours), read_any(&frame, &ours), "{octet:#x} at {at}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn nor_do_several_octets(
            changes in prop::collection::vec((0..FRAME.len(), any::<u8>()), 1..6),
            length in 0..=FRAME.len(),
            lists_addresses: bool,
        ) {
            let mut frame = FRAME;
            for (at, octet) in changes {
                frame[at] = octet;
            }
            let (frame, ours) = (Slice(&frame[..length]), Ours { lists_addresses });
            prop_assert_eq!(read(&frame, &ours), read_any(&frame, &ours));
        }
    }
}
