//! The certificates that clients are shown: read with their keys, each checked against its own, and chosen by the name
//! that the client has asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::error::TlsError;
use super::pem;
use crate::config::CertificateFiles;

/// All certificates in force.
#[derive(Debug)]
pub(super) struct Certificates {
    /// In the order of the settings: the first is the default.
    all: Vec<Arc<CertifiedKey>>,
    /// By the names in them, wildcards with their star. Several have one name where they have keys of several kinds.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// From when and until when each is valid, in seconds of Unix time, and its file.
    lifetimes: Vec<Lifetime>,
}

/// From when to when a certificate is valid.
#[derive(Clone, Debug)]
pub(super) struct Lifetime {
    pub(super) path: PathBuf,
    pub(super) begins: i64,
    pub(super) ends: i64,
}

impl Certificates {
    /// Reads all of them.
    pub(super) fn read(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<Self, TlsError> {
        let mut read = Self { all: Vec::new(), by_name: HashMap::new(), lifetimes: Vec::new() };
        for CertificateFiles { chain, key } in files {
            let certificates = pem::certificates(chain)?;
            let (names, lifetime) = facts(chain, &certificates)?;
            let certified = CertifiedKey::from_der(certificates, pem::private_key(key)?, provider);
            let certified = Arc::new(certified.map_err(|error| fault(chain, key, error))?);
            for name in names {
                read.by_name.entry(name).or_default().push(Arc::clone(&certified));
            }
            read.all.push(certified);
            read.lifetimes.push(lifetime);
        }
        Ok(read)
    }

    pub(super) fn lifetimes(&self) -> &[Lifetime] {
        &self.lifetimes
    }

    /// Those with this name, or a wildcard in place of its first label.
    fn named(&self, name: &str) -> &[Arc<CertifiedKey>] {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        };
        self.by_name.get(&name).or_else(wildcard).map_or(&[], Vec::as_slice)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().map_or(&[][..], |name| self.named(name));
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        named.iter().chain(&self.all).find(usable).cloned()
    }
}

fn fault(chain: &Path, key: &Path, error: Error) -> TlsError {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::OtherKey { key: key.to_owned(), chain: chain.to_owned() }
        }
        Error::InvalidCertificate(why) => {
            TlsError::Malformed { path: chain.to_owned(), why: format!("{why:?}") }
        }
        source => TlsError::BadKey { path: key.to_owned(), source },
    }
}

/// The host names that the first certificate of a chain is for, in lower case, and its lifetime.
fn facts(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(Vec<String>, Lifetime), TlsError> {
    let malformed = |why: String| TlsError::Malformed { path: path.to_owned(), why };
    let first = chain.first().map_or(&[][..], |certificate| certificate.as_ref());
    let (_, certificate) = X509Certificate::from_der(first).map_err(|error| malformed(error.to_string()))?;
    let validity = certificate.validity();
    let lifetime = Lifetime {
        path: path.to_owned(),
        begins: validity.not_before.timestamp(),
        ends: validity.not_after.timestamp(),
    };
    let mut names = alternative_names(&certificate, |name| match name {
        GeneralName::DNSName(name) => Some(name),
        _ => None,
    });
    if names.is_empty() {
        // RFC 6125 section 6.4.4: where no other name is given, it may be a host's.
        names = common_names(&certificate);
    }
    Ok((names, lifetime))
}

/// The alternative names of a certificate that are wanted, in lower case.
pub(super) fn alternative_names<'c>(
    certificate: &'c X509Certificate<'_>,
    wanted: impl Fn(&GeneralName<'c>) -> Option<&'c str>,
) -> Vec<String> {
    // A certificate whose extension is broken has none.
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    names.filter_map(wanted).map(str::to_ascii_lowercase).collect()
}

/// The common names of a certificate's subject, in lower case.
pub(super) fn common_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.map(str::to_lowercase).collect()
}
