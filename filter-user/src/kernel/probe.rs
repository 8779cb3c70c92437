//! What this kernel and this process can do, before anything is loaded: the answer names what is missing, which the
//! kernel's own `EPERM` and `EINVAL` do not.

use rustix::thread::CapabilitySet;

use super::KernelError;
use crate::privilege;

/// The first kernel that is promised to do. The program itself needs the compare-and-swap instruction of 5.12, the ring
/// buffer (5.8) and the XDP link (5.9).
pub const OLDEST_KERNEL: (u32, u32) = (5, 15);

/// What loading and attaching takes: `BPF` to make maps and load a program, `PERFMON` for the verifier to let the program
/// compute with pointers, `NET_ADMIN` since it is a program of the network.
pub const TO_LOAD: CapabilitySet =
    CapabilitySet::BPF.union(CapabilitySet::PERFMON).union(CapabilitySet::NET_ADMIN);

/// Whether the program can be tried here at all.
pub fn require() -> Result<(), KernelError> {
    let release = release();
    if let Some(version) = version(&release).filter(|version| *version < OLDEST_KERNEL) {
        return Err(KernelError::KernelTooOld { release, version });
    }
    let effective = privilege::effective().map_err(|source| KernelError::Privilege { source })?;
    match missing(effective) {
        none if none.is_empty() => Ok(()),
        missing => Err(KernelError::NoPrivilege { missing }),
    }
}

/// Whether a map that is open can be used with `CAP_BPF` alone: before Linux 5.19, where programs of the unprivileged are
/// switched off. Since then who has a descriptor needs nothing else.
#[must_use]
pub fn maps_need_privilege() -> bool {
    let switched_off = unprivileged_bpf_disabled().is_none_or(|word| word != 0);
    switched_off && version(&release()).is_some_and(|version| version < MAPS_BY_DESCRIPTOR)
}

/// The first kernel whose maps can be used by whoever has their descriptor, whatever `unprivileged_bpf_disabled` says.
pub(super) const MAPS_BY_DESCRIPTOR: (u32, u32) = (5, 19);

/// What `kernel.unprivileged_bpf_disabled` says; nothing where it cannot be read.
pub(super) fn unprivileged_bpf_disabled() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").ok()?.trim().parse().ok()
}

/// The kernel's release, as `uname -r` says it.
pub(super) fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Major and minor of a release such as `6.1.0-18-amd64`.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// What a set of capabilities lacks for loading and attaching. The kernel takes `SYS_ADMIN` for each of them.
pub(super) fn missing(effective: CapabilitySet) -> CapabilitySet {
    if effective.contains(CapabilitySet::SYS_ADMIN) {
        return CapabilitySet::empty();
    }
    TO_LOAD - effective
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_as_numbers() {
        assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(version("5.9.16"), Some((5, 9)));
        assert!(version("5.9.16") < Some(OLDEST_KERNEL) && version("5.15") >= Some(OLDEST_KERNEL));
        assert_eq!(version("unknown"), None);
    }

    #[test]
    fn a_missing_capability_is_named() {
        let (bpf, admin, perfmon) = (CapabilitySet::BPF, CapabilitySet::NET_ADMIN, CapabilitySet::PERFMON);
        assert_eq!(missing(CapabilitySet::all()), CapabilitySet::empty());
        assert_eq!(missing(bpf | admin | perfmon), CapabilitySet::empty());
        assert_eq!(missing(CapabilitySet::SYS_ADMIN), CapabilitySet::empty());
        assert_eq!(missing(CapabilitySet::empty()), TO_LOAD);
        let error = KernelError::NoPrivilege { missing: missing(bpf) }.to_string();
        assert!(error.contains("CAP_NET_ADMIN and CAP_PERFMON missing"), "{error}");
    }
}
