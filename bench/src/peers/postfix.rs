//! Postfix, with a folder, queue and port of its own: the refusals are smtpd's; mail for the local domain goes through its
//! queue to the sink.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::accounts::Account;
use super::{Installed, LOCAL_DOMAIN, Pace, Peer, Running, Site, packages};

/// Postfix of Debian.
#[derive(Clone, Copy, Debug)]
pub struct Postfix;

impl Peer for Postfix {
    fn name(&self) -> &'static str {
        "Postfix"
    }

    fn pace(&self) -> Pace {
        Pace::SLOW
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        packages::install(&["postfix"], cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        start(installed, site, address, &Self::service(address), "")
    }
}

impl Postfix {
    /// The line of `master.cf` for smtpd at this address.
    pub(super) fn service(address: SocketAddr) -> String {
        format!("{address} inet n - n - - smtpd\n")
    }
}

/// With these services that clients come to, and these settings besides those of every Postfix.
pub(super) fn start(
    installed: &Installed,
    site: &Site,
    address: SocketAddr,
    services: &str,
    settings: &str,
) -> anyhow::Result<Running> {
    run(&set_up(installed, site, address, services, settings)?, installed, site, address)
}

/// Runs what has it in the foreground; where it does not come up, its log says why.
pub(super) fn run(
    command: &Command,
    installed: &Installed,
    site: &Site,
    address: SocketAddr,
) -> anyhow::Result<Running> {
    Running::start(command, installed, site, Some(address)).with_context(|| {
        let log = fs::read_to_string(site.folder.join("log/mail")).unwrap_or_default();
        format!("its log ends with {:?}", log.lines().last().unwrap_or("nothing"))
    })
}

/// Writes its files, and says what starts it.
pub(super) fn set_up(
    installed: &Installed,
    site: &Site,
    address: SocketAddr,
    services: &str,
    settings: &str,
) -> anyhow::Result<Command> {
    let folder = site.folder.display();
    for name in ["queue", "log"] {
        fs::create_dir(site.folder.join(name)).with_context(|| format!("cannot make {folder}/{name}"))?;
    }
    if installed.layer.is_some() {
        Account::of("postdrop", site)?;
    }
    Account::of("postfix", site)?.folder(site, "data")?;
    let (ip, sink) = (address.ip(), format!("[{}]:{}", site.sink.ip(), site.sink.port()));
    let main = format!(
        "compatibility_level = 3.6\n\
         queue_directory = {folder}/queue\n\
         data_directory = {folder}/data\n\
         maillog_file_prefixes = {folder}\n\
         maillog_file = {folder}/log/mail\n\
         myhostname = mail.{LOCAL_DOMAIN}\n\
         mydestination =\n\
         mynetworks =\n\
         inet_interfaces = {ip}\n\
         inet_protocols = ipv4\n\
         relay_domains = {LOCAL_DOMAIN}\n\
         relay_transport = smtp:{sink}\n\
         smtp_dns_support_level = disabled\n\
         smtpd_peername_lookup = no\n\
         smtpd_client_connection_count_limit = 0\n\
         smtpd_soft_error_limit = 2000\n\
         smtpd_hard_error_limit = 2000\n\
         smtpd_junk_command_limit = 2000\n\
         default_process_limit = 150\n\
         notify_classes =\n{settings}"
    );
    site.write("main.cf", &main)?;
    site.write("master.cf", &format!("{services}{SERVICES}"))?;
    let mut command = Command::new("postfix");
    command.arg("-c").arg(&site.folder).arg("start-fg");
    Ok(command)
}

/// What every Postfix has behind the services that clients come to.
const SERVICES: &str = "\
cleanup unix n - n - 0 cleanup\n\
qmgr unix n - n 300 1 qmgr\n\
rewrite unix - - n - - trivial-rewrite\n\
bounce unix - - n - 0 bounce\n\
defer unix - - n - 0 bounce\n\
trace unix - - n - 0 bounce\n\
smtp unix - - n - - smtp\n\
error unix - - n - - error\n\
retry unix - - n - - error\n\
anvil unix - - n - 1 anvil\n\
scache unix - - n - 1 scache\n\
proxymap unix - - n - - proxymap\n\
tlsmgr unix - - n 1000? 1 tlsmgr\n\
flush unix n - n 1000? 0 flush\n\
showq unix n - n - - showq\n\
postlog unix-dgram n - n - 1 postlogd\n";
