//! Real HAProxy for tests: one port, one server behind it, in the foreground, ended with the test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::daemon::file;

/// A running HAProxy.
pub(crate) struct Haproxy {
    process: Child,
    _folder: TempDir,
}

impl Haproxy {
    /// Hands on what comes at `front` to `server`; `how` says how it introduces its clients, as HAProxy's options do.
    /// Asks the server all the time whether it is there.
    pub(crate) fn start(front: SocketAddr, server: SocketAddr, how: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             frontend smtp\n  bind {front}\n  default_backend edge\n\
             backend edge\n  server relaygate {server} {how} check inter 100ms check-send-proxy\n"
        );
        let settings = file(folder.path(), "haproxy.cfg", &settings);
        Self { process: spawn(&settings), _folder: folder }
    }
}

fn spawn(settings: &Path) -> Child {
    Command::new("haproxy")
        // in the foreground
        .args(["-db", "-f"])
        .arg(settings)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("HAProxy is not installed: run `cargo xtask doctor --install`")
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
