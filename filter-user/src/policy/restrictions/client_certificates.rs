//! Restriction *successfully authenticate*, by a TLS client certificate: of any name, or of given names alone.

use super::{Line, Word};
use crate::policy::{ClientCertificate, Facts, PolicySettings};

/// The restriction, compiled.
#[derive(Debug)]
pub(super) struct ClientCertificates {
    grants: bool,
    /// Empty: any name.
    names: Vec<String>,
}

impl ClientCertificates {
    pub(super) fn new(settings: &PolicySettings) -> Self {
        Self { grants: settings.relay_client_certificate, names: settings.client_names.clone() }
    }

    pub(super) fn word(&self, facts: &Facts<'_>) -> Word {
        let Some(certificate) = facts.certificate.filter(|_| self.grants) else { return Word::DoesNotFit };
        if self.names.is_empty() {
            return Word::Fits(Line::RelayClientCertificate);
        }
        let shown = |name: &&String| certificate.names().iter().any(|shown| shown.eq_ignore_ascii_case(name));
        match self.names.iter().position(|name| shown(&name)) {
            Some(number) => Word::Fits(Line::TlsClientName(number)),
            None => Word::DoesNotFit,
        }
    }

    pub(super) fn why(facts: &Facts<'_>, word: Word) -> String {
        let Some(names) = facts.certificate.map(ClientCertificate::names) else {
            return "no client certificate".to_owned();
        };
        let grants = if matches!(word, Word::Fits(_)) { "" } else { ", which grants nothing" };
        format!("a client certificate of {}{grants}", names.join(", "))
    }
}
