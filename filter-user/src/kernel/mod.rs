//! The XDP program from userspace: loads it, attaches it, fills its maps, reads its counters and events. The only
//! module that knows aya. Decides no sanction: `peers` does, and enforces it here through [`Enforcer`].
//!
//! # Minimum kernel version
//!
//! 5.15, see [`probe`].

mod allow;
mod attach;
mod counters;
pub mod enforcer;
mod error;
pub mod events;
mod held;
mod hosts;
mod load;
pub mod probe;
mod program;

use std::future::Future;
use std::sync::Arc;

use aya::Ebpf;
use filter_common::{Counter, PrefixLengths, Rate, Timestamp};
use ipnet::IpNet;

use crate::peers::{Enforcer, LocalEnforcer};

pub use attach::{Attached, Mode};
pub use enforcer::KernelEnforcer;
pub use error::KernelError;
pub use events::FirstDrops;
pub use program::{MeasuringRuns, ProgramStats, TestRun};

use allow::AllowMap;
use counters::Counters;
use events::Events;

/// What the kernel program is told.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSettings {
    /// Where it is attached.
    pub interfaces: Vec<String>,
    /// The protected ports.
    pub ports: Vec<u16>,
    /// Networks that are never sanctioned.
    pub allow: Vec<IpNet>,
    /// How much of an address is one peer.
    pub prefixes: PrefixLengths,
    /// New connections of a limited peer.
    pub limit_rate: Rate,
    /// Sanctioned peers that the kernel holds at once.
    pub max_peers: usize,
    /// Authenticated peers that the kernel holds at once.
    pub max_authenticated: usize,
    /// Whether the program logs each of its decisions: for a few packets by hand, never for an attack.
    pub trace: bool,
}

/// The program in the kernel. Dropped, it is detached from every interface.
#[derive(Debug)]
pub struct Kernel {
    program: Ebpf,
    attached: Vec<Attached>,
    enforcer: Arc<KernelEnforcer>,
    counters: Counters,
    events: Option<Events>,
    first_drops: Arc<FirstDrops>,
}

impl Kernel {
    /// Loads the program and attaches it to every interface of the settings, or to none: an error leaves nothing
    /// behind. `local` goes on enforcing what does not come through the program.
    pub fn load(settings: &KernelSettings, local: LocalEnforcer) -> Result<Self, KernelError> {
        probe::require()?;
        let indices = attach::resolve(&settings.interfaces)?;
        let mut program = load::object(settings)?;
        let allow = AllowMap::new(load::take(&mut program, "ALLOW")?, &settings.allow)?;
        let enforcer = Arc::new(KernelEnforcer::new(load::hosts(&mut program, settings)?, allow, local));
        let counters = Counters::new(load::take(&mut program, "COUNTERS")?);
        let first_drops = Arc::new(FirstDrops::default());
        let events = Events::new(&mut program, settings.trace, enforcer.clone(), first_drops.clone())?;
        let attached = attach::all(load::xdp(&mut program)?, &indices)?;
        Ok(Self { program, attached, enforcer, counters, events: Some(events), first_drops })
    }

    /// Puts sanctions in force in the kernel.
    #[must_use]
    pub fn enforcer(&self) -> Arc<dyn Enforcer> {
        self.enforcer.clone()
    }

    /// The same, with what only the kernel's home can tell.
    #[must_use]
    pub fn kernel_enforcer(&self) -> &Arc<KernelEnforcer> {
        &self.enforcer
    }

    /// Where it is attached, and how.
    #[must_use]
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// Every counter, summed over all CPUs.
    pub fn counters(&self) -> Result<Vec<(Counter, u64)>, KernelError> {
        self.counters.read()
    }

    /// Removes what is over at `now` from the kernel's maps, and says how many entries that were. To be called from
    /// time to time: the program itself heeds no entry whose time is over, and removes none.
    pub fn sweep(&self, now: Timestamp) -> usize {
        self.enforcer.sweep(now)
    }

    /// The task that reads the program's events, logs them and keeps [`FirstDrops`]: to be spawned once, on a
    /// tokio runtime. Nothing where it was taken before.
    pub fn run_events(&mut self) -> Option<impl Future<Output = Result<(), KernelError>> + Send + use<>> {
        self.events.take().map(Events::run)
    }

    /// How long it took from blocking a peer to the first packet that it lost by it, as far as [`Self::run_events`]
    /// has read.
    #[must_use]
    pub fn first_drops(&self) -> &Arc<FirstDrops> {
        &self.first_drops
    }

    /// How often the program ran and how long, counted by the kernel while [`Self::measure_runs`] is held.
    pub fn program_stats(&self) -> Result<ProgramStats, KernelError> {
        program::stats(&self.program)
    }

    /// Lets the kernel count runs until the answer is dropped. It costs each run two readings of a clock.
    pub fn measure_runs(&self) -> Result<MeasuringRuns, KernelError> {
        program::measure()
    }

    /// Runs the program on a frame without any interface (`BPF_PROG_TEST_RUN`), `repeat` times.
    pub fn test_run(&self, frame: &[u8], repeat: u32) -> Result<TestRun, KernelError> {
        program::test_run(&self.program, frame, repeat)
    }
}
