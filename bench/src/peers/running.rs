//! A peer that runs: where it listens, and its processes. Ends with its value.

use std::any::Any;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Context;
use smtp_load::served::Served;

use super::enclosure::Enclosure;
use super::{Installed, ProcessTree, Site};

/// A server that runs and listens, all of its processes known.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its processes. They end before the value below does, which waits for the first of them.
    pub tree: ProcessTree,
    served: Served,
    /// What must live as long as it does, such as a service that it asks.
    keeps: Vec<Box<dyn Any + Send>>,
}

impl Running {
    /// Starts `command` for `site`. Where it listens it prints, or it is told to listen on `address`.
    pub(super) fn start(
        command: &Command,
        installed: &Installed,
        site: &Site,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let path = ProcessTree::group();
        // From here on the group is removed whatever happens.
        let group = path.clone().map(ProcessTree::Group);
        let layer = installed.layer.as_deref();
        let enclosure = Enclosure { group: path.as_deref(), layer, site };
        if enclosure.is_layered() {
            std::fs::create_dir(site.folder.join("room")).context("no room for its layer")?;
        }
        let enclosed = enclosure.around(command);
        let served = match address {
            Some(address) => Served::start_at(enclosed, site.cpu, address)?,
            None => Served::start(enclosed, site.cpu)?,
        };
        let tree = group.unwrap_or(ProcessTree::Process(served.pid()));
        Ok(Self { address: served.address, tree, served, keeps: Vec::new() })
    }

    /// The same, and `kept` lives as long.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send) -> Self {
        self.keeps.push(Box::new(kept));
        self
    }

    /// What it has logged to its stderr.
    #[must_use]
    pub fn log(&self) -> String {
        self.served.log()
    }
}
