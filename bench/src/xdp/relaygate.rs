//! relaygate's program, from the committed object that the daemon loads, with one generation of its table of hosts, which
//! is filled by the code that the daemon fills it with.

use std::ops::Range;
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use aya::EbpfLoader;
use aya::maps::{Array, ArrayOfMaps, MapData, PerCpuArray, RingBuf};
use filter_common::event::Happened;
use filter_common::schema::{self, PORTS_PER_WORD, Stamped};
use filter_common::table::{self, BUCKET_WORDS, Bucket, Full, Kind, Meter, Seed, Standing, Table};
use filter_common::{Control, Counter, Event, LoadTime, Mapped, PeerKey, Rate, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use super::program::Program;
use super::{frame, memory};

/// As `cargo xtask ebpf` built it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../filter-ebpf/object/relaygate.bpf.o");

/// A rate that no measurement exceeds: every packet takes from the limiter and passes.
pub(super) const NEVER_EXCEEDED: Rate = Rate { interval: 1_000, tolerance: 1 << 50 };

/// What the hosts are placed by; here it need be no secret.
const SEED: Seed = Seed([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);

/// `BPF_F_MMAPABLE` and `BPF_F_INNER_MAP` (linux/bpf.h).
const GENERATION_FLAGS: u32 = 1 << 10 | 1 << 12;

/// The program and its table, of one generation.
pub(super) struct Relaygate {
    /// To be run and attached.
    pub(super) program: Program,
    hosts: Table<Mapped>,
    generation: MapData,
}

impl Relaygate {
    /// Loads it, with room for so many hosts.
    pub(super) fn load(hosts: u32, limit: Rate) -> anyhow::Result<Self> {
        ensure!(
            Stamped::find(OBJECT) == Some(schema::STAMP),
            "relaygate's object is not of this build: run `cargo xtask ebpf`"
        );
        let fences = u32::from(!cfg!(target_arch = "x86_64"));
        let load_time = LoadTime { limit, seed: SEED, fences, ..LoadTime::USUAL };
        let ebpf = EbpfLoader::new()
            .override_global("LOAD_TIME", &load_time, true)
            .override_global("AYA_LOG_LEVEL", &0_u8, true)
            .load(OBJECT)
            .context("cannot load relaygate's program")?;
        let mut program = Program::load(ebpf, "relaygate")?;
        protect(&mut program, frame::SMTP)?;
        let number = table::generation_for(usize::try_from(hosts)?);
        let generation = put_generation(&mut program, number)?;
        let words = BUCKET_WORDS << number;
        let memory = Mapped::new(generation.fd(), words).context("cannot map the table of hosts")?;
        let hosts = Table::new(memory, SEED).context("the table of hosts has no size of a generation")?;
        begin(&mut program, number)?;
        Ok(Self { program, hosts, generation })
    }

    /// Puts a sanction on some sources, for longer than any measurement.
    pub(super) fn sanction(&mut self, sources: Range<u32>, kind: Kind) -> anyhow::Result<()> {
        let standing = Standing { kind, until: Timestamp::NEVER, overlaps_allow: false };
        for number in sources {
            let peer = PeerKey::from(frame::source(number));
            self.hosts
                .insert(peer, standing, Meter::default())
                .map_err(|Full| anyhow!("the table of hosts is full at host {number}"))?;
        }
        Ok(())
    }

    /// Octets of memory of the kernel that the table takes.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        memory::of(self.generation.fd().as_fd())
    }

    /// How often a counter has counted, on all CPUs.
    pub(super) fn count(&mut self, counter: Counter) -> anyhow::Result<u64> {
        let map: PerCpuArray<_, u64> = self.program.map("COUNTERS")?;
        let values = map.get(&counter.index(), 0).context("the map COUNTERS")?;
        Ok(values.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value)))
    }

    /// What the program tells, from now on.
    pub(super) fn events(&mut self) -> anyhow::Result<Events> {
        Ok(Events(self.program.take("EVENTS")?))
    }
}

fn protect(program: &mut Program, port: u16) -> anyhow::Result<()> {
    let port = u32::from(port);
    let mut ports: Array<_, u64> = program.map("PORTS")?;
    ports.set(port / PORTS_PER_WORD, 1 << (port % PORTS_PER_WORD), 0).context("the map PORTS")
}

/// Makes a generation of 2^`number` buckets and puts it into its element of `HOSTS`.
fn put_generation(program: &mut Program, number: u32) -> anyhow::Result<MapData> {
    let made = Array::<MapData, Bucket>::create(1 << number, GENERATION_FLAGS)
        .context("cannot make a generation of the table of hosts")?;
    let mut generations: ArrayOfMaps<_, Array<MapData, Bucket>> = program.map("HOSTS")?;
    generations.set(number, &made, 0).context("the map HOSTS")?;
    let generations: ArrayOfMaps<MapData, MapData> = program.take("HOSTS")?;
    generations.get(&number, 0).context("the map HOSTS")
}

/// Puts the generation in force and tells the time, each by one store.
fn begin(program: &mut Program, number: u32) -> anyhow::Result<()> {
    let control =
        Mapped::new(program.descriptor_of("CONTROL")?, Control::WORDS).context("the map CONTROL")?;
    let [boot, awake] = [ClockId::Boottime, ClockId::Monotonic].map(|clock| {
        let now = clock_gettime(clock);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    });
    let offset = u64::try_from(boot.saturating_sub(awake).as_nanos())?;
    for (word, value) in [(Control::BOOT_OFFSET, offset), (Control::GENERATION, u64::from(number))] {
        let place = control.get(word).context("the map CONTROL is too small")?;
        place.store(value, Ordering::Release);
    }
    Ok(())
}

/// The program's ring buffer.
pub(super) struct Events(RingBuf<MapData>);

impl Events {
    /// Waits until the first drop of a source's packet is told.
    pub(super) fn wait_for_first_drop(&mut self, number: u32, patience: Duration) -> anyhow::Result<()> {
        let peer = PeerKey::from(frame::source(number));
        let until = Instant::now() + patience;
        loop {
            while let Some(bytes) = self.0.next() {
                let told = Event::read(&bytes);
                if told.is_some_and(|told| told.happened == Happened::FirstDrop && told.peer == peer) {
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
