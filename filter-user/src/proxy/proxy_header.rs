//! The header by which a load balancer says for whom it connects: PROXY protocol v1 and v2 (HAProxy's
//! proxy-protocol.txt), as the `ppp` crate reads them. Finds where the header ends, so that no octet behind it is taken
//! for a part of it; reads no socket.

use std::net::SocketAddr;

use ppp::{v1, v2};

use crate::telemetry::label::HeaderRefusal;

/// What v1 begins with.
const V1: &[u8] = b"PROXY ";
/// The longest header of v1, CR LF included.
const V1_LIMIT: usize = 107;
/// The part of a v2 header that says how long the rest is.
const V2_FIXED: usize = 16;
/// The longest header of v2 that is taken: addresses, and extensions as long as certificates make them.
const V2_LIMIT: usize = 4096;

/// For whom a balancer connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Introduced {
    /// For itself, as for a health check; or for somebody whom it does not name, which looks the same.
    Itself,
    /// For a client.
    Client {
        /// The client.
        address: SocketAddr,
        /// Where it has connected to.
        local: SocketAddr,
    },
}

/// Why there is no usable header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderFault {
    /// Something else.
    #[error("it begins as neither PROXY v1 nor v2 does")]
    Missing,
    /// One that never ends, or is longer than any that says something.
    #[error("it is longer than {limit} octets")]
    TooLong {
        /// Than this.
        limit: usize,
    },
    /// One that contradicts itself or the protocol.
    #[error("it is malformed: {why}")]
    Malformed {
        /// In what.
        why: String,
    },
    /// One for something that no client of ours is.
    #[error("it names no TCP client")]
    NotTcp,
    /// The connection ended before it did.
    #[error("the connection ended after {octets} octets of it")]
    Truncated {
        /// So many.
        octets: usize,
    },
    /// It did not come in time.
    #[error("it did not come within proxy-protocol-timeout")]
    TimedOut,
}

impl HeaderFault {
    /// As it is counted.
    pub(super) fn kind(&self) -> HeaderRefusal {
        match self {
            Self::Missing => HeaderRefusal::Missing,
            Self::TooLong { .. } => HeaderRefusal::TooLong,
            Self::Malformed { .. } | Self::NotTcp => HeaderRefusal::Malformed,
            Self::Truncated { .. } => HeaderRefusal::Truncated,
            Self::TimedOut => HeaderRefusal::TimedOut,
        }
    }
}

/// What is still missing of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// So many octets, at least.
    Octets(usize),
    /// The end of its line, within so many octets.
    LineEnd(usize),
}

/// How many of the octets that came next belong to the header, of which `header` has come already.
pub(super) fn belongs(header: &[u8], next: &[u8]) -> Result<usize, HeaderFault> {
    Ok(match missing(header)? {
        Missing::Octets(octets) => octets.min(next.len()),
        Missing::LineEnd(within) => memchr::memchr(b'\n', next).map_or(next.len(), |at| at + 1).min(within),
    })
}

/// Whether nothing more belongs to it.
pub(super) fn is_whole(header: &[u8]) -> Result<bool, HeaderFault> {
    Ok(missing(header)? == Missing::Octets(0))
}

fn missing(header: &[u8]) -> Result<Missing, HeaderFault> {
    let begins = |with: &[u8]| header.iter().zip(with).all(|(is, wanted)| is == wanted);
    if begins(V1) && header.len() >= V1.len() {
        return match V1_LIMIT.checked_sub(header.len()) {
            _ if header.ends_with(b"\n") => Ok(Missing::Octets(0)),
            Some(room @ 1..) => Ok(Missing::LineEnd(room)),
            _ => Err(HeaderFault::TooLong { limit: V1_LIMIT }),
        };
    }
    let wanted = if !begins(v2::PROTOCOL_PREFIX) && !begins(V1) {
        return Err(HeaderFault::Missing);
    } else if header.len() < V1.len() {
        V1.len()
    } else if let Some([high, low]) = header.get(V2_FIXED - 2..V2_FIXED) {
        V2_FIXED + usize::from(u16::from_be_bytes([*high, *low]))
    } else {
        V2_FIXED
    };
    if wanted > V2_LIMIT {
        return Err(HeaderFault::TooLong { limit: V2_LIMIT });
    }
    Ok(Missing::Octets(wanted.saturating_sub(header.len())))
}

/// Reads a whole header.
pub(super) fn read(header: &[u8]) -> Result<Introduced, HeaderFault> {
    if header.starts_with(V1) { read_v1(header) } else { read_v2(header) }
}

fn read_v1(header: &[u8]) -> Result<Introduced, HeaderFault> {
    Ok(match v1::Header::try_from(header).map_err(malformed)?.addresses {
        v1::Addresses::Unknown => Introduced::Itself,
        v1::Addresses::Tcp4(v4) => client(
            (v4.source_address, v4.source_port).into(),
            (v4.destination_address, v4.destination_port).into(),
        ),
        v1::Addresses::Tcp6(v6) => client(
            (v6.source_address, v6.source_port).into(),
            (v6.destination_address, v6.destination_port).into(),
        ),
    })
}

fn read_v2(header: &[u8]) -> Result<Introduced, HeaderFault> {
    let header = v2::Header::try_from(header).map_err(malformed)?;
    if header.command == v2::Command::Local {
        return Ok(Introduced::Itself);
    }
    for extension in header.tlvs() {
        extension.map_err(malformed)?;
    }
    match header.addresses {
        v2::Addresses::IPv4(v4) if header.protocol == v2::Protocol::Stream => Ok(client(
            (v4.source_address, v4.source_port).into(),
            (v4.destination_address, v4.destination_port).into(),
        )),
        v2::Addresses::IPv6(v6) if header.protocol == v2::Protocol::Stream => Ok(client(
            (v6.source_address, v6.source_port).into(),
            (v6.destination_address, v6.destination_port).into(),
        )),
        // Who is behind it would have what the balancer has.
        _ => Err(HeaderFault::NotTcp),
    }
}

