//! TLS of the connections that we make, and the stream of such a connection, in the clear or not.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::net::{RecvFlags, recv};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connection::Tls;
use super::error::TlsError;
use super::pem;
use super::provider;
use super::waiting::Asked;
use crate::config::TlsLevel;

/// How connections to a server are to be encrypted, ready to be used for any number of them.
/// Not at all, where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    level: TlsLevel,
    /// Nothing where it is never asked for.
    config: Option<Arc<ClientConfig>>,
}

impl ClientTls {
    /// Reads the authorities that are trusted, where any are needed: those in the file, else the system's.
    pub fn new(level: TlsLevel, authorities: Option<&Path>) -> Result<Self, TlsError> {
        let builder = || {
            ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .map_err(TlsError::Rustls)
        };
        let config = match level {
            TlsLevel::None => None,
            TlsLevel::May | TlsLevel::Encrypt => {
                let anyone = Arc::new(AnyServer { provider: provider() });
                Some(builder()?.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth())
            }
            TlsLevel::Verify => {
                let roots = match authorities {
                    Some(file) => pem::roots(file)?,
                    None => system_roots()?,
                };
                Some(builder()?.with_root_certificates(roots).with_no_client_auth())
            }
        };
        Ok(Self { level, config: config.map(Arc::new) })
    }

    /// How much is asked for.
    #[must_use]
    pub fn level(&self) -> TlsLevel {
        self.level
    }
}

/// The system's authorities. One that cannot be read is as good as none; that there is none at all is told.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string).unwrap_or_default();
        return Err(TlsError::NoSystemAuthorities { why });
    }
    Ok(roots)
}

/// Takes any server for the right one: encryption alone was asked for, which keeps listeners out and nobody who can
/// come between. So its signature proves nothing either, and certificates of any age and kind will do.
#[derive(Debug)]
struct AnyServer {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection to a server: in the clear, or TLS over it.
#[derive(Debug)]
pub(in crate::proxy) struct ServerStream {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
    verified: bool,
}

impl ServerStream {
    /// In the clear at first.
    pub(in crate::proxy) fn new(stream: TcpStream) -> Self {
        Self { stream, tls: None, verified: false }
    }

    /// Whether it is TLS by now.
    pub(in crate::proxy) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The connection below.
    pub(in crate::proxy) fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether it is encrypted, and the server's certificate was verified.
    pub(in crate::proxy) fn is_verified(&self) -> bool {
        self.verified
    }

    /// Encrypts from here on; where a certificate is to be verified, it must be one of this host's. After an error the
    /// connection is of no use any more.
    pub(in crate::proxy) async fn encrypt(&mut self, how: &ClientTls, host: &str) -> io::Result<()> {
        let Some(config) = &how.config else { return Ok(()) };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut tls = Box::new(Tls::new(connection));
        tls.through_handshake(&self.stream).await?;
        self.tls = Some(tls);
        self.verified = how.level == TlsLevel::Verify;
        Ok(())
    }

    /// Appends what comes next, once it has come; nothing where the server has ended.
    pub(in crate::proxy) async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&self.stream, into).await,
            None => self.stream.read_buf(into).await,
        }
    }

    /// Sends octets, all of them.
    pub(in crate::proxy) async fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => {
                tls.hold(octets)?;
                tls.flush(&self.stream).await
            }
            None => self.stream.write_all(octets).await,
        }
    }

    /// Says goodbye and waits for nothing: whether it gets through changes nothing, the connection is closed behind it.
    pub(in crate::proxy) fn leave(mut self, goodbye: &[u8]) {
        let _ = match &mut self.tls {
            Some(tls) => tls.hold(goodbye).and_then(|()| tls.end(&self.stream)),
            None => self.stream.try_write(goodbye).map(drop),
        };
    }

    /// Whether the server has said something that was not read yet; an error where it has ended. What came but a moment
    /// ago counts: the socket is asked, not the runtime.
    pub(in crate::proxy) fn has_talked(&mut self) -> io::Result<bool> {
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        match &mut self.tls {
            Some(tls) => {
                let talked = tls.has_talked(&Asked(&self.stream));
                if !talked && tls.is_over() { Err(ended()) } else { Ok(talked) }
            }
            None => {
                let told = recv(&self.stream, &mut [0u8; 1][..], RecvFlags::DONTWAIT | RecvFlags::PEEK);
                match told {
                    Ok((0, _)) => Err(ended()),
                    Ok(_) => Ok(true),
                    Err(_) => Ok(false),
                }
            }
        }
    }
}
