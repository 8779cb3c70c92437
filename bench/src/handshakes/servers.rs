//! The two servers, set up to do the same: a full handshake with whoever comes, and no more than they must behind it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use super::keys::KeyFile;
use smtp_load::served::Served;

/// HAProxy, which hangs up behind the handshake: nothing is forwarded, so that no backend is part of it.
pub(super) fn haproxy(key: &KeyFile, threads: u32, cpu: Option<usize>) -> anyhow::Result<Served> {
    let address = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?;
    let text = format!(
        "global\n  nbthread {threads}\n  maxconn 4000\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
         frontend handshakes\n  bind {address} ssl crt {}\n  tcp-request content reject\n",
        key.path().display()
    );
    let path = key.folder().join("haproxy.cfg");
    fs::write(&path, text)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(path);
    Served::start_at(command, cpu, address)
}

/// relaygate, which says its banner behind the handshake.
pub(super) fn relaygate(
    binary: &Path,
    key: &KeyFile,
    threads: u32,
    cpu: Option<usize>,
) -> anyhow::Result<Served> {
    let mut command = Command::new(binary);
    command.args(["run", "--listen", "127.0.0.1:0 tls=implicit", "--backend", "127.0.0.1:1"]);
    command.args(["--local-domain", "example.test", "--workers", &threads.to_string()]);
    command.args(["--max-sessions", "20000", "--max-sessions-per-peer", "20000"]);
    command.arg("--tls-certificate").arg(key.path());
    Served::start(command, cpu)
}
