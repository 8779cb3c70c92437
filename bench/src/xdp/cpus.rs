//! Which CPU does what. What is measured comes before whatever else the machine does, or the figures would be of that.

use std::thread::available_parallelism;

use nix::unistd::{Pid, gettid};
use smtp_load::served::Pinned;

use crate::threads::{keep, rank};

/// The CPUs of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cpus {
    /// Runs what is measured.
    pub(super) measured: usize,
    /// Makes the packets. The same one, unless asked for otherwise: a packet then comes from a cache of the CPU that
    /// receives it, as from a network card; from another CPU it comes at the price of a transfer between their caches.
    pub(super) generating: usize,
}

/// Priorities of fixed rank: the receiver comes before the generator, with whom it may share a CPU, and whoever waits
/// for an event before both.
const GENERATES: &str = "1";
const RECEIVES: &str = "2";
const WAITS: &str = "3";

impl Cpus {
    /// As asked for; the second of the machine, where there are two, else the first.
    pub(super) fn with(measured: Option<usize>, generating: Option<usize>) -> Self {
        let several = available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
        let measured = measured.unwrap_or(usize::from(several));
        Self { measured, generating: generating.unwrap_or(measured) }
    }

    /// The calling thread, as the one that runs what is measured, until the result is dropped.
    pub(super) fn measure_here(self) -> anyhow::Result<Pinned> {
        rank(gettid(), RECEIVES)?;
        Pinned::to(self.measured)
    }

    /// The calling thread, as the one that makes packets, until the result is dropped.
    pub(super) fn generate_here(self) -> anyhow::Result<Pinned> {
        rank(gettid(), GENERATES)?;
        Pinned::to(self.generating)
    }

    /// The calling thread, as one that waits for what is measured.
    pub(super) fn wait_here() -> anyhow::Result<()> {
        rank(gettid(), WAITS)
    }

    /// Another thread, as the one that is measured, for good. It comes before all without a fixed rank: a receiver that
    /// waits for its turn while packets come drops them and sleeps, and what is then measured is sleeping.
    pub(super) fn measure(self, thread: Pid) -> anyhow::Result<()> {
        keep(thread, self.measured)?;
        rank(thread, RECEIVES)
    }
}
