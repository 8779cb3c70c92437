//! Asks the clocks.

use std::time::SystemTime;

use filter_common::Timestamp;

use super::{Moment, StateError};

/// What this boot is called.
pub fn boot_id() -> Result<String, StateError> {
    let path = "/proc/sys/kernel/random/boot_id";
    let read = std::fs::read_to_string(path);
    read.map(|id| id.trim().to_owned()).map_err(|source| StateError::BootId { path, source })
}

impl Moment {
    /// Now; the time since boot comes from whoever counts sanctions in it.
    #[must_use]
    pub fn now(boot_id: &str, boot: Timestamp) -> Self {
        // Before 1970 is nothing; such a clock is wrong, and known to be, for no file was written before then.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { boot_id: boot_id.to_owned(), boot, wall: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }
}
