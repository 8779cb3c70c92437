//! HAProxy in TCP mode before the sink: the cost of a plain proxy. The refusals are the sink's, whose CPU time does not
//! count.

use std::path::Path;
use std::process::Command;

use super::{Installed, Peer, Running, Site, packages};

/// HAProxy of Debian.
#[derive(Clone, Copy, Debug)]
pub struct HaProxy;

impl Peer for HaProxy {
    fn name(&self) -> &'static str {
        "HAProxy (TCP)"
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        packages::install(&["haproxy"], cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        // Two descriptors a session, and it does not start where it may not have them.
        let sessions = (site.descriptors / 2).saturating_sub(50).clamp(10, 30_000);
        let settings = format!(
            "global\n  nbthread 1\n  maxconn {sessions}\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 120s\n  timeout server 120s\n\
             listen smtp\n  bind {address}\n  server sink {}\n",
            site.sink
        );
        let path = site.write("haproxy.cfg", &settings)?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(path);
        Running::start(&command, installed, site, Some(address))
    }
}
