//! Remote directories, real ones: relaygate before a real Postfix, asked about recipients that a directory knows, does not
//! know and cannot say anything about. Each directory is stopped in the middle, and comes back.

mod callout;
mod faults;
mod ldap;
mod postmap;
mod slapd;
mod socketmap;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::daemon::{Daemon, eventually, file, free_port, metric};
use crate::dialogue::Dialogue;

/// relaygate with directories, and where its metrics are.
pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    metrics: SocketAddr,
    _folder: TempDir,
}

impl Site {
    /// In front of this backend, with these lines of TOML for its directories.
    pub(crate) fn start(backend: SocketAddr, directories: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = file(
            folder.path(),
            "relaygate.toml",
            &format!(
                "backend = \"{backend}\"\nlocal-domain = [\"example.test\", \"other.test\"]\ngreet-delay = \"1ms\"\nstrikes-to-limit = 999999\nstrikes-to-block = 1000000\n\
                 directory-timeout = \"2s\"\n{directories}\n"
            ),
        );
        let metrics = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let daemon = Daemon::start(&format!("--config {} --metrics-listen {metrics}", config.display()));
        Self { daemon, metrics, _folder: folder }
    }

    /// What a stranger is told who sends to this recipient.
    pub(crate) fn told(&self, recipient: &str) -> String {
        let mut dialogue = Dialogue::open(self.daemon.address);
        dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
        let told = dialogue.say(&format!("RCPT TO:<{recipient}>"));
        dialogue.expect(&[("QUIT", "221")]);
        told
    }

    /// That it is told this, code and enhanced code, in the end.
    pub(crate) fn comes_to_tell(&self, recipient: &str, wanted: &str) {
        eventually(&format!("{recipient}: {wanted}"), || {
            std::thread::sleep(Duration::from_millis(100));
            self.told(recipient).starts_with(wanted).then_some(())
        });
    }

    /// That each is told this, code and enhanced code.
    #[track_caller]
    pub(crate) fn tells(&self, rows: &[(&str, &str)]) {
        for (recipient, wanted) in rows {
            let told = self.told(recipient);
            assert!(told.starts_with(wanted), "{recipient}: {told}, not {wanted}");
        }
    }

    /// A metric, summed over all series that begin so.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        metric(&Daemon::metrics(self.metrics), series)
    }
}

/// A folder with a socket's path in it.
pub(crate) fn socket_in(folder: &Path) -> PathBuf {
    folder.join("socket")
}
