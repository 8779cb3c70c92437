//! How much memory of the kernel a map has, as the kernel accounts for it.

use std::fs;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use anyhow::Context;

/// In octets.
pub(super) fn of(map: BorrowedFd<'_>) -> anyhow::Result<u64> {
    let path = format!("/proc/thread-self/fdinfo/{}", map.as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    memlock(&text).with_context(|| format!("{path} has no memlock"))
}

fn memlock(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("memlock:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_stands_behind_its_name() {
        let text = "pos:\t0\nmap_type:\t1\nmax_entries:\t10\nmap_flags:\t0x0\nmemlock:\t4096\nmap_id:\t7\n";
        assert_eq!(memlock(text), Some(4096));
        assert_eq!(memlock("memory: 5"), None);
    }
}
