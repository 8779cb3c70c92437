//! relaygate's program, from the committed object that the daemon loads, with its tables filled as the daemon fills them.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aya::EbpfLoader;
use aya::maps::{Array, HashMap, MapData, PerCpuArray, RingBuf};
use filter_common::schema::{self, PORTS_PER_WORD, Stamped};
use filter_common::{Counter, Event, LoadTime, PeerEntry, PeerKey, PrefixLengths, Rate, Sanction, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::frame;
use super::program::Program;

/// As `cargo xtask ebpf` built it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../filter-ebpf/object/relaygate.bpf.o");

/// A rate that no measurement exceeds: every packet takes from the limiter and passes.
pub(super) const NEVER_EXCEEDED: Rate = Rate::new(u32::MAX, Duration::from_secs(1), u32::MAX);

/// The program and its tables.
pub(super) struct Relaygate {
    /// To be run and attached.
    pub(super) program: Program,
}

impl Relaygate {
    /// Loads it, with room for so many peers.
    pub(super) fn load(peers: u32, limit: Rate) -> anyhow::Result<Self> {
        ensure!(
            Stamped::find(OBJECT) == Some(schema::STAMP),
            "relaygate's object is not of this build: run `cargo xtask ebpf`"
        );
        let load_time = LoadTime::new(limit, PrefixLengths::default(), false);
        let ebpf = EbpfLoader::new()
            .override_global("LOAD_TIME", &load_time, true)
            .map_max_entries("PEERS", peers.max(1))
            .load(OBJECT)
            .context("cannot load relaygate's program")?;
        let mut program = Program::load(ebpf, "relaygate")?;
        let port = u32::from(frame::SMTP);
        let mut ports: Array<_, u64> = program.map("PORTS")?;
        ports.set(port / PORTS_PER_WORD, 1 << (port % PORTS_PER_WORD), 0).context("the map PORTS")?;
        Ok(Self { program })
    }

    /// Puts this sanction on the sources 0 to `peers`.
    pub(super) fn sanction(&mut self, peers: u32, sanction: Sanction) -> anyhow::Result<()> {
        let mut map: HashMap<_, PeerKey, PeerEntry> = self.program.map("PEERS")?;
        for number in 0..peers {
            let peer = PeerKey::from(frame::source(number));
            map.insert(peer, PeerEntry::new(sanction, 0), 0).context("the map PEERS takes no more")?;
        }
        Ok(())
    }

    /// The same on one source.
    pub(super) fn sanction_one(&mut self, number: u32, sanction: Sanction) -> anyhow::Result<()> {
        let mut map: HashMap<_, PeerKey, PeerEntry> = self.program.map("PEERS")?;
        let peer = PeerKey::from(frame::source(number));
        map.insert(peer, PeerEntry::new(sanction, 0), 0).context("the map PEERS takes no more")
    }

    /// Octets of memory of the kernel that the sanctions take.
    pub(super) fn memory(&mut self) -> anyhow::Result<u64> {
        self.program.memory("PEERS")
    }

    /// What the program tells, from now on.
    pub(super) fn events(&mut self) -> anyhow::Result<Events> {
        Ok(Events(self.program.take("EVENTS")?))
    }

    /// How often a counter has counted, on all CPUs.
    pub(super) fn count(&mut self, counter: Counter) -> anyhow::Result<u64> {
        let map: PerCpuArray<_, u64> = self.program.map("COUNTERS")?;
        let values = map.get(&counter.index(), 0).context("the map COUNTERS")?;
        Ok(values.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value)))
    }
}

/// Blocked, for longer than any measurement.
pub(super) const BLOCKED: Sanction = Sanction::Blocked { until: Timestamp(u64::MAX) };
/// Limited, for longer than any measurement.
pub(super) const LIMITED: Sanction = Sanction::Limited { until: Timestamp(u64::MAX) };

/// The program's ring buffer.
pub(super) struct Events(RingBuf<MapData>);

impl Events {
    /// Waits until the first drop of a source's packet is told.
    pub(super) fn wait_for(&mut self, number: u32, patience: Duration) -> anyhow::Result<()> {
        let peer = PeerKey::from(frame::source(number));
        let until = Instant::now() + patience;
        loop {
            while let Some(bytes) = self.0.next() {
                if Event::read(&bytes).is_some_and(|drop| drop.peer == peer) {
                    return Ok(());
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no drop of peer {number} was told in {patience:?}");
            let left = Timespec::try_from(left).unwrap_or_default();
            let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
            poll(&mut polled, Some(&left)).context("cannot wait for the program's events")?;
        }
    }
}
