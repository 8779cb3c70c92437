//! A running peer with its folder, which is removed behind it.

use std::fs::{self, Permissions};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, ensure};
use nix::unistd::geteuid;
use rustix::process::{Resource, getrlimit};
use tempfile::TempDir;

use super::{Installed, Peer, Running, Site};

/// Where an instance is to run.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The address at which it listens.
    pub host: IpAddr,
    /// Where its mail goes.
    pub sink: SocketAddr,
    /// The CPU that it runs on; any, where there is but one.
    pub cpu: Option<usize>,
}

/// A peer that runs.
#[derive(Debug)]
pub struct Instance {
    /// The server.
    pub server: Running,
    _folder: TempDir,
}

/// Gets a peer, where it is not there, as far as this process may run it.
pub fn install(peer: &dyn Peer, cache: &Path) -> anyhow::Result<Installed> {
    ensure!(!peer.needs_root() || geteuid().is_root(), "needs root");
    let installed = peer.install(cache).context("cannot be installed")?;
    ensure!(installed.layer.is_none() || geteuid().is_root(), "is not installed, and needs root");
    Ok(installed)
}

impl Instance {
    /// Sets an installed peer up in a folder of its own, and starts it.
    pub fn start(peer: &dyn Peer, installed: &Installed, place: Place) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("relaygate-peer-").tempdir().context("no folder for it")?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))
            .with_context(|| format!("cannot open {} to others", folder.path().display()))?;
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let Place { host, sink, cpu } = place;
        let site = Site { folder: folder.path().to_owned(), host, sink, cpu, descriptors };
        let server = peer.start(installed, &site).context("cannot be started")?;
        Ok(Self { server, _folder: folder })
    }
}
