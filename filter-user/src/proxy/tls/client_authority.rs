//! Who may sign the certificates of clients, and what a certificate that they have signed proves.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::certificates::{alternative_names, common_names};
use super::error::TlsError;
use super::pem;
use crate::policy::ClientCertificate;

/// The authorities that are trusted for clients.
#[derive(Debug)]
pub(super) struct ClientAuthority {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthority {
    /// Those of a file.
    pub(super) fn read(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let roots = Arc::new(pem::roots(path)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::BadAuthorities { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { verifier })
    }

    /// What the handshake asks with.
    pub(super) fn asks(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(AnyClient { verifier: Arc::clone(&self.verifier) })
    }

    /// What the certificates of a finished handshake prove, as of now. Asked after each handshake, so that a session
    /// that is resumed is judged by the authorities in force and the day, like any other.
    pub(super) fn proof(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<ClientCertificate> {
        let (first, intermediates) = chain.split_first()?;
        self.verifier.verify_client_cert(first, intermediates, now).ok()?;
        let (_, certificate) = X509Certificate::from_der(first).ok()?;
        let mut names = alternative_names(&certificate, |name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => Some(name),
            _ => None,
        });
        names.extend(common_names(&certificate));
        Some(ClientCertificate::verified(names))
    }
}

/// Asks for a certificate and lets whoever shows another one in too: servers that deliver mail show what they have, and
/// only proves nothing. That the client has the key is verified here all the same.
#[derive(Debug)]
struct AnyClient {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
