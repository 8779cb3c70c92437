//! The kernel and this process.

use std::fs;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};
use rustix::process::{Resource, getrlimit};
use rustix::thread::CapabilitySet;
use serde::Serialize;

use super::finding::{Finding, Level};
use crate::kernel::probe;
use crate::privilege::{as_spoken, effective};

/// linux/magic.h
const BPF_FS_MAGIC: u32 = 0xcafe_4a11;

/// Something that kernels can do since a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// What.
    pub name: &'static str,
    /// Since which kernel.
    pub since: String,
    /// Whether this kernel is as new; nothing where its release cannot be read.
    pub here: Option<bool>,
    /// What is without it.
    pub without: &'static str,
}

/// Name, first kernel, what is without.
const FEATURES: [(&str, (u32, u32), &str); 7] = [
    ("ring buffer, bpf_ktime_get_boot_ns", (5, 8), "no program"),
    ("XDP links, which are swapped whole", (5, 9), "no program"),
    ("bpf_ktime_get_coarse_ns, memory counted by cgroup", (5, 11), "no program"),
    ("atomic compare-and-swap and fetch-and-add", (5, 12), "no program"),
    ("maps used by descriptor without CAP_BPF", probe::MAPS_BY_DESCRIPTOR, "the daemon keeps CAP_BPF"),
    ("drivers tell what XDP they have (netdev)", (6, 3), "doctor goes by the driver's name"),
    ("TCX links, before all other programs at tc", (6, 6), "hook = tc is a filter of clsact"),
];

pub(super) fn features(version: Option<(u32, u32)>) -> Vec<Feature> {
    let feature = |&(name, since, without): &(&'static str, (u32, u32), &'static str)| Feature {
        name,
        since: format!("{}.{}", since.0, since.1),
        here: version.map(|version| version >= since),
        without,
    };
    FEATURES.iter().map(feature).collect()
}

pub(super) fn findings(release: &str, pins: Option<&Path>) -> Vec<Finding> {
    let privileges = privileges(pins);
    let may_mount = effective().is_ok_and(|set| set.contains(CapabilitySet::SYS_ADMIN));
    vec![kernel(release), btf(), jit(), privileges, unprivileged(), memory(), pin_directory(pins, may_mount)]
}

fn kernel(release: &str) -> Finding {
    let (major, minor) = probe::OLDEST_KERNEL;
    let (level, what) = match probe::version(release) {
        Some(version) if version >= probe::OLDEST_KERNEL => (Level::Ok, "new enough"),
        Some(_) => (Level::Missing, "too old"),
        None => (Level::Warning, "of no version that can be read"),
    };
    Finding::new("kernel", level, format!("Linux {release} is {what}: {major}.{minor} or later is needed"))
}

fn btf() -> Finding {
    match Path::new("/sys/kernel/btf/vmlinux").exists() {
        true => Finding::new("BTF", Level::Ok, "the kernel has its types; the program does without them"),
        false => Finding::new(
            "BTF",
            Level::Warning,
            "the kernel has no types of its own (CONFIG_DEBUG_INFO_BTF); the program does without them, bpftool shows less",
        ),
    }
}

fn jit() -> Finding {
    let read = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable");
    match read.as_deref().map(str::trim) {
        Ok("0") => Finding::new(
            "JIT",
            Level::Warning,
            "programs are interpreted, many times slower: sysctl net.core.bpf_jit_enable=1",
        ),
        Ok(_) => Finding::new("JIT", Level::Ok, "programs are compiled to machine code"),
        // Only the first network namespace shows it.
        Err(_) => Finding::new("JIT", Level::Ok, "the switch is not to be seen from this network namespace"),
    }
}

fn privileges(pins: Option<&Path>) -> Finding {
    const ABOUT: &str = "privileges";
    let set = match effective() {
        Ok(set) => set,
        Err(error) => return Finding::new(ABOUT, Level::Warning, error.to_string()),
    };
    let missing = probe::missing(set);
    if missing.is_empty() {
        return Finding::new(
            ABOUT,
            Level::Ok,
            "enough to load the program; all are given up when the daemon has started",
        );
    }
    let missing = as_spoken(missing);
    match pins.filter(|pins| pins.join("HEAD").exists()) {
        Some(pins) => Finding::new(
            ABOUT,
            Level::Ok,
            format!(
                "{missing} missing, and not needed: `relaygate load` has left its part in {}",
                pins.display()
            ),
        ),
        None => Finding::new(
            ABOUT,
            Level::Missing,
            format!(
                "{missing} missing: start as root, grant them (systemd: AmbientCapabilities=), or run `relaygate load`"
            ),
        ),
    }
}

