//! What people run today, relaygate, and the least that a server can do: how each is had, set up and started. Measures
//! nothing and sends nothing.

mod accounts;
mod enclosure;
mod enforcing;
mod exim;
mod fail2ban;
mod haproxy;
mod haraka;
mod instance;
mod nginx;
mod opensmtpd;
mod packages;
mod postfix;
mod postscreen;
mod process_tree;
mod relaygate;
mod responder;
mod running;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

pub use enforcing::Enforcing;
pub use exim::Exim;
pub use fail2ban::Fail2ban;
pub use haproxy::HaProxy;
pub use haraka::Haraka;
pub use instance::{Instance, Place, install};
pub use nginx::NginxMail;
pub use opensmtpd::OpenSmtpd;
pub use postfix::Postfix;
pub use postscreen::Postscreen;
pub use process_tree::ProcessTree;
pub use relaygate::Relaygate;
pub use responder::ConstantReplies;
pub use running::Running;

/// A domain whose mail every peer takes and hands to the sink.
pub const LOCAL_DOMAIN: &str = "example.test";
/// A recipient that every peer refuses.
pub const OUTSIDE: &str = "someone@elsewhere.example";
/// Where honest clients come from; the others come from 127.0.0.1.
pub const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Offences after which whoever sanctions is to sanction.
pub const OFFENCES: u32 = 5;
/// For how long.
pub const SANCTION: Duration = Duration::from_secs(600);

/// Where peers listen that nobody else is to reach.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How much a peer is asked to do at once, so that a slow one does not take the time of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Sessions at once.
    pub at_once: usize,
    /// Refused sessions in a round.
    pub sessions: u64,
    /// Honest messages in a round.
    pub messages: u64,
    /// Sessions of a thousand recipients in a round.
    pub harvests: u64,
    /// Sessions held open for their memory.
    pub idle: usize,
}

impl Pace {
    /// Of a server that has an event loop.
    pub const QUICK: Self = Self { at_once: 100, sessions: 3_000, messages: 400, harvests: 20, idle: 20_000 };
    /// Of a server that has a process for each session.
    pub const SLOW: Self = Self { at_once: 100, sessions: 400, messages: 100, harvests: 3, idle: 60 };
}

/// One server.
pub trait Peer {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// How much it is asked to do.
    fn pace(&self) -> Pace {
        Pace::QUICK
    }

    /// Whether it takes several commands in one write.
    fn pipelines(&self) -> bool {
        true
    }

    /// Whether it takes mail for [`LOCAL_DOMAIN`].
    fn takes_mail(&self) -> bool {
        true
    }

    /// Whether it can be run by root alone.
    fn needs_root(&self) -> bool {
        false
    }

    /// Gets it, where it is not there; says where its files lie.
    fn install(&self, cache: &Path) -> anyhow::Result<Installed>;

    /// Sets it up in the site's folder and starts it. It refuses [`OUTSIDE`], and what is for [`LOCAL_DOMAIN`] it hands
    /// to the site's sink.
    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running>;
}

/// Where an installed peer's files lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// A tree that is laid over the machine's for this peer alone; none, where the machine has all it needs.
    pub layer: Option<PathBuf>,
    /// The folder that a program was installed into that is no package of the machine's.
    pub folder: Option<PathBuf>,
    /// Of the program or of its package, where it is known.
    pub version: Option<String>,
}

/// Where a peer is set up.
#[derive(Clone, Debug)]
pub struct Site {
    /// A folder for its files, that anybody may read.
    pub folder: PathBuf,
    /// The address of this machine, or of this namespace, at which it listens.
    pub host: IpAddr,
    /// Where its mail goes.
    pub sink: SocketAddr,
    /// The CPU that it runs on; any, where there is but one.
    pub cpu: Option<usize>,
    /// Descriptors that each of its processes may have.
    pub descriptors: u64,
}

impl Site {
    /// Writes a file of this name there, and says its path.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// An address at which it may listen: nobody does now.
    pub fn free_address(&self) -> anyhow::Result<SocketAddr> {
        let listener =
            TcpListener::bind((self.host, 0)).with_context(|| format!("no port of {} is free", self.host))?;
        listener.local_addr().context("a listener without an address")
    }

    /// The folder whose files lie over those of the machine's `/FOLDER`, for this peer alone.
    fn over(&self, folder: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("over").join(folder);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// One for a test, where nothing is served.
    #[cfg(test)]
    fn at(folder: &Path) -> Self {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        Self { folder: folder.to_owned(), host: LOOPBACK, sink: nobody, cpu: None, descriptors: 1_000 }
    }
}

/// All of them, the limit first.
#[must_use]
pub fn all(relaygate: Relaygate) -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(ConstantReplies),
        Box::new(relaygate),
        Box::new(HaProxy),
        Box::new(NginxMail),
        Box::new(Postscreen),
        Box::new(Haraka),
        Box::new(OpenSmtpd),
        Box::new(Exim),
        Box::new(Postfix),
    ]
}
