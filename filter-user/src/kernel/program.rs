//! Asks the kernel about the program, and runs it without an interface.

use std::os::fd::OwnedFd;
use std::time::Duration;

use aya::programs::{TestRun as _, TestRunOptions};
use aya::sys::{Stats, enable_stats};
use filter_common::Verdict;

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

/// While this is held the kernel counts the runs of every program.
#[derive(Debug)]
pub struct MeasuringRuns(
    #[expect(dead_code, reason = "held, not read: closing it ends the counting")] OwnedFd,
);

/// What became of a frame that was run without an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What would happen to it; nothing where the program gave an answer that it never should.
    pub verdict: Option<Verdict>,
    /// How long one run took, on average.
    pub time: Duration,
}

/// `XDP_DROP` and `XDP_PASS` (linux/bpf.h).
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

pub(super) fn stats(programs: &Programs) -> Result<ProgramStats, KernelError> {
    let info = programs.xdp()?.info().map_err(failed("ask about"))?;
    Ok(ProgramStats { runs: info.run_count(), time: info.run_time() })
}

pub(super) fn measure() -> Result<MeasuringRuns, KernelError> {
    enable_stats(Stats::RunTime).map(MeasuringRuns).map_err(failed("measure"))
}

pub(super) fn test_run(programs: &Programs, frame: &[u8], repeat: u32) -> Result<TestRun, KernelError> {
    let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::new() };
    let result = programs.xdp()?.test_run(options).map_err(failed("run"))?;
    let verdict = match result.return_value {
        XDP_PASS => Some(Verdict::Pass),
        XDP_DROP => Some(Verdict::Drop),
        _ => None,
    };
    Ok(TestRun { verdict, time: result.duration })
}

fn failed<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> KernelError {
    move |source| KernelError::Program { what, source: Box::new(source) }
}
