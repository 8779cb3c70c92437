//! Asks the kernel about the program, and runs it without an interface.

use std::os::fd::OwnedFd;
use std::time::Duration;

use aya::programs::{TestRun as _, TestRunOptions};
use aya::sys::{Stats, enable_stats};

use super::KernelError;
use super::programs::Programs;

/// What the kernel counted of the program's runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramStats {
    /// How often it ran.
    pub runs: u64,
    /// How long in all.
    pub time: Duration,
}

/// How large the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramSize {
    /// Its instructions, as the verifier left them.
    pub instructions: u32,
    /// Instructions that the verifier walked through on all ways; nothing where the kernel does not tell (before 5.16).
    pub verified: Option<u32>,
}

/// While this is held the kernel counts the runs of every program.
#[derive(Debug)]
pub struct MeasuringRuns(
    #[expect(dead_code, reason = "held, not read: closing it ends the counting")] OwnedFd,
);

/// What became of a frame that was run without an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What would happen to it; nothing where the program said what it never should.
    pub fate: Option<Fate>,
    /// How long one run took, on average.
    pub time: Duration,
    /// The frame as the program left it.
    pub frame: Vec<u8>,
}

/// What happens to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Passed,
    /// It is gone.
    Dropped,
    /// What it has become leaves by the interface that it came in by.
    Answered,
}

/// An entry point of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// That of XDP.
    Xdp,
    /// That of tc.
    Tc,
}

/// What XDP is answered (linux/bpf.h).
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;

/// What tc is answered (linux/pkt_cls.h); -1 is "go on with the next".
const TC_ACT_UNSPEC: u32 = u32::MAX;
const TC_ACT_SHOT: u32 = 2;
const TC_ACT_REDIRECT: u32 = 7;

/// Octets of an instruction.
const INSTRUCTION: u32 = 8;

/// No frame grows by being run.
const LONGEST_FRAME: usize = 4096;

pub(super) fn stats(programs: &Programs) -> Result<ProgramStats, KernelError> {
    let info = programs.xdp()?.info().map_err(failed("ask about"))?;
    Ok(ProgramStats { runs: info.run_count(), time: info.run_time() })
}

pub(super) fn size(programs: &Programs, entry: Entry) -> Result<ProgramSize, KernelError> {
    let info = match entry {
        Entry::Xdp => programs.xdp()?.info(),
        Entry::Tc => programs.tc()?.info(),
    };
    let info = info.map_err(failed("ask about"))?;
    let instructions = info.size_translated().unwrap_or(0) / INSTRUCTION;
    Ok(ProgramSize { instructions, verified: info.verified_instruction_count().filter(|count| *count > 0) })
}

pub(super) fn measure() -> Result<MeasuringRuns, KernelError> {
    enable_stats(Stats::RunTime).map(MeasuringRuns).map_err(failed("measure"))
}

pub(super) fn test_run(
    programs: &Programs,
    entry: Entry,
    frame: &[u8],
    repeat: u32,
) -> Result<TestRun, KernelError> {
    let mut left = vec![0; frame.len().max(LONGEST_FRAME)];
    let options =
        TestRunOptions { data_in: Some(frame), data_out: Some(&mut left), repeat, ..TestRunOptions::new() };
    let result = match entry {
        Entry::Xdp => programs.xdp()?.test_run(options),
        Entry::Tc => programs.tc()?.test_run(options),
    };
    let result = result.map_err(failed("run"))?;
    left.truncate(usize::try_from(result.data_size_out).unwrap_or(usize::MAX));
    let fate = match (entry, result.return_value) {
        (Entry::Xdp, XDP_PASS) | (Entry::Tc, TC_ACT_UNSPEC) => Some(Fate::Passed),
        (Entry::Xdp, XDP_DROP) | (Entry::Tc, TC_ACT_SHOT) => Some(Fate::Dropped),
        (Entry::Xdp, XDP_TX) | (Entry::Tc, TC_ACT_REDIRECT) => Some(Fate::Answered),
        _ => None,
    };
    Ok(TestRun { fate, time: result.duration, frame: left })
}

fn failed<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> KernelError {
    move |source| KernelError::Program { what, source: Box::new(source) }
}
