//! The packets that are sent: one TCP segment each. Their sources are put in by the programs of `bench/ebpf`.

use std::net::Ipv4Addr;

/// The same file that those programs are built from.
#[path = "../../ebpf/src/sources.rs"]
mod sources;

/// The port that is protected.
pub(super) const SMTP: u16 = 25;
/// Another port: its packets are not ours.
pub(super) const OTHER: u16 = 8080;

/// The hardware address of every receiving end: what is for another, the kernel throws away before it counts it.
pub(super) const RECEIVER: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

/// The shortest frame of Ethernet.
const SHORTEST: usize = 60;

/// The address of source number `number`.
pub(super) fn source(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(sources::address(number))
}

/// A SYN from source number 0 to a port, without checksums: nothing that is measured looks at them.
pub(super) fn syn(port: u16) -> Vec<u8> {
    let mut frame = RECEIVER.to_vec();
    frame.extend([0x02, 0, 0, 0, 0, 2]);
    frame.extend(0x0800_u16.to_be_bytes());
    // IPv4: version and length, service, total length, identification, do not fragment, 64 hops, TCP, checksum
    frame.extend([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(source(0).octets());
    frame.extend(Ipv4Addr::new(198, 51, 100, 1).octets());
    frame.extend(40_000_u16.to_be_bytes());
    frame.extend(port.to_be_bytes());
    // TCP: sequence, acknowledgement, length, SYN, window, checksum, urgent
    frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(SHORTEST, 0);
    frame
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_sources_are_different_hosts() {
        let hosts: HashSet<_> = (0..1_000_000).map(source).collect();
        assert_eq!(hosts.len(), 1_000_000);
    }

    #[test]
    fn a_frame_holds_what_it_says() {
        let frame = syn(SMTP);
        assert_eq!(
            (frame.len(), &frame[26..30], &frame[36..38]),
            (60, &source(0).octets()[..], &[0, 25][..])
        );
        assert_eq!(frame[14 + 20 + 13], 0x02, "SYN alone");
    }
}
