//! What the kernel says of a thread's privileges, read from its `status` (proc(5)): the one place that shows them all.

use std::fmt;

use rustix::thread::CapabilitySet;

/// The privileges of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadStatus {
    /// Real, effective, saved and file system's user.
    pub users: Vec<u32>,
    /// The same of groups.
    pub groups: Vec<u32>,
    /// Further groups.
    pub further_groups: Vec<u32>,
    /// What it may pass on.
    pub inheritable: Capabilities,
    /// What it may take up.
    pub permitted: Capabilities,
    /// What it has.
    pub effective: Capabilities,
    /// What whatever it starts may come to have.
    pub bounding: Capabilities,
    /// What whatever it starts has.
    pub ambient: Capabilities,
    /// Whether nothing that it starts can have more than itself.
    pub no_new_privileges: bool,
}

/// A set of capabilities; none unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub CapabilitySet);

impl Default for Capabilities {
    fn default() -> Self {
        Self(CapabilitySet::empty())
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0.bits())
    }
}

impl ThreadStatus {
    /// Reads a `status`; nothing where a line is missing or is not what it should be.
    #[must_use]
    pub fn read(status: &str) -> Option<Self> {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let numbers = |name: &str| {
            field(name)?
                .split_ascii_whitespace()
                .map(|number| number.parse().ok())
                .collect::<Option<Vec<u32>>>()
        };
        let capabilities = |name: &str| {
            let bits = u64::from_str_radix(field(name)?, 16).ok()?;
            Some(Capabilities(CapabilitySet::from_bits_retain(bits)))
        };
        Some(Self {
            users: numbers("Uid:")?,
            groups: numbers("Gid:")?,
            further_groups: numbers("Groups:")?,
            inheritable: capabilities("CapInh:")?,
            permitted: capabilities("CapPrm:")?,
            effective: capabilities("CapEff:")?,
            bounding: capabilities("CapBnd:")?,
            ambient: capabilities("CapAmb:")?,
            no_new_privileges: field("NoNewPrivs:")? == "1",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\trelaygate\nUid:\t104\t104\t104\t104\nGid:\t110\t110\t110\t110\nGroups:\t110 8 \n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000002000\nCapEff:\t0000000000002000\nCapBnd:\t000001ffffffffff\n\
        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n";

    #[test]
    fn a_status_is_read_whole_or_not_at_all() {
        let standing = ThreadStatus::read(STATUS).unwrap();
        assert_eq!((standing.users.as_slice(), standing.groups.as_slice()), (&[104; 4][..], &[110; 4][..]));
        assert_eq!(standing.further_groups, [110, 8]);
        assert_eq!(standing.effective, Capabilities(CapabilitySet::NET_RAW));
        assert_eq!(standing.bounding.0.bits(), 0x1ff_ffff_ffff);
        assert_eq!(standing.ambient, Capabilities::default());
        assert!(standing.no_new_privileges);
        for line in STATUS.lines().filter(|line| !line.starts_with("Name") && !line.starts_with("Seccomp")) {
            assert_eq!(ThreadStatus::read(&STATUS.replace(line, "")), None, "without {line}");
            let name = line.split_once('\t').unwrap().0;
            if name != "NoNewPrivs:" {
                assert_eq!(ThreadStatus::read(&STATUS.replace(line, &format!("{name}\tx"))), None, "{name}");
            }
        }
    }

    #[test]
    fn the_kernel_of_this_machine_writes_such_a_status() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let standing = ThreadStatus::read(&status).unwrap();
        assert_eq!(standing.users, [nix::unistd::getuid().as_raw(); 4]);
        assert_eq!(standing.effective.0, crate::privilege::effective().unwrap());
    }
}
