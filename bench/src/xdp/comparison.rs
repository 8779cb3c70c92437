//! The programs of `bench/ebpf`: the least that a program can do, and those that make packets come from many sources.

use std::ops::Range;

use anyhow::Context;
use aya::EbpfLoader;
use aya::maps::{Array, HashMap, MapData, ProgramArray};
use aya::programs::ProgramFd;

use super::frame;
use super::program::{Answer, Program};

/// As `cargo xtask ebpf` built them.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../ebpf/object/comparison.bpf.o");

/// The hash map of the minimal program.
pub(super) const HASH: &str = "BLOCKED";

/// Where the random numbers begin; any number but 0 will do.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

fn load(name: &'static str, entries: u32) -> anyhow::Result<Program> {
    let mut loader = EbpfLoader::new();
    loader.map_max_entries(HASH, entries.max(1));
    Program::load(loader.load(OBJECT).context("cannot load the programs of comparison")?, name)
}

/// Parses and passes.
pub(super) fn minimal_pass() -> anyhow::Result<Program> {
    load("minimal_pass", 1)
}

/// Does nothing and drops.
pub(super) fn nothing() -> anyhow::Result<Program> {
    load("nothing", 1)
}

/// Parses, looks into a hash map that holds these sources, drops who is in it.
pub(super) fn minimal_hash(sources: u32) -> anyhow::Result<Program> {
    let mut program = empty_hash(sources)?;
    fill(&mut program, sources)?;
    Ok(program)
}

/// The same with room for so many, and nobody in it.
pub(super) fn empty_hash(room: u32) -> anyhow::Result<Program> {
    load("minimal_hash", room)
}

/// Puts so many sources into its map.
pub(super) fn fill(program: &mut Program, sources: u32) -> anyhow::Result<()> {
    let mut blocked: HashMap<_, [u8; 16], u64> = program.map(HASH)?;
    for number in 0..sources {
        let key = frame::source(number).to_ipv6_mapped().octets();
        blocked.insert(key, 1, 0).context("the hash map takes no more")?;
    }
    Ok(())
}

/// Runs a program on a packet whose source changes with each run.
pub(super) struct Varying {
    vary: Program,
    sources: Sources,
    nothing: Program,
}

impl Varying {
    /// Loads what that needs.
    pub(super) fn load() -> anyhow::Result<Self> {
        let mut vary = load("vary", 1)?;
        Ok(Self { sources: Sources(vary.take("SOURCES")?), vary, nothing: load("nothing", 1)? })
    }

    /// What a run of a program costs by itself on a packet from each of `sources` at random, in nanoseconds: that of
    /// another which does nothing, run in the same way just before, is taken off.
    pub(super) fn run(
        &mut self,
        program: &mut Program,
        sources: &Range<u32>,
        runs: u32,
        expected: Answer,
    ) -> anyhow::Result<f64> {
        let nothing = self.nothing.descriptor()?;
        let around = self.whole(&nothing, sources, runs, Answer::Drop)?;
        let whole = self.whole(&program.descriptor()?, sources, runs, expected)?;
        Ok(whole - around)
    }

    fn whole(
        &mut self,
        program: &ProgramFd,
        sources: &Range<u32>,
        runs: u32,
        expected: Answer,
    ) -> anyhow::Result<f64> {
        let mut measured: ProgramArray<_> = self.vary.map("MEASURED")?;
        measured.set(0, program, 0).context("cannot have a program go on with another")?;
        self.sources.choose(sources)?;
        self.vary.run(&frame::syn(frame::SMTP), runs, expected)
    }
}

/// Sends packets from many sources, as fast as the kernel makes them.
pub(super) struct Flood {
    /// Which sources: may be changed while packets are sent.
    pub(super) sources: Sources,
    /// Sends.
    pub(super) sender: Sender,
}

/// See [`Flood`].
pub(super) struct Sender(Program);

/// See [`Flood`] and [`Varying`].
pub(super) struct Sources(Array<MapData, [u64; 3]>);

impl Flood {
    /// Loads what that needs.
    pub(super) fn load() -> anyhow::Result<Self> {
        let mut program = load("flood", 1)?;
        Ok(Self { sources: Sources(program.take("SOURCES")?), sender: Sender(program) })
    }
}

impl Sender {
    /// Sends so many packets to a port, out of the interface `index`.
    pub(super) fn send(&mut self, port: u16, packets: u32, index: u32) -> anyhow::Result<()> {
        self.0.run_live(&frame::syn(port), packets, index)
    }
}

impl Sources {
    /// From which packets come from now on, each from one of them at random. As `struct Sources` of `bench/ebpf` has it.
    pub(super) fn choose(&mut self, sources: &Range<u32>) -> anyhow::Result<()> {
        let count = sources.end.saturating_sub(sources.start);
        self.0.set(0, [SEED, sources.start.into(), count.into()], 0).context("cannot choose the sources")
    }
}
