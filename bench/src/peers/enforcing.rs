//! relaygate as people run it: its sanctions bite, in the kernel.

use std::path::Path;

use super::{Installed, LOCAL_DOMAIN, OFFENCES, Peer, Relaygate, Running, SANCTION, Site};

/// relaygate with one worker, that blocks.
#[derive(Clone, Debug)]
pub struct Enforcing {
    /// The binary.
    pub relaygate: Relaygate,
    /// The interface on which the kernel drops what blocked peers send.
    pub interface: String,
}

impl Peer for Enforcing {
    fn name(&self) -> &'static str {
        "relaygate, XDP"
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        self.relaygate.install(cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let mut command = self.relaygate.bare();
        command.args(["--listen", &site.free_address()?.to_string(), "--local-domain", LOCAL_DOMAIN]);
        command.args(["--backend", &site.sink.to_string(), "--workers", "1"]);
        // It limits before it blocks: as late as it can, since what else blocks by count knows no such step.
        command.args(["--strikes-to-limit", &(OFFENCES - 1).to_string()]);
        command.args(["--strikes-to-block", &OFFENCES.to_string()]);
        command.args(["--block-for", &format!("{}s", SANCTION.as_secs())]);
        // What is pinned would outlive the process.
        command.args(["--pin-directory", "none"]);
        command.args(["--hook", "xdp-native", "--interface", &self.interface]);
        Running::start(&command, installed, site, None)
    }
}
