//! A client that does nothing but full handshakes: as many at once as it has threads, each waiting for the server's next
//! word or its end, so that the server has finished its part too.

use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use smtp_load::clients::trust_anyone;

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// A load of full handshakes.
#[derive(Clone, Copy, Debug)]
pub struct FullHandshakes {
    /// Where to.
    pub target: SocketAddr,
    /// How many.
    pub handshakes: u64,
    /// At once.
    pub connections: usize,
    /// By this version, and no other.
    pub version: Version,
}

impl FullHandshakes {
    /// A load.
    #[must_use]
    pub fn new(target: SocketAddr, handshakes: u64, connections: usize, version: Version) -> Self {
        Self { target, handshakes, connections, version }
    }

    /// Does all of them; an error where one does not come off, or is not a full one.
    pub fn run(&self) -> anyhow::Result<()> {
        let config = Arc::new(self.config()?);
        let begun = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections.max(1))
                .map(|_| {
                    scope.spawn(|| -> anyhow::Result<()> {
                        while begun.fetch_add(1, Ordering::Relaxed) < self.handshakes {
                            self.one(&config)?;
                        }
                        Ok(())
                    })
                })
                .collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(_) => bail!("a client thread has panicked"),
            })
        })
    }

    /// No resumption, and X25519 wherever it is known, so that both servers do the same: HAProxy's library may not know
    /// the newer groups. P-256 is named because TLS 1.2 takes it for what keys may be of, too.
    fn config(&self) -> anyhow::Result<ClientConfig> {
        let provider = CryptoProvider {
            kx_groups: vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1],
            ..aws_lc_rs::default_provider()
        };
        let versions = match self.version {
            Version::Tls12 => [&rustls::version::TLS12],
            Version::Tls13 => [&rustls::version::TLS13],
        };
        Ok(trust_anyone(provider, &versions)?)
    }

    fn one(&self, config: &Arc<ClientConfig>) -> anyhow::Result<()> {
        let socket = TcpStream::connect(self.target).context("cannot connect")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("mx.example.test")?;
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, socket);
        // A banner, or an end: in either case behind the server's part of the handshake.
        match stream.read(&mut [0; 512]) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {}
            Err(error) => return Err(error).context("the handshake failed"),
        }
        ensure!(!stream.conn.is_handshaking(), "the server hung up in the handshake");
        ensure!(stream.conn.handshake_kind() == Some(HandshakeKind::Full), "a handshake was not a full one");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_shakes_no_hands_is_an_error() {
        for said in ["", "220 mx.example.test\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let target = listener.local_addr().unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(said.as_bytes()).unwrap();
            });
            assert!(FullHandshakes::new(target, 1, 1, Version::Tls13).run().is_err(), "{said:?}");
            server.join().unwrap();
        }
    }
}
