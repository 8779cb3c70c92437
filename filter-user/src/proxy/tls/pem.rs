//! Certificates, keys and authorities from PEM files. Everything else in a file is passed over, so that a key may stand
//! beside its chain. Judges no certificate.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsError;

const CERTIFICATE: &str = "certificate";
const KEY: &str = "private key";

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |error| fault(path, CERTIFICATE, error);
    let found = CertificateDer::pem_file_iter(path).map_err(fault)?;
    let certificates: Vec<_> = found.collect::<Result<_, _>>().map_err(fault)?;
    if certificates.is_empty() {
        return Err(fault(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// The first private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| fault(path, KEY, error))
}

/// The authorities of a file, all of which must be usable.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let bad = |source| TlsError::BadAuthority { path: path.to_owned(), source };
        roots.add(certificate).map_err(bad)?;
    }
    Ok(roots)
}

fn fault(path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => TlsError::Unreadable { path, what, source },
        pem::Error::NoItemsFound if what == KEY => {
            TlsError::Nothing { path, what, advice: "; one under a passphrase is none that can be used" }
        }
        pem::Error::NoItemsFound => TlsError::Nothing { path, what, advice: "" },
        other => TlsError::NotPem { path, what, why: other.to_string() },
    }
}
