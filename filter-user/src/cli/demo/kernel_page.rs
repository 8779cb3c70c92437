//! What the kernel program has done, read from relaygate's page of metrics like any monitoring would. Reads, and
//! computes nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::telemetry::metric::{KERNEL_PACKETS, KERNEL_RUN_NANOSECONDS, KERNEL_RUNS};

/// Some of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KernelPage {
    /// Packets dropped, for whatever reason.
    pub(super) dropped: u64,
    /// Runs of the program.
    pub(super) runs: u64,
    /// Nanoseconds in all of them.
    pub(super) nanoseconds: u64,
}

impl KernelPage {
    /// Fetches it.
    pub(super) fn fetch(address: SocketAddr) -> anyhow::Result<Self> {
        let fetch = || {
            let patience = Duration::from_secs(5);
            let mut socket = TcpStream::connect_timeout(&address, patience)?;
            socket.set_read_timeout(Some(patience))?;
            socket.write_all(b"GET /metrics HTTP/1.0\r\nHost: relaygate\r\n\r\n")?;
            let mut page = Vec::new();
            socket.take(1 << 20).read_to_end(&mut page)?;
            std::io::Result::Ok(page)
        };
        let page = fetch().with_context(|| format!("no metrics at {address}"))?;
        let page = String::from_utf8_lossy(&page);
        ensure!(page.starts_with("HTTP/1.") && page.contains(" 200 "), "no metrics at {address}");
        Ok(Self::read(&page))
    }

    fn read(page: &str) -> Self {
        let mut read = Self::default();
        for line in page.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<u64>() else { continue };
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            if name == KERNEL_PACKETS.name && labels.contains("counter=\"dropped_") {
                read.dropped += value;
            } else if name == KERNEL_RUNS.name {
                read.runs = value;
            } else if name == KERNEL_RUN_NANOSECONDS.name {
                read.nanoseconds = value;
            }
        }
        read
    }

    /// What one run took, of those since `earlier`; none where there were none, or the kernel does not count them.
    pub(super) fn nanoseconds_each_since(&self, earlier: &Self) -> Option<u64> {
        self.nanoseconds
            .saturating_sub(earlier.nanoseconds)
            .checked_div(self.runs.saturating_sub(earlier.runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_read_as_it_is_served() {
        let page = "HTTP/1.1 200 OK\r\n\r\n# HELP relaygate_kernel_packets_total x\n\
            relaygate_kernel_packets_total{counter=\"dropped_blocked\"} 40\n\
            relaygate_kernel_packets_total{counter=\"dropped_limited\"} 2\n\
            relaygate_kernel_packets_total{counter=\"passed_unknown\"} 900\n\
            relaygate_kernel_program_runs_total 942\n\
            relaygate_kernel_program_run_nanoseconds_total 94200\n\
            relaygate_sessions_open 0.5\n";
        let read = KernelPage::read(page);
        assert_eq!(read, KernelPage { dropped: 42, runs: 942, nanoseconds: 94_200 });
        assert_eq!(read.nanoseconds_each_since(&KernelPage::default()), Some(100));
        assert_eq!(read.nanoseconds_each_since(&read), None);
        assert_eq!(KernelPage::read("nothing"), KernelPage::default());
    }
}
