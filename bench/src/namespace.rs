//! Where all of it happens: network and mount namespaces of this process alone, without names. They are gone with the
//! process, however it ends, and with them every interface, program, rule and mount that was made in them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Shows that this process is in namespaces of its own. Whatever makes an interface or attaches a program wants it.
#[derive(Debug)]
pub struct Own(());

/// Where programs and maps of this process may be pinned, in its own mount namespace.
pub const BPFFS: &str = "/sys/fs/bpf";

impl Own {
    /// Takes the calling process out of the machine's namespaces. No thread may run yet: only those that are started
    /// from here on are inside too.
    pub fn enter() -> anyhow::Result<Self> {
        let outside = identity()?;
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context(
            "cannot make namespaces: run as root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON)",
        )?;
        ensure!(
            identity()? != outside,
            "the kernel made no namespaces: nothing is measured in the machine's own"
        );
        let others = interfaces()?;
        if let Some(other) = others.iter().find(|name| *name != "lo") {
            bail!("the new network namespace has an interface already, {other}: it is not of our making");
        }
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
            .context("cannot keep mounts to this process")?;
        mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), nothing)
            .context("cannot mount sysfs, which shows the interfaces of this namespace")?;
        // It hides the control groups, by which all processes of a server are ended.
        mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), nothing)
            .context("cannot mount the control groups")?;
        mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), nothing)
            .context("cannot mount bpffs, where xdp-filter's maps are pinned")?;
        Ok(Self(()))
    }
}

/// The network and the mount namespace that this thread is in.
fn identity() -> anyhow::Result<[u64; 2]> {
    let of = |kind: &str| {
        let path = format!("/proc/thread-self/ns/{kind}");
        fs::metadata(&path).map(|metadata| metadata.ino()).with_context(|| format!("cannot read {path}"))
    };
    Ok([of("net")?, of("mnt")?])
}

/// The interfaces that this thread sees.
fn interfaces() -> anyhow::Result<Vec<String>> {
    let path = "/proc/thread-self/net/dev";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(names(&text))
}

/// Two lines of headings, then a line for each interface.
fn names(text: &str) -> Vec<String> {
    let rows = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    rows.map(|(name, _)| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_behind_the_headings() {
        let text = "Inter-|   Receive\n face |bytes    packets\n    lo:       0       0\n  eth0: 12 3\n";
        assert_eq!(names(text), ["lo", "eth0"]);
        assert_eq!(names(""), [""; 0]);
    }
}
