//! TLS as it is configured: which files, how much of it. Reads no certificate.

use std::path::PathBuf;

use super::error::ConfigError;
use super::given::Given;
use super::settings as s;

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
