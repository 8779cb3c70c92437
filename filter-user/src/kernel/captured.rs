//! Reads the dropped packets that the program captured.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{MapData, RingBuf};
use filter_common::Captured;

/// The ring buffer `CAPTURED`.
pub struct CapturedPackets(RingBuf<MapData>);

impl std::fmt::Debug for CapturedPackets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapturedPackets").finish_non_exhaustive()
    }
}

impl CapturedPackets {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }

    /// The next packet, if one is there. What this build does not know is passed over.
    pub fn next_packet(&mut self) -> Option<Captured> {
        loop {
            let captured = Captured::read(&self.0.next()?);
            if captured.is_some() {
                return captured;
            }
        }
    }
}

impl AsFd for CapturedPackets {
    /// To wait on.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
