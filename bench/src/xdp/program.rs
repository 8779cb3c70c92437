//! A loaded XDP program, whosever it is: run on a packet by the kernel, or attached to an interface of ours.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use aya::Ebpf;
use aya::maps::{Map, MapError};
use aya::programs::{ProgramFd, TestRun as _, TestRunOptions, Xdp, XdpMode};
use rustix::time::{ClockId, clock_gettime};

use super::lane::Lane;
use super::memory;

/// What a program says of a packet (linux/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Answer {
    /// `XDP_DROP`
    Drop = 1,
    /// `XDP_PASS`
    Pass = 2,
}

/// Somebody has the kernel take the time of every program's run (`bpf_stats_enabled`), which costs more than some of
/// what is measured.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the kernel takes the time of each run of a program (sysctl kernel.bpf_stats_enabled, or another process)"
)]
pub(super) struct RunsCounted;

/// A program with its maps.
pub(super) struct Program {
    ebpf: Ebpf,
    name: &'static str,
}

impl Program {
    /// Has the kernel verify the program `name` of an object.
    pub(super) fn load(mut ebpf: Ebpf, name: &'static str) -> anyhow::Result<Self> {
        xdp(&mut ebpf, name)?.load().with_context(|| format!("the kernel refuses the program {name}"))?;
        Ok(Self { ebpf, name })
    }

    /// Its descriptor, for another program to go on with it.
    pub(super) fn descriptor(&mut self) -> anyhow::Result<ProgramFd> {
        let program = xdp(&mut self.ebpf, self.name)?;
        program.fd()?.try_clone().with_context(|| format!("no descriptor of {}", self.name))
    }

    /// One of its maps.
    pub(super) fn map<'a, M>(&'a mut self, name: &str) -> anyhow::Result<M>
    where
        M: TryFrom<&'a mut Map, Error = MapError>,
    {
        let map = self.ebpf.map_mut(name).with_context(|| format!("{} has no map {name}", self.name))?;
        M::try_from(map).with_context(|| format!("the map {name} of {}", self.name))
    }

    /// One of its maps, to keep.
    pub(super) fn take<M>(&mut self, name: &str) -> anyhow::Result<M>
    where
        M: TryFrom<Map, Error = MapError>,
    {
        let map = self.ebpf.take_map(name).with_context(|| format!("{} has no map {name}", self.name))?;
        M::try_from(map).with_context(|| format!("the map {name} of {}", self.name))
    }

    /// Octets of memory of the kernel that one of its maps has.
    pub(super) fn memory(&self, name: &str) -> anyhow::Result<u64> {
        memory::of(self.descriptor_of(name)?)
    }

    /// The descriptor of one of its maps.
    pub(super) fn descriptor_of(&self, name: &str) -> anyhow::Result<BorrowedFd<'_>> {
        let map = self.ebpf.map(name).with_context(|| format!("{} has no map {name}", self.name))?;
        let (Map::HashMap(data) | Map::Array(data)) = map else {
            bail!("the map {name} of {} is of another kind", self.name);
        };
        Ok(data.fd().as_fd())
    }

    /// Attaches it to the receiving end of a link, in the driver. It stays there as long as both live.
    pub(super) fn attach(&mut self, lane: &Lane) -> anyhow::Result<()> {
        let program = xdp(&mut self.ebpf, self.name)?;
        program
            .attach_to_if_index(lane.receiver_index(), XdpMode::Driver)
            .with_context(|| format!("cannot attach {} to {}", self.name, lane.receiver()))?;
        Ok(())
    }

    /// Runs it so often on a packet, and says what a run took of this thread's CPU time, in nanoseconds; an error where
    /// the last run did not answer as expected.
    pub(super) fn run(&mut self, frame: &[u8], runs: u32, expected: Answer) -> anyhow::Result<f64> {
        let program = xdp(&mut self.ebpf, self.name)?;
        let options = TestRunOptions { data_in: Some(frame), repeat: runs, ..TestRunOptions::new() };
        let counted = run_time(program)?;
        let before = cpu_time();
        let result =
            program.test_run(options).with_context(|| format!("the kernel does not run {}", self.name))?;
        let spent = cpu_time().saturating_sub(before);
        ensure!(run_time(program)? == counted, RunsCounted);
        ensure!(
            result.return_value == expected as u32,
            "{} answered {} where {expected:?} was expected: what was measured is not what is meant",
            self.name,
            result.return_value
        );
        Ok(spent.as_secs_f64() * 1e9 / f64::from(runs))
    }

    /// What the kernel has counted of its runs: where that has grown, what was measured meanwhile is void.
    pub(super) fn counted(&mut self) -> anyhow::Result<Duration> {
        run_time(xdp(&mut self.ebpf, self.name)?)
    }

    /// Runs it on packets that are then sent, in batches, as having come from the interface `index`.
    pub(super) fn run_live(&mut self, frame: &[u8], packets: u32, index: u32) -> anyhow::Result<()> {
        let length = u32::try_from(frame.len())?;
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
        let context: Vec<u8> = [0, length, 0, index, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: Some(&context),
            repeat: packets,
            attrs: aya::programs::TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::new()
        };
        let program = xdp(&mut self.ebpf, self.name)?;
        program
            .test_run(options)
            .with_context(|| format!("the kernel does not send what {} makes", self.name))?;
        Ok(())
    }
}

/// Packets that the kernel makes before it sends them.
const BATCH: u32 = 64;

/// What the kernel says that a program's runs took, which it only counts while somebody has it do so.
fn run_time(program: &Xdp) -> anyhow::Result<Duration> {
    Ok(program.info().context("the kernel says nothing of a program")?.run_time())
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Xdp> {
    let program = ebpf.program_mut(name).with_context(|| format!("the object has no program {name}"))?;
    program.try_into().with_context(|| format!("{name} is no XDP program"))
}

/// CPU time of this thread: what others run meanwhile on the same CPU is not in it.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
