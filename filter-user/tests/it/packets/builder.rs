//! Builds a frame from words: `vlan ip4:192.0.2.7 tcp:25:S`. Each word is a header; what a header says of the next
//! one follows from the next word, what it says of lengths from what is there. Checksums stay 0: the program reads none.
//!
//! | word | header |
//! | --- | --- |
//! | `to-many` | the Ethernet destination is a group address; `from-many`: the source |
//! | `vlan`, `qinq` | an 802.1Q or 802.1ad tag |
//! | `ip4:ADDRESS`, then `+to=ADDRESS`, `+options` (40 bytes), `+fragment=N`, `+more`, `+version=N`, `+ihl=N`, `+length=N` | IPv4 |
//! | `ip6:ADDRESS`, then `+to=ADDRESS`, `+version=N`, `+length=N` | IPv6 |
//! | `hop`, `routing`, `destination`, `mobility`, `ah`, each with `=N` for its length field; `fragment=N`, then `+last` | IPv6 extensions |
//! | `tcp:PORT:FLAGS`, then `+options` (20 bytes), `+offset=N`, `+data=N`, `+seq=N`, `+ack=N` | TCP, flags of `SAFRPEC` or `-` |
//! | `udp:PORT`, `icmp`, `esp`, `arp`, `other` | what is not ours |
//! | `pad` | to the 60 bytes that Ethernet has at least |
//! | `cut=N` | the frame ends after N bytes |
//! | `short=N` | the frame loses its last N bytes |

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The edge's and the peer's.
const MAC: [u8; 12] = [0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
const EDGE: (Ipv4Addr, Ipv6Addr) =
    (Ipv4Addr::new(198, 51, 100, 1), Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1));

/// The frame, nothing where a word is unknown.
pub(super) fn frame(words: &str) -> Option<Vec<u8>> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut frame = MAC.to_vec();
    let first = words.iter().find(|word| !word.ends_with("-many"));
    frame.extend(ethertype(first.copied().unwrap_or("other")).to_be_bytes());
    let mut lengths = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or("other");
        if matches!(kind(word), "pad" | "cut" | "short") {
            say_lengths(&mut frame, &mut lengths);
        }
        header(word, next, &mut frame, &mut lengths)?;
    }
    say_lengths(&mut frame, &mut lengths);
    Some(frame)
}

/// A length field that is to say how much follows a place.
struct Length {
    field: usize,
    counts_from: usize,
}

fn say_lengths(frame: &mut [u8], lengths: &mut Vec<Length>) {
    for Length { field, counts_from } in lengths.drain(..) {
        let length = (frame.len() - counts_from) as u16;
        frame[field..field + 2].copy_from_slice(&length.to_be_bytes());
    }
}

fn kind(word: &str) -> &str {
    word.split([':', '=', '+']).next().unwrap_or_default()
}

fn header(word: &str, next: &str, frame: &mut Vec<u8>, lengths: &mut Vec<Length>) -> Option<()> {
    let mut parts = word.split('+');
    let head = parts.next()?;
    let rest = head.get(kind(word).len() + 1..).unwrap_or_default();
    let options: Vec<(&str, &str)> = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
    match kind(word) {
        "to-many" => frame[0] |= 1,
        "from-many" => frame[6] |= 1,
        "vlan" | "qinq" => {
            frame.extend([0, 7]);
            frame.extend(ethertype(next).to_be_bytes());
        }
        "ip4" => ipv4(rest, &options, protocol(next), frame, lengths)?,
        "ip6" => ipv6(rest, &options, protocol(next), frame, lengths)?,
        extension @ ("hop" | "routing" | "destination" | "mobility" | "ah") => {
            let length: u8 = if rest.is_empty() { 0 } else { rest.parse().ok()? };
            let size =
                if extension == "ah" { (usize::from(length) + 2) * 4 } else { (usize::from(length) + 1) * 8 };
            let start = frame.len();
            frame.extend([protocol(next), length]);
            frame.resize(start + size, 0);
        }
        "fragment" => {
            let more = u16::from(!options.contains(&("last", "")));
            frame.extend([protocol(next), 0]);
            frame.extend((number::<u16>(rest)? << 3 | more).to_be_bytes());
            frame.extend([0, 0, 0, 9]);
        }
        "tcp" => tcp(rest, &options, frame)?,
        "udp" => {
            frame.extend(40000u16.to_be_bytes());
            frame.extend(number::<u16>(rest)?.to_be_bytes());
            frame.extend([0, 8, 0, 0]);
            frame.extend([0; 12]);
        }
        "icmp" | "esp" | "arp" | "other" => frame.extend([0; 28]),
        "pad" => frame.resize(frame.len().max(60), 0),
        "cut" => frame.truncate(number(rest)?),
        "short" => frame.truncate(frame.len().checked_sub(number(rest)?)?),
        _ => return None,
    }
    Some(())
}

