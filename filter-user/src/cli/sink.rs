//! `--backend sink:`: a server in this process that counts and throws away, for trying out.

use std::net::SocketAddr;

/// Starts it on a port of its own.
pub(super) fn start() -> anyhow::Result<SocketAddr> {
    anyhow::bail!("no sink yet")
}
