//! OpenSMTPD: one process for all sessions, others for look-ups, queue and delivery to the sink.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::accounts::Account;
use super::{Installed, LOCAL_DOMAIN, Pace, Peer, Running, Site, packages};

/// OpenSMTPD of Debian.
#[derive(Clone, Copy, Debug)]
pub struct OpenSmtpd;

impl Peer for OpenSmtpd {
    fn name(&self) -> &'static str {
        "OpenSMTPD"
    }

    fn pace(&self) -> Pace {
        // The kernel keeps but five connections for it that it has not accepted yet: of more, some wait for seconds.
        Pace { at_once: 5, idle: 200, ..Pace::SLOW }
    }

    fn pipelines(&self) -> bool {
        false
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        packages::install(&["opensmtpd"], cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        Account::of("opensmtpd", site)?;
        Account::of("opensmtpq", site)?;
        // Its files have places that it was built with: the layer of this peer keeps them apart. It looks up the name of
        // each client, and is to find it in the machine's own list, as nobody else here asks the DNS.
        let path = site.over("etc")?.join("resolv.conf");
        std::fs::write(&path, "lookup file\n").with_context(|| format!("cannot write {}", path.display()))?;
        let settings = format!(
            "table ours {{ \"{LOCAL_DOMAIN}\" }}\n\
             smtp max-message-size 50M\n\
             smtp limit max-rcpt 2000\n\
             listen on {} port {} hostname mail.{LOCAL_DOMAIN}\n\
             action \"sink\" relay host smtp://{}\n\
             match from any for domain <ours> action \"sink\"\n",
            address.ip(),
            address.port(),
            site.sink
        );
        let path = site.write("smtpd.conf", &settings)?;
        let mut command = Command::new("smtpd");
        command.arg("-d").arg("-f").arg(path);
        Running::start(&command, installed, site, Some(address))
    }
}
