//! The pin directory: what of the kernel's part outlasts the process stands there, on a BPF file system, under names of
//! ours. Knows no map and no program, only their names, and who may change them: one process at a time.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::pin_fault::PinFault;
use super::{bpffs, staged};

/// What is put under a name that is taken stands here until it takes the other's place.
const NEXT: &str = "-next";
/// Before the name of an interface.
const LINK: &str = "link-";
/// The same where no link holds the program, but a filter.
const FILTER: &str = "filter-";

/// An open pin directory, which no other process has open meanwhile.
#[derive(Debug)]
pub(super) struct Pins {
    path: PathBuf,
    /// Holds the lock. All names are looked up by it: who may not enter the folders above any more, having given up its
    /// privileges, still gets here.
    folder: OwnedFd,
}

impl Pins {
    /// The pin directory, made if it is not there, on a BPF file system that is mounted if there is none.
    pub(super) fn prepare(path: &Path) -> Result<Self, PinFault> {
        bpffs::provide(path)?;
        // Between making and locking it, who takes everything off may have removed it.
        for _ in 0..16 {
            match fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(PinFault::make(path, error));
                }
                Ok(()) | Err(_) => {}
            }
            if let Some(pins) = Self::existing(path)? {
                // Nobody else may read who is sanctioned, and nobody else may lift it. Not even for a moment: nothing
                // is in it yet if it was made by a process with another umask.
                rustix::fs::fchmod(&pins.folder, Mode::RWXU)
                    .map_err(|error| pins.fault("close to others", error))?;
                return Ok(pins);
            }
        }
        Err(PinFault::busy(path))
    }

    /// The pin directory; nothing where there is none.
    pub(super) fn existing(path: &Path) -> Result<Option<Self>, PinFault> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let folder = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(PinFault::NotAFolder { path: path.to_owned() }),
            Err(Errno::ACCESS) => return Err(PinFault::Closed { path: path.to_owned() }),
            Err(error) => return Err(PinFault::new("open", path, error)),
        };
        bpffs::require(path, &folder)?;
        let pins = Self { path: path.to_owned(), folder };
        match rustix::fs::flock(&pins.folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(PinFault::busy(path)),
            Err(error) => return Err(pins.fault("lock", error)),
        }
        let (here, there) = (rustix::fs::fstat(&pins.folder), rustix::fs::stat(path));
        match (here, there) {
            (Ok(here), Ok(there)) if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino) => {
                staged::settle(&pins)?;
                Ok(Some(pins))
            }
            // It was removed before the lock was had.
            (Ok(_), Ok(_) | Err(Errno::NOENT)) => Ok(None),
            (Err(error), _) | (_, Err(error)) => Err(pins.fault("look at", error)),
        }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.path
    }

    /// The same directory and the same lock, for another part of this process.
    pub(super) fn another(&self) -> Result<Self, PinFault> {
        let folder = self.folder.try_clone().map_err(|error| self.fault("open again", error))?;
        Ok(Self { path: self.path.clone(), folder })
    }

    /// The path of a pin, for system calls: people know it as [`Self::shown`].
    pub(super) fn of(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.folder.as_raw_fd()))
    }

    /// The path of a pin, for people.
    pub(super) fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Puts a pin under this name, in place of what was there: whoever looks sees the one or the other.
    pub(super) fn replace<E: Into<PinFault>, T>(
        &self,
        name: &str,
        pin: impl FnOnce(PathBuf) -> Result<T, E>,
    ) -> Result<T, PinFault> {
        let next = format!("{name}{NEXT}");
        // Left behind by a process that was killed between the two steps.
        self.remove(&next)?;
        let pinned = pin(self.of(&next)).map_err(|error| self.named(error.into(), name))?;
        self.rename(&next, name)?;
        Ok(pinned)
    }

    /// Puts a pin under another name, in place of what was there.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), PinFault> {
        rustix::fs::renameat(&self.folder, from, &self.folder, to)
            .map_err(|error| self.named_fault("pin", to, error))
    }

    /// Removes a pin; whether it was there.
    pub(super) fn remove(&self, name: &str) -> Result<bool, PinFault> {
        match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.named_fault("remove", name, error)),
        }
    }

    /// What is pinned.
    pub(super) fn names(&self) -> Result<Vec<String>, PinFault> {
        let folder = fs::read_dir(self.of(".")).map_err(|error| self.fault("list", error))?;
        let names = folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        // Names with dots are the kernel's own, in the root of the file system.
        let ours = names.filter(|name| !name.as_ref().is_ok_and(|name: &String| name.contains('.')));
        ours.collect::<Result<_, io::Error>>().map_err(|error| self.fault("list", error))
    }

    /// The interfaces whose links are pinned.
    pub(super) fn links(&self) -> Result<Vec<String>, PinFault> {
        self.interfaces(LINK)
    }

    /// The interfaces where a filter of ours was left.
    pub(super) fn filters(&self) -> Result<Vec<String>, PinFault> {
        self.interfaces(FILTER)
    }

    fn interfaces(&self, before: &str) -> Result<Vec<String>, PinFault> {
        let names = self.names()?.into_iter().filter(|name| !name.ends_with(NEXT));
        Ok(names.filter_map(|name| interface_of(&name, before)).collect())
    }

    /// Gives all to a user, who can then work on it without any privilege.
    pub(super) fn give_to(&self, (user, group): (u32, u32)) -> Result<(), PinFault> {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        for name in self.names()? {
            rustix::fs::chownat(&self.folder, &name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| self.named_fault("give away", &name, error))?;
        }
        rustix::fs::fchown(&self.folder, Some(user), Some(group))
            .map_err(|error| self.fault("give away", error))
    }

    /// Removes all pins, the directory, and the file system where it is one of ours. What is attached by a pinned link
    /// alone is detached by it.
    pub(super) fn clear(self) -> Result<(), PinFault> {
        let mut names = self.names()?;
        // Links first: nothing is to run any more when its maps are gone from sight.
        names.sort_by_key(|name| !name.starts_with(LINK));
        for name in names {
            self.remove(&name)?;
        }
        if bpffs::is_mounted_at(&self.path, self.folder.as_fd()) {
            bpffs::unmount(&self.path)?;
        }
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.fault("remove", error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn fault(&self, what: &'static str, error: impl Into<io::Error>) -> PinFault {
        PinFault::new(what, &self.path, error)
    }

    fn named_fault(&self, what: &'static str, name: &str, error: impl Into<io::Error>) -> PinFault {
        PinFault::new(what, &self.shown(name), error)
    }

    /// An error about a path under `/proc` says nothing to anybody.
    fn named(&self, fault: PinFault, name: &str) -> PinFault {
        match fault {
            PinFault::System { what, source, .. } => {
                PinFault::System { what, path: self.shown(name), source }
            }
            other => other,
        }
    }
}

/// The name under which the link of an interface is pinned. A BPF file system takes no dot, which names of VLAN devices
/// have (`eth0.100`), so that it is written as in a URL.
pub(super) fn link_of(interface: &str) -> String {
    format!("{LINK}{}", escaped(interface))
}

/// The name under which the program of a filter is pinned: the kernel pins no filter, and this tells where one is.
pub(super) fn filter_of(interface: &str) -> String {
    format!("{FILTER}{}", escaped(interface))
}

fn escaped(interface: &str) -> String {
    interface.replace('%', "%25").replace('.', "%2E")
}

fn interface_of(name: &str, before: &str) -> Option<String> {
    Some(name.strip_prefix(before)?.replace("%2E", ".").replace("%25", "%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_found_again_by_the_name_of_its_link() {
        for (interface, name) in [
            ("eth0", "link-eth0"),
            ("eth0.100", "link-eth0%2E100"),
            ("50%.2E", "link-50%25%2E2E"),
            ("%2E", "link-%252E"),
        ] {
            assert_eq!(link_of(interface), name);
            assert_eq!(interface_of(name, LINK).as_deref(), Some(interface));
            assert_eq!(interface_of(&filter_of(interface), FILTER).as_deref(), Some(interface));
        }
        assert_eq!(interface_of("COUNTERS", LINK), None);
        assert_eq!(interface_of("link-eth0", FILTER), None);
    }

    #[test]
    fn a_folder_that_is_not_on_a_bpf_file_system_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = Pins::existing(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is not on a BPF file system") && error.contains("mount -t bpf"), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Pins::existing(&file).unwrap_err().to_string();
        assert!(error.contains("is no folder"), "{error}");
        assert!(Pins::existing(&folder.path().join("none")).unwrap().is_none());
    }
}
