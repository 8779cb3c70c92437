//! relaygate itself, with one worker.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::{Installed, LOCAL_DOMAIN, Peer, Running, Site, packages};

/// A relaygate binary.
#[derive(Clone, Debug)]
pub struct Relaygate {
    /// Where it is.
    pub binary: PathBuf,
}

impl Relaygate {
    /// The one that is named; else one that is built where cargo runs this, or that lies beside this program. Whether it is
    /// there shows later.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            return Ok(Self { binary: path.to_owned() });
        }
        if let Some(cargo) = std::env::var_os("CARGO") {
            let built = Command::new(cargo).args(["build", "--release", "-p", "filter-user"]).status();
            let status = built.context("cannot start cargo to build relaygate")?;
            ensure!(status.success(), "relaygate cannot be built ({status}); --relaygate names one that is");
        }
        let own = std::env::current_exe().context("cannot find the own binary")?;
        Ok(Self { binary: own.with_file_name("relaygate") })
    }

    /// The daemon, without any settings.
    pub(super) fn bare(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("run");
        command
    }

    /// With one worker, bounds that the load never meets, and nothing relaxed that costs it time: every session is a
    /// strike that is counted, but they leak away before they are enough for a sanction. (If they were enough, the
    /// measurement would fail, not be wrong: a sanctioned session is not refused in order.)
    #[must_use]
    pub fn command(&self, backend: SocketAddr) -> Command {
        let mut command = self.bare();
        command.args(["--listen", "127.0.0.1:0", "--local-domain", LOCAL_DOMAIN]);
        command.args(["--backend", &backend.to_string()]);
        command.args(["--workers", "1", "--strikes-to-limit", "999999", "--strikes-to-block", "1000000"]);
        command.args(["--strike-decay", "1ms"]);
        command.args(["--max-sessions", "30000", "--max-sessions-per-peer", "30000"]);
        command
    }
}

impl Peer for Relaygate {
    fn name(&self) -> &'static str {
        "relaygate"
    }

    fn install(&self, _cache: &Path) -> anyhow::Result<Installed> {
        let binary = self.binary.display();
        ensure!(self.binary.is_file(), "there is no {binary}: build it, or say where it is with --relaygate");
        let mut command = Command::new(&self.binary);
        let output = packages::said(command.arg("--version")).context("it does not say its version")?;
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(Installed { version: said.split_whitespace().nth(1).map(str::to_owned), ..Installed::default() })
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let mut command = self.command(site.sink);
        // A thousand refused recipients in one session are to be a thousand refusals, not the end of it.
        command.args(["--max-errors", "2000", "--max-unknown-recipients", "2000"]);
        Running::start(&command, installed, site, None)
    }
}
