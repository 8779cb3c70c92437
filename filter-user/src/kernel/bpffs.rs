//! The BPF file system under the pin directory: finds it, mounts it where it is missing and we may.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, fstatfs, statfs, statvfs};
use rustix::mount::{MountFlags, UnmountFlags, mount};

use super::pin_fault::PinFault;

/// Where it belongs; systemd mounts it there.
const USUAL: &str = "/sys/fs/bpf";
/// linux/magic.h
const BPF_FS_MAGIC: u32 = 0xcafe_4a11;

/// Sees to it that the pin directory is, or can be made, on a BPF file system that can be written to.
pub(super) fn provide(pins: &Path) -> Result<(), PinFault> {
    let (nearest, is_there) = nearest(pins);
    if !nearest.is_dir() {
        return Err(PinFault::NotAFolder { path: nearest });
    }
    if !is_bpffs(&nearest) {
        // As systemd would have done it; else over a folder of our own, never over somebody's files.
        let target = if pins.parent() == Some(Path::new(USUAL)) { Path::new(USUAL) } else { pins };
        let is_made = target == pins && !is_there;
        if is_made {
            fs::create_dir(pins).map_err(|error| PinFault::make(pins, error))?;
        }
        mount_at(target).inspect_err(|_| {
            if is_made {
                // It was made for this alone. That it stays would be no harm either.
                let _ = fs::remove_dir(pins);
            }
        })?;
        tracing::info!("there was no BPF file system at {}, and one was mounted", target.display());
    }
    let nearest = if is_bpffs(pins) { pins } else { &nearest };
    match statvfs(nearest) {
        Ok(found) if found.f_flag.contains(StatVfsMountFlags::RDONLY) => {
            Err(PinFault::ReadOnly { mount: nearest.to_owned() })
        }
        // Whoever comes next says what is wrong.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses a folder that is on another file system.
pub(super) fn require(path: &Path, folder: impl AsFd) -> Result<(), PinFault> {
    let found = fstatfs(folder).map_err(|error| PinFault::new("look at", path, error))?;
    if is_magic(found.f_type) { Ok(()) } else { Err(PinFault::NotOnBpffs { path: path.to_owned() }) }
}

/// Whether this folder is itself the root of a file system.
pub(super) fn is_mounted_at(path: &Path, folder: BorrowedFd<'_>) -> bool {
    let parent = path.parent().and_then(|parent| rustix::fs::stat(parent).ok());
    match (rustix::fs::fstat(folder), parent) {
        (Ok(own), Some(parent)) => own.st_dev != parent.st_dev,
        (Err(_), _) | (_, None) => false,
    }
}

/// Takes it off again; it goes when the last who has it open is gone.
pub(super) fn unmount(path: &Path) -> Result<(), PinFault> {
    rustix::mount::unmount(path, UnmountFlags::DETACH).map_err(|error| PinFault::new("unmount", path, error))
}

fn mount_at(target: &Path) -> Result<(), PinFault> {
    if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(PinFault::NotOnBpffs { path: target.to_owned() });
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("bpf", target, "bpf", flags, Some(c"mode=700"))
        .map_err(|error| PinFault::NoBpffs { target: target.to_owned(), source: error.into() })
}

/// The pin directory itself, or the nearest folder above it that is there.
fn nearest(pins: &Path) -> (PathBuf, bool) {
    let found = pins.ancestors().find(|path| path.symlink_metadata().is_ok());
    (found.unwrap_or(Path::new("/")).to_owned(), found == Some(pins))
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| is_magic(found.f_type))
}

/// The kernel's word is signed on some architectures.
fn is_magic(kind: impl TryInto<i64>) -> bool {
    kind.try_into().is_ok_and(|kind: i64| kind as u32 == BPF_FS_MAGIC)
}
