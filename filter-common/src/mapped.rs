//! A map's memory, mapped into this process, as words that the kernel program may change at any time: read and written
//! without a system call. Besides `pod`, the only `unsafe` of userspace.

use std::io;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The words of a map that was made with `BPF_F_MMAPABLE`.
#[derive(Debug)]
pub struct Mapped {
    words: NonNull<AtomicU64>,
    /// How many of them are the map's.
    count: usize,
}

impl Mapped {
    /// Maps the first `words` words of a map. The descriptor may be closed afterwards.
    pub fn new(map: impl AsFd, words: usize) -> io::Result<Self> {
        let bytes = words.checked_mul(size_of::<AtomicU64>()).filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: no address is asked for, so nothing that is mapped already is touched. The kernel refuses a length that
        // goes beyond the map.
        let address = unsafe {
            mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, map, 0)?
        };
        let words =
            NonNull::new(address.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Self { words, count: bytes / size_of::<AtomicU64>() })
    }
}

impl Deref for Mapped {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: mapped in `new`, page-aligned, so many words long, and until `drop`. A map's memory neither shrinks nor
        // goes while it is mapped. Whoever else writes to it, the kernel program among them, does so word by word, and
        // every bit pattern is a word.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped, and nobody holds a slice of it any more. An error would mean that it is not mapped:
        // then there is nothing left to do.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.count * size_of::<AtomicU64>()) };
    }
}

// SAFETY: memory of the process that no thread owns; all access to it is atomic.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    #[test]
    fn two_views_of_one_memory_see_each_other() {
        let memory = memfd_create("table", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&memory, 4096).unwrap();
        let (one, other) = (Mapped::new(&memory, 512).unwrap(), Mapped::new(&memory, 512).unwrap());
        drop(memory);
        one[511].store(7, Ordering::Relaxed);
        assert_eq!(other[511].load(Ordering::Relaxed), 7);
        drop(one);
        assert_eq!((other.len(), other[511].load(Ordering::Relaxed)), (512, 7));
    }

    #[test]
    fn what_cannot_be_mapped_is_an_error() {
        let memory = memfd_create("table", MemfdFlags::CLOEXEC).unwrap();
        assert!(Mapped::new(&memory, 0).is_err());
        assert!(Mapped::new(&memory, usize::MAX).is_err());
        assert!(Mapped::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), 512).is_err());
    }
}
