//! TLS with clients: real ones, and ones that do it wrong.

mod behind_a_balancer;
mod client_certificates;
mod handshakes;
mod implicit;
mod refused;
mod reload;
mod require_tls;
mod s_client;

use std::path::Path;

use tempfile::TempDir;

use crate::authority::{Authority, Certified};
use crate::daemon::{Daemon, file};

/// A relaygate with certificates, and the authority that signed them.
struct Scene {
    authority: Authority,
    daemon: Daemon,
    folder: TempDir,
}

impl Scene {
    /// One certificate, for mx.example.test.
    fn new(flags: &str) -> Self {
        Self::with(|authority| vec![authority.certify("mx", &["mx.example.test"])], flags)
    }

    /// These certificates, in this order.
    fn with(certify: impl FnOnce(&Authority) -> Vec<Certified>, flags: &str) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), certify, flags)
    }

    /// The same, beside other files.
    fn in_folder(folder: TempDir, certify: impl FnOnce(&Authority) -> Vec<Certified>, flags: &str) -> Self {
        Self::start("127.0.0.1:0", folder, certify, flags)
    }

    /// One certificate, and TLS from the first octet.
    fn implicit(flags: &str) -> Self {
        let certify = |authority: &Authority| vec![authority.certify("mx", &["mx.example.test"])];
        Self::start("127.0.0.1:0 tls=implicit", tempfile::tempdir().unwrap(), certify, flags)
    }

    fn start(
        listen: &str,
        folder: TempDir,
        certify: impl FnOnce(&Authority) -> Vec<Certified>,
        flags: &str,
    ) -> Self {
        let authority = Authority::new(folder.path(), "authority");
        let flags = format!("{} {flags}", settings(folder.path(), &certify(&authority)));
        Self { authority, daemon: Daemon::start_listening_on(listen, &flags), folder }
    }
}

/// Flags for a daemon with these certificates.
fn settings(folder: &Path, certificates: &[Certified]) -> String {
    let entry = |pair: &Certified| format!("'{} key={}'", pair.chain.display(), pair.key.display());
    let entries: Vec<_> = certificates.iter().map(entry).collect();
    let text = format!(
        "backend = 'sink:'\nlocal-domain = 'example.test'\ntls-certificate = [{}]\n",
        entries.join(", ")
    );
    format!("--config {}", file(folder, "relaygate.toml", &text).display())
}
