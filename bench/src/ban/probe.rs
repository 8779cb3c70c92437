//! A packet that the server's kernel answers by itself: an acknowledgment of a connection that there is not, which earns a
//! reset. Whoever is banned gets none. No server hears of it, so that asking often costs a server nothing.

use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use socket2::{Domain, Protocol, Socket, Type};

/// An answer comes within microseconds, or not at all.
const PATIENCE: Duration = Duration::from_millis(5);
const HEADER: usize = 20;
const ACK: u8 = 0x10;
const RST: u8 = 0x04;

/// Asks from one address.
#[derive(Debug)]
pub(super) struct Probe {
    socket: Socket,
    from: Ipv4Addr,
    to: Ipv4Addr,
    port: u16,
    /// Another with each question, so that an answer tells which it is to.
    own_port: u16,
}

impl Probe {
    /// From this address at this server.
    pub(super) fn new(from: Ipv4Addr, server: SocketAddr) -> anyhow::Result<Self> {
        let IpAddr::V4(to) = server.ip() else { bail!("{server} is no IPv4 address") };
        let open = || {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP))?;
            socket.bind(&SocketAddr::from((from, 0)).into())?;
            socket.connect(&SocketAddr::from((to, 0)).into())?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok::<_, std::io::Error>(socket)
        };
        let socket = open().with_context(|| format!("cannot send packets from {from} to {to}"))?;
        Ok(Self { socket, from, to, port: server.port(), own_port: 1024 })
    }

    /// Whether the server answers one more.
    pub(super) fn is_answered(&mut self) -> anyhow::Result<bool> {
        self.own_port = self.own_port.checked_add(1).unwrap_or(1024);
        let packet = acknowledgment(self.from, self.to, self.own_port, self.port);
        self.socket.send(&packet).context("cannot send a packet")?;
        let mut packet = [0; 256];
        loop {
            match (&self.socket).read(&mut packet) {
                Ok(length) if resets(&packet[..length], self.own_port) => return Ok(true),
                // Of the connection from the same address.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot receive packets"),
            }
        }
    }
}

/// An empty segment with ACK.
fn acknowledgment(from: Ipv4Addr, to: Ipv4Addr, from_port: u16, to_port: u16) -> [u8; HEADER] {
    let mut segment = [0; HEADER];
    segment[0..2].copy_from_slice(&from_port.to_be_bytes());
    segment[2..4].copy_from_slice(&to_port.to_be_bytes());
    segment[4..8].copy_from_slice(&1u32.to_be_bytes());
    segment[8..12].copy_from_slice(&1u32.to_be_bytes());
    // Words of 32 bits in the header, flags, window.
    segment[12] = 5 << 4;
    segment[13] = ACK;
    segment[14..16].copy_from_slice(&1024u16.to_be_bytes());
    let sum = checksum(from, to, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// RFC 9293, section 3.1: over the addresses, the protocol, the length and the segment.
fn checksum(from: Ipv4Addr, to: Ipv4Addr, segment: &[u8; HEADER]) -> u16 {
    const TCP: u8 = 6;
    let lengths = [0, TCP, 0, HEADER as u8];
    let octets = [&from.octets()[..], &to.octets(), &lengths, segment].concat();
    let mut sum: u32 =
        octets.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether an IPv4 packet is a reset to this port.
fn resets(packet: &[u8], port: u16) -> bool {
    let Some(first) = packet.first() else { return false };
    let Some(segment) = packet.get(usize::from(first & 0x0f) * 4..) else { return false };
    segment.get(2..4) == Some(&port.to_be_bytes()) && segment.get(13).is_some_and(|flags| flags & RST != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_with_its_checksum_sums_up_to_nothing() {
        let (from, to) = (Ipv4Addr::new(198, 18, 3, 1), Ipv4Addr::new(192, 0, 2, 1));
        let segment = acknowledgment(from, to, 1025, 2525);
        assert_eq!(checksum(from, to, &segment), 0);
        assert_eq!(&segment[..4], [4, 1, 9, 221]);
    }

    #[test]
    fn a_reset_is_told_from_all_else() {
        let packet = |port: u16, flags: u8| {
            let mut packet = vec![0x45];
            packet.resize(40, 0);
            packet[22..24].copy_from_slice(&port.to_be_bytes());
            packet[33] = flags;
            packet
        };
        assert!(resets(&packet(1025, RST | ACK), 1025));
        assert!(!resets(&packet(1026, RST), 1025) && !resets(&packet(1025, ACK), 1025));
        assert!(!resets(&[], 1025) && !resets(&[0x4f; 30], 1025) && !resets(&[0x45; 22], 1025));
    }
}
