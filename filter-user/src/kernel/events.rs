//! Reads the program's ring buffers: logs its events, keeps how long a block took to bite, and hands its own tracing
//! on. Blocks nobody: it is a task of its own.

use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use filter_common::event::{Happened, Told};
use filter_common::{Event, PeerKey, Reason};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::KernelError;
use super::enforcer::KernelEnforcer;
use crate::telemetry::field;

/// How long it took from putting a block in force to the first packet that it dropped. The peer has to send one, so
/// this is the most that the block itself can have taken.
#[derive(Debug, Default)]
pub struct FirstDrops(Mutex<Latencies>);

/// See [`FirstDrops`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Blocks that have bitten.
    pub count: u64,
    /// The longest.
    pub longest: Duration,
    /// The latest, and whose.
    pub latest: Option<(PeerKey, Duration)>,
}

impl FirstDrops {
    /// As far as events were read.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, peer: PeerKey, latency: Duration) {
        let mut latencies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.count += 1;
        latencies.longest = latencies.longest.max(latency);
        latencies.latest = Some((peer, latency));
    }
}

/// A task that reads one ring buffer.
pub(super) type Reading = Pin<Box<dyn Future<Output = Result<(), KernelError>> + Send + Sync>>;

/// The ring buffers, until the task runs.
pub(super) struct Events {
    ring: RingBuf<MapData>,
    trace: Option<Reading>,
    enforcer: Arc<KernelEnforcer>,
    first_drops: Arc<FirstDrops>,
}

impl Events {
    pub(super) fn new(
        ring: RingBuf<MapData>,
        trace: Option<Reading>,
        enforcer: Arc<KernelEnforcer>,
        first_drops: Arc<FirstDrops>,
    ) -> Self {
        Self { ring, trace, enforcer, first_drops }
    }

    /// Reads until the ring buffer cannot be waited on any more.
    pub(super) async fn run(self) -> Result<(), KernelError> {
        let Self { ring, trace, enforcer, first_drops } = self;
        let events = read_events(ring, enforcer, first_drops);
        match trace {
            Some(trace) => tokio::try_join!(events, trace).map(|_| ()),
            None => events.await,
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("trace", &self.trace.is_some()).finish_non_exhaustive()
    }
}

async fn read_events(
    ring: RingBuf<MapData>,
    enforcer: Arc<KernelEnforcer>,
    first_drops: Arc<FirstDrops>,
) -> Result<(), KernelError> {
    let mut ring = readable(ring)?;
    loop {
        let mut ready = ring.readable_mut().await.map_err(events_failed)?;
        while let Some(bytes) = ready.get_inner_mut().next() {
            tell(&bytes, &enforcer, &first_drops);
        }
        ready.clear_ready();
    }
}

fn tell(bytes: &[u8], enforcer: &KernelEnforcer, first_drops: &FirstDrops) {
    let Some(told) = Event::read(bytes) else {
        tracing::warn!(length = bytes.len(), "an event of the kernel program that this build does not know");
        return;
    };
    match told.happened {
        Happened::FirstDrop => first_drop(told, enforcer, first_drops),
        Happened::BlockEnded => {
            tracing::info!({ field::PEER } = %told.peer, "a packet of this peer came through: its block is over");
        }
        Happened::Pressure => {
            tracing::warn!({ field::PEER } = %told.peer, "syn-limit has no room for this peer, whose connection passed");
        }
    }
}

fn first_drop(told: Told, enforcer: &KernelEnforcer, first_drops: &FirstDrops) {
    let after = enforcer.in_force_since(told.peer).map(|since| told.at.since(since));
    if let (Reason::Blocked, Some(after)) = (told.reason, after) {
        first_drops.note(told.peer, after);
    }
    let nanoseconds = after.map(|after| u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
    tracing::info!(
        { field::PEER } = %told.peer,
        { field::REASON } = told.reason.name(),
        { field::NANOSECONDS } = nanoseconds,
        "the kernel dropped this peer's first packet since it was sanctioned"
    );
}

/// Hands the program's own tracing to the `log` crate's logger, which the daemon's subscriber listens to.
pub(super) fn read_trace(ebpf: &mut Ebpf) -> Result<Reading, KernelError> {
    let trace = EbpfLogger::init(ebpf)
        .map_err(|source| KernelError::Program { what: "read the trace of", source: Box::new(source) })?;
    Ok(Box::pin(async move {
        let mut trace = readable(trace)?;
        loop {
            let mut ready = trace.readable_mut().await.map_err(events_failed)?;
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    }))
}

/// Registers a ring buffer with the runtime.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for types whose descriptor may change or close meanwhile; a ring buffer owns \
              its map, and its descriptor stays open as long as it"
)]
pub(super) fn readable<T: AsRawFd>(ring: T) -> Result<AsyncFd<T>, KernelError> {
    AsyncFd::with_interest(ring, Interest::READABLE).map_err(events_failed)
}

pub(super) fn events_failed(source: std::io::Error) -> KernelError {
    KernelError::Events { source }
}
