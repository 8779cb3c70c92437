//! TLS as it is configured: which files, how much of it. Reads no certificate.

use std::path::PathBuf;
use std::time::Duration;

use super::clients::{Listen, ListenTls};
use super::error::ConfigError;
use super::given::Given;
use super::settings as s;

/// A certificate with its key, in PEM files, which may be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those that lead to its authority.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246).
    Tls12,
    /// 1.3 (RFC 8446).
    Tls13,
}

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// What clients are shown. `--tls-certificate`
    pub certificates: Vec<CertificateFiles>,
    /// Nothing older. `--tls-minimum-version`
    pub minimum_version: TlsVersion,
    /// Who may sign the certificates of clients; nothing asks for none. `--tls-client-ca`
    pub client_authorities: Option<PathBuf>,
    /// The names that a client's certificate must have one of; none means any. `--tls-client-name`
    pub client_names: Vec<String>,
    /// For the handshake. `--tls-handshake-timeout`
    pub handshake_timeout: Duration,
}

impl TlsSettings {
    pub(super) fn read(given: &Given, listen: &[Listen]) -> Result<Self, ConfigError> {
        let read = Self {
            certificates: given.all(&s::TLS_CERTIFICATE)?,
            minimum_version: given.value(&s::TLS_MINIMUM_VERSION)?,
            client_authorities: given.one(&s::TLS_CLIENT_CA)?,
            client_names: given.all(&s::TLS_CLIENT_NAME)?,
            handshake_timeout: given.value(&s::TLS_HANDSHAKE_TIMEOUT)?,
        };
        let implicit = listen.iter().find(|listen| listen.tls == ListenTls::Implicit);
        match implicit.filter(|_| read.certificates.is_empty()) {
            Some(listen) => Err(ConfigError::NoCertificate { listen: listen.address }),
            None => Ok(read),
        }
    }

    pub(super) fn warnings(&self, postfix_asks: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.client_authorities.is_some() && self.certificates.is_empty() {
            warnings
                .push("tls-client-ca has no effect: there is no TLS without a tls-certificate".to_owned());
        }
        if !self.client_names.is_empty() && self.client_authorities.is_none() && !postfix_asks {
            warnings.push(
                "tls-client-name has no effect: without tls-client-ca no certificate is asked for".to_owned(),
            );
        }
        warnings
    }
}

/// How much a connection that we make is to be encrypted; the words are Postfix's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsLevel {
    /// Never.
    #[default]
    None,
    /// Where the server offers it.
    May,
    /// Always; by whatever certificate.
    Encrypt,
    /// Always, and the certificate must be the server's own.
    Verify,
}

/// TLS to the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendTls {
    /// How much. `--backend-tls`
    pub level: TlsLevel,
    /// Who is trusted in place of the system's authorities. `--backend-tls-ca`
    pub authorities: Option<PathBuf>,
}

impl BackendTls {
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        Ok(Self { level: given.value(&s::BACKEND_TLS)?, authorities: given.one(&s::BACKEND_TLS_CA)? })
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let unused = self.authorities.is_some() && self.level != TlsLevel::Verify;
        unused
            .then(|| {
                "backend-tls-ca has no effect: backend-tls = verify alone verifies certificates".to_owned()
            })
            .into_iter()
            .collect()
    }
}
