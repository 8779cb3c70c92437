//! What can be wrong with the pin directory, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use aya::pin::PinError;
use aya::programs::ProgramError;
use aya::programs::links::LinkError;

use super::error::system_error;

/// Why nothing can be pinned, or what is pinned cannot be had. `pin-directory = none` always helps, at the price that
/// the kernel's part ends with the process.
#[derive(Debug, thiserror::Error)]
pub enum PinFault {
    /// Another process works on it.
    #[error(
        "another relaygate{} has the pin directory `{}`: stop that one, or give this one a pin-directory of its own",
        by(*.holder), .path.display()
    )]
    InUse {
        /// The pin directory.
        path: PathBuf,
        /// That process, where the kernel tells.
        holder: Option<u32>,
    },
    /// None is mounted, and this process could not mount one.
    #[error(
        "there is no BPF file system at `{0}`, and it cannot be mounted ({source}): as root, `mount -t bpf bpf {0}`; \
         or set pin-directory = none",
        .target.display()
    )]
    NoBpffs {
        /// Where it is missing.
        target: PathBuf,
        /// Why it cannot be mounted.
        source: io::Error,
    },
    /// The directory is there, and is not empty, and is somewhere else.
    #[error(
        "the pin directory `{}` is not on a BPF file system: set pin-directory to a folder under /sys/fs/bpf, or to an \
         empty one for `mount -t bpf bpf`, or to none",
        .path.display()
    )]
    NotOnBpffs {
        /// The pin directory.
        path: PathBuf,
    },
    /// Nothing can be written there.
    #[error(
        "the BPF file system of `{0}` is mounted read-only: as root, `mount -o remount,rw` it (a systemd unit with \
         ProtectKernelTunables=yes needs ReadWritePaths={0}), or set pin-directory = none",
        .mount.display()
    )]
    ReadOnly {
        /// The nearest folder that is there.
        mount: PathBuf,
    },
    /// It is a file, or a symbolic link.
    #[error("the pin directory `{}` is no folder: remove what is there, or set another pin-directory", .path.display())]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// This process may not enter it.
    #[error(
        "the pin directory `{}` is closed to this user: make it with `relaygate load --user` for this user, and not under \
         a folder that only root may enter, as /sys/fs/bpf is where systemd mounts it (/run/relaygate/bpf will do)",
        .path.display()
    )]
    Closed {
        /// The pin directory.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("cannot make the pin directory `{}`: {source}; make the folders above it, or set another pin-directory", .path.display())]
    Make {
        /// The pin directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What it says.
    #[error("cannot {what} `{}`: {source}", .path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl PinFault {
    pub(super) fn new(what: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::System { what, path: path.to_owned(), source: source.into() }
    }

    pub(super) fn make(path: &Path, source: io::Error) -> Self {
        Self::Make { path: path.to_owned(), source }
    }

    pub(super) fn busy(path: &Path) -> Self {
        Self::InUse { path: path.to_owned(), holder: holder(path) }
    }

    /// The system's error at the bottom of one of aya's.
    pub(super) fn system(error: &(dyn std::error::Error + 'static)) -> io::Error {
        let code = system_error(error).and_then(io::Error::raw_os_error);
        code.map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
    }

    fn pinning(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new("pin", Path::new(""), Self::system(error))
    }
}

impl From<PinError> for PinFault {
    fn from(error: PinError) -> Self {
        Self::pinning(&error)
    }
}

impl From<LinkError> for PinFault {
    fn from(error: LinkError) -> Self {
        Self::pinning(&error)
    }
}

impl From<ProgramError> for PinFault {
    fn from(error: ProgramError) -> Self {
        Self::pinning(&error)
    }
}

fn by(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// Who has locked a folder, by what the kernel lists of locks (proc_locks(5)):
/// `1: FLOCK  ADVISORY  WRITE 4711 00:1c:12345 0 EOF`.
fn holder(path: &Path) -> Option<u32> {
    let found = rustix::fs::stat(path).ok()?;
    let (major, minor) = (rustix::fs::major(found.st_dev), rustix::fs::minor(found.st_dev));
    let place = format!("{major:02x}:{minor:02x}:{}", found.st_ino);
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let fields = locks.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let mut flocks = fields.filter(|fields| fields.get(1) == Some(&"FLOCK"));
    let of_it = flocks.find(|fields| fields.get(5) == Some(&place.as_str()))?;
    of_it.get(4)?.parse().ok()
}
