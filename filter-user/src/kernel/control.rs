//! The map `CONTROL`, mapped: what userspace tells the program while it runs, each by one store.

use std::sync::atomic::Ordering;

use aya::maps::MapData;
use filter_common::{Control, Mapped, PeerKey, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use super::KernelError;

/// The map.
#[derive(Debug)]
pub(super) struct ControlPage(Mapped);

impl ControlPage {
    pub(super) fn new(map: &MapData) -> Result<Self, KernelError> {
        let page = Mapped::new(map.fd(), Control::WORDS).map_err(KernelError::mapped("CONTROL"))?;
        let page = Self(page);
        page.tell_boot_offset();
        Ok(page)
    }

    /// One that is mapped already.
    #[cfg(test)]
    pub(super) fn of(page: Mapped) -> Self {
        Self(page)
    }

    /// Tells how long this machine was suspended: the program's own clock does not count that. To be told from time to
    /// time.
    pub(super) fn tell_boot_offset(&self) {
        // Twice the same clock around the other, so that what passes between the readings makes no difference.
        let [before, boot, after] =
            [ClockId::Monotonic, ClockId::Boottime, ClockId::Monotonic].map(nanoseconds);
        self.set(Control::BOOT_OFFSET, boot.saturating_sub(before + (after - before) / 2));
    }

    /// Puts a generation of the table in force.
    pub(super) fn set_generation(&self, generation: u32) {
        self.set(Control::GENERATION, u64::from(generation));
    }

    /// The generation in force.
    pub(super) fn generation(&self) -> Option<u32> {
        u32::try_from(self.0.get(Control::GENERATION)?.load(Ordering::Acquire)).ok()
    }

    /// Tells how many networks are limited: at 0 the program does not look for any.
    pub(super) fn set_limited_networks(&self, limited: u64) {
        self.set(Control::NETWORKS, limited);
    }

    /// Captures one of so many dropped packets of a peer; nothing where none.
    pub(super) fn capture(&self, wanted: Option<(PeerKey, u64)>) {
        // Off first: the program shall not take the next peer's packets at the last one's rate, nor the other way round.
        self.set(Control::CAPTURE_ON, 0);
        if let Some((peer, one_of)) = wanted {
            let [high, low] = peer.words();
            self.set(Control::CAPTURE_KEY, high);
            self.set(Control::CAPTURE_KEY + 1, low);
            self.set(Control::CAPTURE_ON, one_of.max(1));
        }
    }

    fn set(&self, word: usize, value: u64) {
        if let Some(place) = self.0.get(word) {
            place.store(value, Ordering::Release);
        }
    }
}

/// The time that entries carry.
pub(super) fn boot_now() -> Timestamp {
    Timestamp(nanoseconds(ClockId::Boottime))
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let (seconds, nanoseconds) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + nanoseconds.unwrap_or(0)
}
