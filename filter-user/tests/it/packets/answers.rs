//! Whether an answer is one that the packet's sender can take: addresses and ports the other way round, lengths and
//! checksums right, summed up octet by octet as RFC 1071 writes it. Shares nothing with what made the answer.

use super::row::ExpectedAnswer;

/// What is wrong with an answer, if anything.
pub(super) fn fault(packet: &[u8], answer: &[u8], expected: &ExpectedAnswer) -> Option<String> {
    let network = 14 + 4 * packet[12..].chunks(4).take_while(|tag| [0x81, 0x88].contains(&tag[0])).count();
    let (ip, address) = if packet[network] >> 4 == 4 { (20, 4) } else { (40, 16) };
    let (tcp, packets_tcp) = (answer.get(network + ip..)?, &packet[network + ip..]);
    let from = if address == 4 { network + 12 } else { network + 8 };
    let to = from + address;
    let number = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap_or_default());
    let pseudo_header = |frame: &[u8]| {
        let mut pseudo_header = frame[from..to + address].to_vec();
        pseudo_header.extend([0, 6, 0, 20]);
        pseudo_header
    };
    let checks = [
        ("its length", answer.len() == network + ip + 20),
        ("its Ethernet addresses", answer[..6] == packet[6..12] && answer[6..12] == packet[..6]),
        ("its tags and EtherType", answer[12..network] == packet[12..network]),
        ("its destination", answer[to..to + address] == packet[from..to]),
        ("its source", answer[from..to] == packet[to..to + address]),
        ("its ports", tcp[..2] == packets_tcp[2..4] && tcp[2..4] == packets_tcp[..2]),
        ("its TCP header's length", tcp[12] == 0x50),
        ("its flags", tcp[13] == expected.flags),
        ("its sequence number", number(4) == expected.sequence),
        ("its acknowledgement", number(8) == expected.acknowledgement),
        ("its window", tcp[14..16] == expected.window.to_be_bytes()),
        ("its urgent pointer", tcp[18..20] == [0, 0]),
        ("its TCP checksum", sums_up(&[pseudo_header(answer), tcp.to_vec()].concat())),
        ("its IP header", if ip == 20 { is_ipv4(&answer[network..]) } else { is_ipv6(&answer[network..]) }),
    ];
    let (what, _) = checks.into_iter().find(|(_, holds)| !holds)?;
    Some(format!("{what} is wrong: {answer:02x?}"))
}

fn is_ipv4(header: &[u8]) -> bool {
    header[..2] == [0x45, 0]
        && header[2..4] == [0, 40]
        && header[6..8] == [0x40, 0]
        && header[8] == 64
        && header[9] == 6
        && sums_up(&header[..20])
}

fn is_ipv6(header: &[u8]) -> bool {
    header[..8] == [0x60, 0, 0, 0, 0, 20, 6, 64]
}

/// Ones' complement, each carry added at once: what carries its checksum comes to all ones.
fn sums_up(octets: &[u8]) -> bool {
    let sum = octets.chunks(2).fold(0u16, |sum, pair| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], pair[1]]));
        sum + u16::from(carry)
    });
    sum == 0xffff
}
