//! What this kernel and this process can do, before anything is loaded: the answer names what is missing, which the
//! kernel's own `EPERM` and `EINVAL` do not.

use super::KernelError;

/// The first kernel with the compare-and-swap instruction that the limiter needs (5.12), past the ring buffer (5.8)
/// and the XDP link (5.9).
pub const OLDEST_KERNEL: (u32, u32) = (5, 12);

/// Bits of the capability sets in `/proc/self/status` (capability.h).
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// Whether the program can be tried here at all.
pub fn require() -> Result<(), KernelError> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if version(&release).is_some_and(|version| version < OLDEST_KERNEL) {
        return Err(KernelError::KernelTooOld { release });
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match effective_capabilities(&status).and_then(missing) {
        Some(missing) => Err(KernelError::NoPrivilege { missing }),
        None => Ok(()),
    }
}

/// Major and minor of a release such as `6.1.0-18-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

/// What a set of capabilities lacks for loading and attaching.
fn missing(capabilities: u64) -> Option<String> {
    let has = |capability: u32| capabilities >> capability & 1 == 1;
    let lacking: Vec<_> = [
        (has(CAP_BPF) || has(CAP_SYS_ADMIN), "CAP_BPF is missing"),
        (has(CAP_NET_ADMIN) || has(CAP_SYS_ADMIN), "CAP_NET_ADMIN is missing"),
    ]
    .into_iter()
    .filter(|(has, _)| !has)
    .map(|(_, name)| name)
    .collect();
    (!lacking.is_empty()).then(|| lacking.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_as_numbers() {
        assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(version("5.9.16"), Some((5, 9)));
        assert!(version("5.9.16") < Some(OLDEST_KERNEL) && version("5.12") >= Some(OLDEST_KERNEL));
        assert_eq!(version("unknown"), None);
    }

    #[test]
    fn a_missing_capability_is_named() {
        let root = effective_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n").unwrap();
        assert_eq!(missing(root), None);
        assert_eq!(missing(0).unwrap(), "CAP_BPF is missing, CAP_NET_ADMIN is missing");
        assert_eq!(missing(1 << CAP_BPF).unwrap(), "CAP_NET_ADMIN is missing");
        assert_eq!(missing(1 << CAP_BPF | 1 << CAP_NET_ADMIN), None);
        assert_eq!(missing(1 << CAP_SYS_ADMIN), None);
    }
}