fn unprivileged() -> Finding {
    const ABOUT: &str = "unprivileged";
    let word = probe::unprivileged_bpf_disabled();
    let switch = word.map_or("cannot be read".to_owned(), |word| format!("is {word}"));
    match probe::maps_need_privilege() {
        false => Finding::new(
            ABOUT,
            Level::Ok,
            format!(
                "kernel.unprivileged_bpf_disabled {switch}: the daemon uses its maps without any capability"
            ),
        ),
        true => Finding::new(
            ABOUT,
            Level::Warning,
            format!(
                "kernel.unprivileged_bpf_disabled {switch}, and the kernel is older than 5.19: the daemon keeps CAP_BPF"
            ),
        ),
    }
}

fn memory() -> Finding {
    let limit = getrlimit(Resource::Memlock).current;
    let limit = limit.map_or("no limit".to_owned(), |octets| format!("{} KiB", octets / 1024));
    let says = format!(
        "maps count to the cgroup's memory since 5.11; the memlock limit ({limit}) does not bound them"
    );
    Finding::new("memory", Level::Ok, says)
}

fn pin_directory(pins: Option<&Path>, may_mount: bool) -> Finding {
    const ABOUT: &str = "pin-directory";
    let Some(pins) = pins else {
        return Finding::new(ABOUT, Level::Warning, "none: what is in force ends with the process");
    };
    let nearest = pins.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let shown = pins.display();
    let is_bpffs = statfs(nearest).is_ok_and(|found| found.f_type as u32 == BPF_FS_MAGIC);
    let is_read_only = statvfs(nearest).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY));
    match (is_bpffs, is_read_only) {
        (true, false) => Finding::new(ABOUT, Level::Ok, format!("{shown} is on a BPF file system")),
        (true, true) => Finding::new(
            ABOUT,
            Level::Missing,
            format!(
                "{shown} is on a BPF file system that is read-only: remount it, or name another with pin-directory"
            ),
        ),
        (false, _) if may_mount => Finding::new(
            ABOUT,
            Level::Ok,
            format!(
                "{shown} is on no BPF file system yet; one is mounted at the start, which CAP_SYS_ADMIN allows"
            ),
        ),
        (false, _) => Finding::new(
            ABOUT,
            Level::Missing,
            format!(
                "{shown} is on no BPF file system, and CAP_SYS_ADMIN is missing to mount one: as root, \
                 `mount -t bpf bpf /sys/fs/bpf` (systemd does it at boot), or pin-directory = none"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_has_what_it_is_new_enough_for() {
        let here = |version| features(version).iter().map(|feature| feature.here).collect::<Vec<_>>();
        assert!(here(Some((6, 18))).iter().all(|here| *here == Some(true)));
        assert!(here(Some((5, 7))).iter().all(|here| *here == Some(false)));
        assert!(here(None).iter().all(Option::is_none));
        let of_5_15 = features(Some((5, 15)));
        let lacking: Vec<_> =
            of_5_15.iter().filter(|f| f.here == Some(false)).map(|f| f.since.as_str()).collect();
        assert_eq!(lacking, ["5.19", "6.3", "6.6"]);
        // The floor has all that there is no program without.
        assert!(of_5_15.iter().all(|f| f.without != "no program" || f.here == Some(true)));
    }

    #[test]
    fn an_old_kernel_is_missing_and_an_unknown_one_is_a_warning() {
        for (release, level) in [
            ("5.14.21-generic", Level::Missing),
            ("5.15.0-1", Level::Ok),
            ("6.18.4", Level::Ok),
            ("next", Level::Warning),
        ] {
            assert_eq!(kernel(release).level, level, "{release}");
        }
    }

    #[test]
    fn pins_need_a_bpf_file_system_or_somebody_who_may_mount_one() {
        let folder = tempfile::tempdir().unwrap();
        let pins = folder.path().join("not/there/yet");
        assert_eq!(pin_directory(Some(&pins), true).level, Level::Ok);
        let missing = pin_directory(Some(&pins), false);
        assert_eq!(missing.level, Level::Missing);
        assert!(missing.says.contains("mount -t bpf"), "{}", missing.says);
        assert_eq!(pin_directory(None, false).level, Level::Warning);
    }
}
