//! What can go wrong between userspace and the kernel program, and what to do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use rustix::thread::CapabilitySet;

use super::needs::{self, Version};
use super::probe::OLDEST_KERNEL;
use crate::privilege::{PrivilegeError, as_spoken};

use super::pin_fault::PinFault;

/// Why the kernel does not help. Each message says what to do; without the kernel, the same sanctions are enforced
/// when this process accepts.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The process may not load programs.
    #[error(
        "no privilege to load the XDP program, {} missing: start as root, grant CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON \
         (systemd: AmbientCapabilities=), or let `relaygate load` do it beforehand",
        as_spoken(*.missing)
    )]
    NoPrivilege {
        /// What is lacking.
        missing: CapabilitySet,
    },
    /// The process may load programs as far as it can see, and the kernel refuses all the same.
    #[error(
        "the kernel does not permit to load the XDP program although the capabilities are there: the user namespace of a \
         container, a security module (lockdown) or a filter of system calls is in the way; \
         let `relaygate load` do it on the host"
    )]
    NotPermitted,
    /// It cannot even be asked which capabilities there are.
    #[error(transparent)]
    Privilege {
        /// Why.
        source: PrivilegeError,
    },
    /// The kernel is older than the program needs.
    #[error(
        "kernel {release} cannot run the XDP program: {}.{} or later is needed{}", OLDEST_KERNEL.0, OLDEST_KERNEL.1,
        said_to_lack(*.version)
    )]
    KernelTooOld {
        /// As `uname -r` says.
        release: String,
        /// Its numbers.
        version: Version,
    },
    /// No hook of any interface takes the program.
    #[error(
        "no interface takes the program: {}; `bpftool net` lists what is there, hook = auto also tries tc, beside others",
        .refused.join("; ")
    )]
    NowhereAttached {
        /// Each interface, with what was tried there and why it failed.
        refused: Vec<String>,
    },
    /// The program in force on an interface could not be replaced.
    #[error("cannot replace the program on `{interface}`: {}", innermost(.source.as_ref()))]
    Swap {
        /// Its name.
        interface: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The kernel has not taken off what nothing holds any more.
    #[error("the program is still on `{interface}`: somebody else holds its link, as `bpftool link` shows")]
    StillAttached {
        /// Its name.
        interface: String,
    },
    /// A filter of an earlier process may not be taken off.
    #[error(
        "an earlier relaygate's filter at tc stays on `{interface}`, and only CAP_NET_ADMIN takes it off: \
         `tc filter del dev {interface} ingress pref {}`, as root",
        super::hook::PRIORITY
    )]
    FilterStays {
        /// Its name.
        interface: String,
    },
    /// What lasts longer than the process cannot be had.
    #[error(transparent)]
    Pins(#[from] PinFault),
    /// The pin directory is not one that `relaygate load` has filled.
    #[error("`{}` is not pinned ({}): run `relaygate load` first, with this build and these settings", .path.display(), innermost(.source.as_ref()))]
    NotPinned {
        /// What is missing.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no pin directory to work on.
    #[error("nothing is pinned: run `relaygate load` first, as root and with these settings")]
    NothingPinned,
    /// What is pinned is of another version.
    #[error("what is pinned at `{}` is of another version of relaygate: run this one's `relaygate load`, as root", .path.display())]
    OtherVersion {
        /// The pin directory.
        path: PathBuf,
    },
    /// What is pinned was loaded with other settings.
    #[error(
        "what is pinned at `{}` was loaded with other settings (ports, addresses, limits, prefixes, sizes or actions): run \
         `relaygate load` again, as root and with these",
        .path.display()
    )]
    OtherSettings {
        /// The pin directory.
        path: PathBuf,
    },
    /// Interfaces could not be asked for or followed.
    #[error("cannot ask the kernel about network interfaces: {source}")]
    Interfaces {
        /// Why.
        source: io::Error,
    },
    /// The kernel refused the program or one of its maps.
    #[error("the kernel refused the XDP program: {}", innermost(.source.as_ref()))]
    Refused {
        /// Why.
        source: Box<EbpfError>,
    },
    /// The verifier refused the program.
    #[error("the kernel's verifier refused the XDP program, please report this: {source}")]
    Verifier {
        /// Why.
        source: Box<ProgramError>,
    },
    /// The object was built from other sources than this binary.
    #[error("the XDP program's layouts are not those of this build: rebuild it with `cargo xtask ebpf`")]
    OtherSchema,
    /// The object lacks a map or the program.
    #[error("the XDP program's object has no `{name}`: rebuild it with `cargo xtask ebpf`")]
    Missing {
        /// Of the map or the program.
        name: &'static str,
    },
    /// A map could not be read or written.
    #[error("map `{map}`: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// The process that makes larger tables of hosts cannot be started.
    #[error("cannot start {} to make larger tables of hosts: {source}", program.display())]
    Growth {
        /// What it is started from.
        program: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A map's memory could not be had.
    #[error("cannot map the memory of `{map}`: {source}")]
    Mapped {
        /// Its name.
        map: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The program could not be asked about or run.
    #[error("cannot {what} the XDP program: {source}")]
    Program {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The ring buffer could not be waited on.
    #[error("cannot wait for the XDP program's events: {source}")]
    Events {
        /// Why.
        source: io::Error,
    },
}

impl KernelError {
    pub(super) fn not_pinned(path: PathBuf, source: impl Error + Send + Sync + 'static) -> Self {
        Self::NotPinned { path, source: Box::new(source) }
    }

    pub(super) fn map(map: &'static str) -> impl FnOnce(MapError) -> Self {
        move |source| Self::Map { map, source: Box::new(source) }
    }

    pub(super) fn mapped(map: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Mapped { map, source }
    }

    pub(super) fn refused(source: EbpfError) -> Self {
        if is_denied(&source) {
            return Self::NotPermitted;
        }
        Self::Refused { source: Box::new(source) }
    }

    pub(super) fn verifier(source: ProgramError) -> Self {
        if is_denied(&source) {
            return Self::NotPermitted;
        }
        Self::Verifier { source: Box::new(source) }
    }
}

/// The system's error at the bottom of a chain.
pub(super) fn system_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

fn is_denied(error: &(dyn Error + 'static)) -> bool {
    // Not EACCES, which is the verifier's word.
    system_error(error).and_then(io::Error::raw_os_error) == Some(nix::libc::EPERM)
}

/// What a kernel of this version lacks, each with the first that has it; nothing where it is only not promised to do.
fn said_to_lack(version: Version) -> String {
    let lacking =
        needs::lacking(version).map(|need| format!("{} ({}.{})", need.name, need.since.0, need.since.1));
    match lacking.collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        lacking => format!("; it lacks {}", lacking.join(", ")),
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    system_error(error).map_or_else(|| error.to_string(), |system| format!("{error}: {system}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_is_told_what_it_lacks_and_where_that_is() {
        let said = |release: &str, version| {
            KernelError::KernelTooOld { release: release.to_owned(), version }.to_string()
        };
        let lacks =
            "; it lacks bpf_ktime_get_coarse_ns (5.11), BPF_FETCH | BPF_ADD (5.12), BPF_CMPXCHG (5.12)";
        assert!(said("5.10.0-30-amd64", (5, 10)).ends_with(lacks), "{}", said("5.10", (5, 10)));
        assert!(said("5.14.0", (5, 14)).ends_with("5.15 or later is needed"));
    }
}
