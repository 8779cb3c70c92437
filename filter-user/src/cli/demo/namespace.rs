//! Network namespaces without a name: each is held by a file descriptor of this process alone, so that it is gone with
//! the process, however that ends. Places a thread in one and takes it back; configures interfaces with `ip`.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    file: File,
}

impl Namespace {
    /// A new one, with nothing in it but a loopback that is down. Needs CAP_SYS_ADMIN.
    pub(super) fn new() -> anyhow::Result<Self> {
        let home = Self::current()?;
        unshare(CloneFlags::CLONE_NEWNET).context("a network namespace cannot be made")?;
        let new = Self::current();
        home.enter()?;
        new
    }

    /// The one that this thread is in.
    fn current() -> anyhow::Result<Self> {
        let path = "/proc/thread-self/ns/net";
        Ok(Self { file: File::open(path).with_context(|| format!("cannot open {path}"))? })
    }

    fn enter(&self) -> anyhow::Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")
    }

    /// Does `work` with this thread in the namespace: sockets that it opens, processes and threads that it starts belong
    /// there and stay there.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let home = Self::current()?;
        self.enter()?;
        let done = work();
        home.enter()?;
        done
    }

    /// What `ip` takes for its name, while this process lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Has `ip` do some lines within the namespace; the first that fails ends it.
    pub(super) fn ip(&self, lines: &str) -> anyhow::Result<()> {
        self.within(|| {
            let mut ip = Command::new("ip")
                .args(["-batch", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .context("cannot start ip (Debian's package iproute2)")?;
            let mut input = ip.stdin.take().context("ip has no stdin")?;
            // An ip that ended early says why on stderr, which is the better message.
            let _ = input.write_all(lines.as_bytes());
            drop(input);
            let output = ip.wait_with_output().context("ip did not end")?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "ip failed: {}", said.trim());
            Ok(())
        })
    }
}
