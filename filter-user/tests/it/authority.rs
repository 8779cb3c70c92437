//! A certificate authority of a test: signs certificates and writes them to files, good ones and bad ones.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, date_time_ymd,
};

/// An authority; its files are in the folder of the test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its own certificate.
    pub file: PathBuf,
}

/// A certificate with its key, in files.
#[derive(Clone, Debug)]
pub(crate) struct Certified {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// What a certificate says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// Host names, IP addresses, mail addresses: what they look like they become.
    pub names: &'a [&'a str],
    /// The common name.
    pub common_name: &'a str,
    /// It is over.
    pub expired: bool,
    /// An RSA key in place of P-256.
    pub rsa: bool,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned(), file }
    }

    /// A certificate for these names.
    pub(crate) fn certify(&self, file: &str, names: &[&str]) -> Certified {
        self.certify_as(file, Wanted { names, ..Wanted::default() })
    }

    /// A certificate as it is wanted.
    pub(crate) fn certify_as(&self, file: &str, wanted: Wanted<'_>) -> Certified {
        let names: Vec<_> = wanted.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = subject(wanted.common_name);
        if wanted.expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key =
            if wanted.rsa { KeyPair::generate_for(&PKCS_RSA_SHA256) } else { KeyPair::generate() }.unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let certified = Certified {
            chain: self.folder.join(format!("{file}.pem")),
            key: self.folder.join(format!("{file}.key")),
        };
        fs::write(&certified.chain, certificate.pem()).unwrap();
        fs::write(&certified.key, key.serialize_pem()).unwrap();
        certified
    }
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if !common_name.is_empty() {
        subject.push(DnType::CommonName, common_name);
    }
    subject
}
