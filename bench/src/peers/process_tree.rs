//! All processes of a peer: what they have cost, those that have ended too, and how much memory they hold. Where control
//! groups can be had, a group of the peer's own says so; else the one process that the peer must then be.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use smtp_load::measure::CpuTime;

/// The processes of a peer. Ends them all when it is dropped.
#[derive(Debug)]
pub enum ProcessTree {
    /// A control group (version 2), which the peer was started in.
    Group(PathBuf),
    /// One process, without children.
    Process(u32),
}

/// Groups that this process has made: each has its own name.
static MADE: AtomicU32 = AtomicU32::new(0);

impl ProcessTree {
    /// A new control group; none where this process may not make one.
    #[must_use]
    pub fn group() -> Option<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = mount_of_groups(&mounts)?.join(format!("relaygate-bench-{}-{number}", std::process::id()));
        fs::create_dir(&path).ok()?;
        Some(path)
    }

    /// CPU time of all of them, since the first was started.
    pub fn cpu(&self) -> anyhow::Result<CpuTime> {
        match self {
            Self::Process(pid) => CpuTime::of(*pid),
            Self::Group(path) => {
                let path = path.join("cpu.stat");
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                cpu_time(&text).with_context(|| format!("{} is not as expected", path.display()))
            }
        }
    }

    /// Octets of user memory that they hold: what several share counts once, by the share of each (PSS).
    pub fn memory(&self) -> anyhow::Result<u64> {
        let mut octets = 0;
        for pid in self.processes()? {
            // One that has ended meanwhile holds nothing.
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
            octets += proportional(&text).unwrap_or(0);
        }
        if octets == 0 {
            bail!("no process of it shows its memory: it has ended, or is another user's");
        }
        Ok(octets)
    }

    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        match self {
            Self::Process(pid) => Ok(vec![*pid]),
            Self::Group(path) => {
                let path = path.join("cgroup.procs");
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
            }
        }
    }
}

impl Drop for ProcessTree {
    fn drop(&mut self) {
        let Self::Group(path) = self else { return };
        // What cannot be written or removed is gone, or this process no longer may: neither can be helped here.
        let _ = fs::write(path.join("cgroup.kill"), "1");
        let until = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&*path).is_err() && path.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Where control groups of version 2 are mounted.
fn mount_of_groups(mountinfo: &str) -> Option<&Path> {
    // the last: one before it may be hidden by what was mounted over it
    let line = mountinfo.lines().rev().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(Path::new)
}

/// The three times of a group's `cpu.stat`.
fn cpu_time(text: &str) -> Option<CpuTime> {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(Duration::from_micros(value.parse().ok()?))
    };
    Some(CpuTime { total: field("usage_usec")?, user: field("user_usec")?, system: field("system_usec")? })
}

/// The `Pss` of a process, in octets.
fn proportional(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let mounts = "20 41 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_of_groups(mounts), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(mount_of_groups("20 41 0:38 / / rw - ext4 /dev/sda rw\n"), None);
        let times = cpu_time("usage_usec 1500\nuser_usec 500\nsystem_usec 1000\nnice_usec 0\n").unwrap();
        assert_eq!((times.total.as_micros(), times.user.as_micros()), (1500, 500));
        assert_eq!(cpu_time("usage_usec x\n"), None);
        assert_eq!(proportional("00-ff ---p 0 00:00 0 [rollup]\nRss: 9 kB\nPss:   7 kB\n"), Some(7 * 1024));
    }

    #[test]
    fn one_process_is_measured_without_a_group() {
        let tree = ProcessTree::Process(std::process::id());
        assert!(tree.memory().unwrap() > 100_000);
        assert!(tree.cpu().is_ok());
        let gone = ProcessTree::Process(u32::MAX - 1);
        assert!(gone.memory().is_err() && gone.cpu().is_err());
    }
}