/// An IPv4 client of a dual-stack socket is an IPv4 client.
fn client(address: SocketAddr, local: SocketAddr) -> Introduced {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    Introduced::Client { address: canonical(address), local: canonical(local) }
}

fn malformed(why: impl std::fmt::Display) -> HeaderFault {
    HeaderFault::Malformed { why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, rest].concat()
    }

    /// 198.51.100.7:4711 to 192.0.2.1:25.
    const V4: [u8; 12] = [198, 51, 100, 7, 192, 0, 2, 1, 0x12, 0x67, 0, 25];

    fn the_client() -> Introduced {
        Introduced::Client {
            address: "198.51.100.7:4711".parse().unwrap(),
            local: "192.0.2.1:25".parse().unwrap(),
        }
    }

    /// As it is read from a socket, in pieces of this size: the header, and how much is left behind it.
    fn hear(octets: &[u8], piece: usize) -> Result<(Introduced, usize), HeaderFault> {
        let mut header = Vec::new();
        while !is_whole(&header)? {
            let next = &octets[header.len()..octets.len().min(header.len() + piece)];
            if next.is_empty() {
                return Err(HeaderFault::Truncated { octets: header.len() });
            }
            header.extend_from_slice(&next[..belongs(&header, next)?]);
        }
        read(&header).map(|introduced| (introduced, octets.len() - header.len()))
    }

    #[test]
    fn headers_are_read_wherever_they_are_cut_and_nothing_behind_them_is() {
        let mapped = [[0; 10].as_slice(), &[255; 2], &V4[..4], &[0; 10], &[255; 2], &V4[4..]].concat();
        let with_extension = [V4.as_slice(), &[0x04, 0, 3, 1, 2, 3]].concat();
        let table: [(&[u8], Introduced); 8] = [
            (b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 25\r\n", the_client()),
            (b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.1 4711 25\r\n", the_client()),
            (b"PROXY UNKNOWN\r\n", Introduced::Itself),
            (b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n", Introduced::Itself),
            (&v2(1, 0x11, &V4), the_client()),
            (&v2(1, 0x21, &mapped), the_client()),
            (&v2(1, 0x11, &with_extension), the_client()),
            (&v2(0, 0, b""), Introduced::Itself),
        ];
        for (header, introduced) in table {
            for piece in [1, 2, 7, 4096] {
                let octets = [header, b"EHLO a\r\n"].concat();
                assert_eq!(hear(&octets, piece), Ok((introduced, 8)), "{}", header.escape_ascii());
            }
        }
    }

    #[test]
    fn a_header_that_is_cut_off_is_none() {
        for header in [b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 25\r\n".to_vec(), v2(1, 0x11, &V4)] {
            for octets in 0..header.len() {
                assert_eq!(hear(&header[..octets], 4096), Err(HeaderFault::Truncated { octets }));
            }
        }
    }

    #[test]
    fn what_contradicts_itself_is_no_header() {
        let malformed: [&[u8]; 12] = [
            b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 25\r\n",
            b"PROXY TCP6 198.51.100.7 192.0.2.1 4711 25\r\n",
            b"PROXY TCP4 198.51.100.7 2001:db8::1 4711 25\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 65536\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 4711\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 25 x\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 25\n",
            b"PROXY \r\n",
            &v2(1, 0x21, &V4),
            &v2(1, 0x11, &V4[..11]),
            &v2(2, 0x11, &V4),
            &v2(1, 0x11, &[V4.as_slice(), &[4, 0, 9, 1]].concat()),
        ];
        for header in malformed {
            let fault = hear(header, 4096);
            assert!(
                matches!(fault, Err(HeaderFault::Malformed { .. })),
                "{}: {fault:?}",
                header.escape_ascii()
            );
        }
        for header in [v2(1, 0x12, &V4), v2(1, 0, b""), v2(1, 0x31, &[0; 216])] {
            assert_eq!(hear(&header, 4096), Err(HeaderFault::NotTcp));
        }
    }

    #[test]
    fn what_is_no_header_or_never_ends_is_found_out_at_once() {
        let missing: [&[u8]; 5] =
            [b"EHLO a\r\n", b"PROXI TCP4", b"\r\n\r\n\0\r\nQUID", b"\x16\x03\x01", b"proxy tcp4"];
        for octets in missing {
            assert_eq!(hear(octets, 1), Err(HeaderFault::Missing), "{}", octets.escape_ascii());
        }
        let long = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 200]].concat();
        assert_eq!(hear(&long, 9), Err(HeaderFault::TooLong { limit: 107 }));
        assert_eq!(hear(&v2(1, 0x11, &[0; 5000]), 16), Err(HeaderFault::TooLong { limit: 4096 }));
    }

    proptest! {
        #[test]
        fn no_octets_panic(begin in 0_usize..4, octets in proptest::collection::vec(any::<u8>(), 0..60), piece in 1_usize..9) {
            let begins: [&[u8]; 4] = [b"", b"PROXY ", v2::PROTOCOL_PREFIX, b"PROXY TCP4 "];
            let octets = [begins[begin], &octets].concat();
            prop_assert_eq!(hear(&octets, piece), hear(&octets, 4096));
        }
    }
}
