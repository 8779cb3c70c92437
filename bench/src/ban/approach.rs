//! The way to the server: the servers are in the network namespace of this process, strangers in another, and one pair of
//! interfaces joins the two, so that packets come in as from a network.

use std::fs::File;
use std::net::Ipv4Addr;
use std::thread;

use anyhow::{Context, anyhow};
use bench::command;
use bench::cpus::Cpus;
use bench::namespace::Own;
use nix::sched::{CloneFlags, setns, unshare};

use crate::threads;

/// Where servers listen.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const STRANGERS: &str = "192.0.2.2";
/// The networks (RFC 2544) whose addresses are the strangers', all of them.
const NETWORKS: &str = "198.18.0.0/15";

/// The kernel's receivers come before all else on their CPU, as interrupts of a network card do.
const RECEIVES: &str = "2";

/// The pair of interfaces, and the strangers' namespace.
#[derive(Debug)]
pub(super) struct Approach {
    strangers: File,
    inner: String,
    outer: String,
}

impl Approach {
    /// Makes it. It goes with the process.
    pub(super) fn make(_own: &Own) -> anyhow::Result<Self> {
        // The kernel's threads are found by these names, so no other process may have the same.
        let name = |end: char| format!("{end}x{:x}", std::process::id());
        let approach = Self { strangers: another_namespace()?, inner: name('r'), outer: name('s') };
        let Self { inner, outer, .. } = &approach;
        command::run("ip", &["link", "add", inner, "type", "veth", "peer", "name", outer])?;
        for end in [inner, outer] {
            // So that a thread receives from a queue, as with an XDP program, also where there is none.
            command::run("ethtool", &["-K", end, "gro", "on"])?;
            // The queues are there, and can be given to threads, only while it is up.
            command::run("ip", &["link", "set", end, "up"])?;
        }
        threads::receive_in_thread(inner)?;
        threads::receive_in_thread(outer)?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), approach.descriptor());
        command::run("ip", &["link", "set", outer, "netns", &path])?;
        let server = format!("{SERVER}/24");
        bring_up(inner, &server, &["route", "add", NETWORKS, "via", STRANGERS])?;
        approach.outside(|| {
            let own = ["route", "add", "local", NETWORKS, "dev", "lo"];
            bring_up(outer, &format!("{STRANGERS}/24"), &own)
        })?;
        Ok(approach)
    }

    /// The servers' interface.
    pub(super) fn interface(&self) -> &str {
        &self.inner
    }

    /// Puts the kernel's receivers where servers and strangers run. To be called when all programs are attached: that
    /// may make the receivers anew.
    pub(super) fn settle(&self, cpus: Cpus) -> anyhow::Result<()> {
        for (interface, cpu) in [(&self.inner, cpus.servers), (&self.outer, cpus.clients)] {
            let thread = threads::that_receives(interface)?;
            if let Some(cpu) = cpu {
                threads::keep(thread, cpu)?;
            }
            threads::rank(thread, RECEIVES)?;
        }
        Ok(())
    }

    /// Runs this among the strangers.
    pub(super) fn outside<T: Send>(
        &self,
        job: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let inside = || {
            setns(&self.strangers, CloneFlags::CLONE_NEWNET).context("cannot go among the strangers")?;
            job()
        };
        thread::scope(|scope| {
            scope.spawn(inside).join().map_err(|_| anyhow!("a thread among the strangers panicked"))?
        })
    }

    fn descriptor(&self) -> i32 {
        std::os::fd::AsRawFd::as_raw_fd(&self.strangers)
    }
}

/// A network namespace without a name, which lasts as long as somebody holds the file.
fn another_namespace() -> anyhow::Result<File> {
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a namespace for strangers")?;
        let path = "/proc/thread-self/ns/net";
        File::open(path).with_context(|| format!("cannot open {path}"))
    };
    thread::spawn(make).join().map_err(|_| anyhow!("the thread that makes a namespace panicked"))?
}

/// Gives an end its address and the way to the other's.
fn bring_up(interface: &str, address: &str, route: &[&str]) -> anyhow::Result<()> {
    command::run("ip", &["link", "set", "lo", "up"])?;
    command::run("ip", &["address", "add", address, "dev", interface])?;
    command::run("ip", &["link", "set", interface, "up"])?;
    command::run("ip", route)
}
