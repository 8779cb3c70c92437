//! Exim: a process for each session, refusals by its access list, delivery to the sink at once.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::accounts::Account;
use super::{Installed, LOCAL_DOMAIN, Pace, Peer, Running, Site, packages};

/// Exim of Debian.
#[derive(Clone, Copy, Debug)]
pub struct Exim;

impl Peer for Exim {
    fn name(&self) -> &'static str {
        "Exim"
    }

    fn pace(&self) -> Pace {
        Pace::SLOW
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        packages::install(&["exim4-daemon-light"], cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        let account = Account::of("Debian-exim", site)?;
        account.folder(site, "spool")?;
        account.folder(site, "log")?;
        let folder = site.folder.display();
        let (ip, port) = (address.ip(), address.port());
        let (sink, sink_port) = (site.sink.ip(), site.sink.port());
        let settings = format!(
            "primary_hostname = mail.{LOCAL_DOMAIN}\n\
             domainlist ours = {LOCAL_DOMAIN}\n\
             spool_directory = {folder}/spool\n\
             log_file_path = {folder}/log/%s\n\
             pid_file_path = {folder}/spool/exim.pid\n\
             keep_environment =\n\
             local_interfaces = {ip}\n\
             daemon_smtp_ports = {port}\n\
             acl_smtp_rcpt = recipient\n\
             host_lookup =\n\
             rfc1413_hosts =\n\
             tls_advertise_hosts =\n\
             smtp_accept_max = 500\n\
             smtp_accept_queue_per_connection = 0\n\
             smtp_accept_max_nonmail = 5000\n\
             smtp_connect_backlog = 1000\n\
             recipients_max = 0\n\
             begin acl\n\
             recipient:\n\
             accept domains = +ours\n\
             deny message = relay not permitted\n\
             begin routers\n\
             sink:\n\
             driver = manualroute\n\
             domains = +ours\n\
             transport = sink\n\
             route_list = * {sink}\n\
             self = send\n\
             begin transports\n\
             sink:\n\
             driver = smtp\n\
             port = {sink_port}\n\
             allow_localhost\n\
             begin retry\n\
             * * F,1h,1m\n"
        );
        // Exim keeps its rights only with the settings at the place that it was built for, so they lie there, in the
        // layer of this peer.
        let path = site.over("etc/exim4")?.join("exim4.conf");
        std::fs::write(&path, settings).with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = Command::new("exim4");
        command.arg("-bdf");
        Running::start(&command, installed, site, Some(address))
    }
}