fn ipv4(
    address: &str,
    options: &[(&str, &str)],
    protocol: u8,
    frame: &mut Vec<u8>,
    lengths: &mut Vec<Length>,
) -> Option<()> {
    let (mut version, mut ihl, mut fragment, mut room, mut to) = (4u8, 5u8, 0u16, 0, EDGE.0);
    let start = frame.len();
    let mut length = None;
    for (name, value) in options {
        match *name {
            "to" => to = number(value)?,
            "options" => (ihl, room) = (15, 40),
            "more" => fragment |= 0x2000,
            "fragment" => fragment |= number::<u16>(value)?,
            "version" => version = number(value)?,
            "ihl" => ihl = number(value)?,
            "length" => length = Some(number::<u16>(value)?),
            _ => return None,
        }
    }
    if length.is_none() {
        lengths.push(Length { field: start + 2, counts_from: start });
    }
    frame.extend([version << 4 | ihl, 0]);
    frame.extend(length.unwrap_or(0).to_be_bytes());
    frame.extend([0, 1]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend(number::<Ipv4Addr>(address)?.octets());
    frame.extend(to.octets());
    frame.extend(std::iter::repeat_n(1, room));
    Some(())
}

fn ipv6(
    address: &str,
    options: &[(&str, &str)],
    next: u8,
    frame: &mut Vec<u8>,
    lengths: &mut Vec<Length>,
) -> Option<()> {
    let (mut version, mut to, mut length) = (6u8, EDGE.1, None);
    for (name, value) in options {
        match *name {
            "to" => to = number(value)?,
            "version" => version = number(value)?,
            "length" => length = Some(number::<u16>(value)?),
            _ => return None,
        }
    }
    let start = frame.len();
    if length.is_none() {
        lengths.push(Length { field: start + 4, counts_from: start + 40 });
    }
    frame.extend([version << 4, 0, 0, 0]);
    frame.extend(length.unwrap_or(0).to_be_bytes());
    frame.extend([next, 64]);
    frame.extend(number::<Ipv6Addr>(address)?.octets());
    frame.extend(to.octets());
    Some(())
}

fn tcp(text: &str, options: &[(&str, &str)], frame: &mut Vec<u8>) -> Option<()> {
    let (port, flags) = text.split_once(':')?;
    let (mut sequence, mut acknowledgement, mut words, mut room, mut data) = (1u32, 2u32, 5u8, 0, 0);
    for (name, value) in options {
        match *name {
            "options" => (words, room) = (10, 20),
            "offset" => words = number(value)?,
            "data" => data = number(value)?,
            "seq" => sequence = number(value)?,
            "ack" => acknowledgement = number(value)?,
            _ => return None,
        }
    }
    frame.extend(40000u16.to_be_bytes());
    frame.extend(number::<u16>(port)?.to_be_bytes());
    frame.extend(sequence.to_be_bytes());
    frame.extend(acknowledgement.to_be_bytes());
    frame.extend([words << 4, tcp_flags(flags)?, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(std::iter::repeat_n(1, room));
    frame.extend(std::iter::repeat_n(b'x', data));
    Some(())
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn ethertype(next: &str) -> u16 {
    match kind(next) {
        "vlan" => 0x8100,
        "qinq" => 0x88a8,
        "ip4" => 0x0800,
        "ip6" => 0x86dd,
        "arp" => 0x0806,
        _ => 0x88cc,
    }
}

fn protocol(next: &str) -> u8 {
    match kind(next) {
        "hop" => 0,
        "tcp" => 6,
        "udp" => 17,
        "routing" => 43,
        "fragment" => 44,
        "esp" => 50,
        "ah" => 51,
        "icmp" => 58,
        "destination" => 60,
        "mobility" => 135,
        _ => 59,
    }
}

/// The flags of these letters.
pub(super) fn tcp_flags(letters: &str) -> Option<u8> {
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
