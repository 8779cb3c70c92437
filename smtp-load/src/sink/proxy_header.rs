//! Reads a PROXY protocol version 2 header, so that tests can see what a backend would. Its own small reader, not the
//! crate that relaygate writes with: the two check each other. Knows TCP over IPv4 and IPv6 and LOCAL; skips the TLVs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The true client; none for LOCAL.
    pub source: Option<SocketAddr>,
    /// Where it connected to.
    pub destination: Option<SocketAddr>,
}

/// What is wrong with a header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderError {
    /// It broke off.
    #[error("the PROXY header broke off: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as one.
    #[error("the connection begins with no PROXY v2 header: {0:02x?}")]
    NotOne([u8; 12]),
    /// Another version or command.
    #[error("PROXY version and command {0:#04x} are unknown")]
    Command(u8),
    /// Neither TCP over IPv4 nor over IPv6, or too short for it.
    #[error("PROXY family {0:#04x} with {1} octets is unknown")]
    Addresses(u8, u16),
}

impl ProxyHeader {
    /// Reads one header and not an octet more.
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self, ProxyHeaderError> {
        let mut signature = [0; 12];
        from.read_exact(&mut signature).await?;
        if signature != SIGNATURE {
            return Err(ProxyHeaderError::NotOne(signature));
        }
        let command = from.read_u8().await?;
        let family = from.read_u8().await?;
        let length = from.read_u16().await?;
        let mut block = vec![0; usize::from(length)];
        from.read_exact(&mut block).await?;
        match command {
            0x20 => Ok(Self { source: None, destination: None }),
            0x21 => {
                let (source, destination) =
                    addresses(family, &block).ok_or(ProxyHeaderError::Addresses(family, length))?;
                Ok(Self { source: Some(source), destination: Some(destination) })
            }
            other => Err(ProxyHeaderError::Command(other)),
        }
    }
}

fn addresses(family: u8, block: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, destination, ports): (IpAddr, IpAddr, &[u8]) = match family {
        0x11 => {
            let source = <[u8; 4]>::try_from(block.get(..4)?).ok()?;
            let destination = <[u8; 4]>::try_from(block.get(4..8)?).ok()?;
            (Ipv4Addr::from(source).into(), Ipv4Addr::from(destination).into(), block.get(8..12)?)
        }
        0x21 => {
            let source = <[u8; 16]>::try_from(block.get(..16)?).ok()?;
            let destination = <[u8; 16]>::try_from(block.get(16..32)?).ok()?;
            (Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into(), block.get(32..36)?)
        }
        _ => return None,
    };
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    Some((SocketAddr::new(source, port(0)), SocketAddr::new(destination, port(2))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut input = bytes;
        let header = runtime.block_on(ProxyHeader::read(&mut input))?;
        assert_eq!(input, b"EHLO", "the header and not an octet more");
        Ok(header)
    }

    fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block, b"EHLO"].concat()
    }

    #[test]
    fn tells_the_addresses_and_skips_what_follows_them() {
        let four = header(0x21, 0x11, &[192, 0, 2, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 25, 4, 0, 1, 9]);
        let seen = read(&four).unwrap();
        assert_eq!(seen.source, Some("192.0.2.7:12345".parse().unwrap()));
        assert_eq!(seen.destination, Some("192.0.2.1:25".parse().unwrap()));
        let mut block = [0; 36];
        (block[15], block[31], block[33], block[35]) = (1, 2, 3, 4);
        let six = read(&header(0x21, 0x21, &block)).unwrap();
        assert_eq!(six.source, Some("[::1]:3".parse().unwrap()));
        assert_eq!(read(&header(0x20, 0, &[])).unwrap().source, None);
    }

    #[test]
    fn says_what_is_wrong() {
        let rows = [
            (b"EHLO me.example\r\n".to_vec(), "no PROXY v2 header"),
            (header(0x11, 0x11, &[0; 12]), "version and command 0x11"),
            (header(0x21, 0x12, &[0; 12]), "family 0x12"),
            (header(0x21, 0x21, &[0; 12]), "family 0x21 with 12 octets"),
            (SIGNATURE.to_vec(), "broke off"),
        ];
        for (bytes, expected) in rows {
            let said = read(&bytes).unwrap_err().to_string();
            assert!(said.contains(expected), "{said} does not say {expected}");
        }
    }
}
