//! Builds a frame from words: `vlan ip4:192.0.2.7 tcp:25:S`. Each word is a header; what a header says of the next
//! one follows from the next word. Checksums stay 0: the program reads none.
//!
//! | word | header |
//! | --- | --- |
//! | `vlan`, `qinq` | an 802.1Q or 802.1ad tag |
//! | `ip4:ADDRESS`, then `+options` (40 bytes), `+fragment=N`, `+more`, `+version=N`, `+ihl=N` | IPv4 |
//! | `ip6:ADDRESS`, then `+version=N` | IPv6 |
//! | `hop`, `routing`, `destination`, `mobility`, `ah`, each with `=N` for its length field; `fragment=N` | IPv6 extensions |
//! | `tcp:PORT:FLAGS` | TCP, flags of `SAFRP` or `-` |
//! | `udp:PORT`, `icmp`, `esp`, `arp`, `other` | what is not ours |
//! | `cut=N` | the frame ends after N bytes |
//! | `short=N` | the frame loses its last N bytes |

use std::net::{Ipv4Addr, Ipv6Addr};

const MAC: [u8; 12] = [0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];

/// The frame, nothing where a word is unknown.
pub(super) fn frame(words: &str) -> Option<Vec<u8>> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut frame = MAC.to_vec();
    frame.extend(ethertype(words.first().copied().unwrap_or("other")).to_be_bytes());
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or("other");
        header(word, next, &mut frame)?;
    }
    Some(frame)
}

fn header(word: &str, next: &str, frame: &mut Vec<u8>) -> Option<()> {
    let (kind, rest) = word.split_at(word.find([':', '=']).unwrap_or(word.len()));
    let rest = rest.get(1..).unwrap_or_default();
    match kind {
        "vlan" | "qinq" => {
            frame.extend([0, 7]);
            frame.extend(ethertype(next).to_be_bytes());
        }
        "ip4" => ipv4(rest, protocol(next), frame)?,
        "ip6" => ipv6(rest, protocol(next), frame)?,
        "hop" | "routing" | "destination" | "mobility" | "ah" => {
            let length: u8 = if rest.is_empty() { 0 } else { rest.parse().ok()? };
            let size =
                if kind == "ah" { (usize::from(length) + 2) * 4 } else { (usize::from(length) + 1) * 8 };
            let start = frame.len();
            frame.extend([protocol(next), length]);
            frame.resize(start + size, 0);
        }
        "fragment" => {
            let offset: u16 = rest.parse().ok()?;
            frame.extend([protocol(next), 0]);
            frame.extend((offset << 3 | 1).to_be_bytes());
            frame.extend([0, 0, 0, 9]);
        }
        "tcp" => {
            let (port, flags) = rest.split_once(':')?;
            frame.extend(40000u16.to_be_bytes());
            frame.extend(port.parse::<u16>().ok()?.to_be_bytes());
            frame.extend([0, 0, 0, 1, 0, 0, 0, 2, 5 << 4, tcp_flags(flags)?, 0xff, 0xff, 0, 0, 0, 0]);
        }
        "udp" => {
            frame.extend(40000u16.to_be_bytes());
            frame.extend(rest.parse::<u16>().ok()?.to_be_bytes());
            frame.extend([0, 8, 0, 0]);
            frame.extend([0; 12]);
        }
        "icmp" | "esp" | "arp" | "other" => frame.extend([0; 28]),
        "cut" => frame.truncate(rest.parse().ok()?),
        "short" => frame.truncate(frame.len().checked_sub(rest.parse().ok()?)?),
        _ => return None,
    }
    Some(())
}

fn ipv4(text: &str, protocol: u8, frame: &mut Vec<u8>) -> Option<()> {
    let mut parts = text.split('+');
    let address: Ipv4Addr = parts.next()?.parse().ok()?;
    let (mut version, mut ihl, mut fragment, mut options) = (4u8, 5u8, 0u16, 0);
    for part in parts {
        match part.split_once('=') {
            None if part == "options" => (ihl, options) = (15, 40),
            None if part == "more" => fragment |= 0x2000,
            Some(("fragment", offset)) => fragment |= offset.parse::<u16>().ok()?,
            Some(("version", number)) => version = number.parse().ok()?,
            Some(("ihl", number)) => ihl = number.parse().ok()?,
            _ => return None,
        }
    }
    frame.extend([version << 4 | ihl, 0, 0, 40, 0, 1]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend(address.octets());
    frame.extend([198, 51, 100, 1]);
    frame.extend(std::iter::repeat_n(1, options));
    Some(())
}

fn ipv6(text: &str, next: u8, frame: &mut Vec<u8>) -> Option<()> {
    let (address, version) = match text.split_once("+version=") {
        Some((address, version)) => (address, version.parse().ok()?),
        None => (text, 6u8),
    };
    frame.extend([version << 4, 0, 0, 0, 0, 20, next, 64]);
    frame.extend(address.parse::<Ipv6Addr>().ok()?.octets());
    frame.extend("2001:db8:ffff::1".parse::<Ipv6Addr>().ok()?.octets());
    Some(())
}

fn ethertype(next: &str) -> u16 {
    match next.split(':').next() {
        Some("vlan") => 0x8100,
        Some("qinq") => 0x88a8,
        Some("ip4") => 0x0800,
        Some("ip6") => 0x86dd,
        Some("arp") => 0x0806,
        _ => 0x88cc,
    }
}

fn protocol(next: &str) -> u8 {
    match next.split([':', '=']).next() {
        Some("hop") => 0,
        Some("tcp") => 6,
        Some("udp") => 17,
        Some("routing") => 43,
        Some("fragment") => 44,
        Some("esp") => 50,
        Some("ah") => 51,
        Some("icmp") => 58,
        Some("destination") => 60,
        Some("mobility") => 135,
        _ => 59,
    }
}

fn tcp_flags(letters: &str) -> Option<u8> {
    letters.chars().try_fold(0, |flags, letter| {
        Some(
            flags
                | match letter {
                    'F' => 0x01,
                    'S' => 0x02,
                    'R' => 0x04,
                    'P' => 0x08,
                    'A' => 0x10,
                    'E' => 0x40,
                    'C' => 0x80,
                    '-' => 0,
                    _ => return None,
                },
        )
    })
}
