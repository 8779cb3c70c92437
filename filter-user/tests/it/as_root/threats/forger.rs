//! Sends TCP segments under addresses that it does not have: whole IPv4 packets, checksums and all, as the network stack
//! would send them.

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

const IPV4: usize = 20;
const TCP: usize = 20;
pub(super) const LENGTH: usize = IPV4 + TCP;

pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;

/// Sends from the network namespace that it was made in, whichever thread calls it.
pub(super) struct Forger {
    socket: Socket,
    to: SocketAddrV4,
    address: SockAddr,
}

impl Forger {
    pub(super) fn new(to: SocketAddrV4) -> Self {
        // With this protocol the IP header is the sender's (raw(7)).
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
        Self { socket, to, address: SocketAddrV4::new(*to.ip(), 0).into() }
    }

    /// One segment under this address; it is small, and lost only where queues are full.
    pub(super) fn send(&self, source: Ipv4Addr, port: u16, flags: u8) {
        let packet = segment(SocketAddrV4::new(source, port), self.to, flags);
        self.socket.send_to(&packet, &self.address).unwrap();
    }
}

/// An IPv4 packet with a TCP segment without data.
fn segment(from: SocketAddrV4, to: SocketAddrV4, flags: u8) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    // Version, header length, total length (RFC 791); don't fragment, 64 hops, TCP.
    packet[..10].copy_from_slice(&[0x45, 0, 0, LENGTH as u8, 0, 0, 0x40, 0, 64, 6]);
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    // Sequence number, header length, flags, window (RFC 9293).
    packet[24..28].copy_from_slice(&from.ip().to_bits().wrapping_mul(2_654_435_761).to_be_bytes());
    packet[32..36].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
    let header = checksum(&packet[..IPV4], 0);
    packet[10..12].copy_from_slice(&header.to_be_bytes());
    // The checksum of TCP covers the addresses, the protocol and the length too.
    let sum = checksum(&packet[12..], 6 + TCP as u32);
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// RFC 1071, over `octets` and a number.
fn checksum(octets: &[u8], more: u32) -> u16 {
    let words = octets.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum = words.sum::<u32>() + more;
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[test]
fn its_checksums_are_right() {
    let packet = segment("192.0.2.66:1025".parse().unwrap(), "192.0.2.1:25".parse().unwrap(), SYN);
    assert_eq!((checksum(&packet[..IPV4], 0), checksum(&packet[12..], 6 + TCP as u32)), (0, 0));
}
