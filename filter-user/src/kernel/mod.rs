//! The XDP program from userspace: loads it, attaches it, fills its maps, reads its counters and events. The only
//! module that knows aya. Decides no sanction: `peers` does, and enforces it here through [`Enforcer`].
//!
//! # Minimum kernel version
//!
//! 5.15, see [`probe`].

mod allow;
mod allowed;
mod bpffs;
mod captured;
mod control;
mod counters;
pub mod enforcer;
mod error;
pub mod events;
mod follow;
mod held;
mod hook;
mod hosts;
mod interface;
mod link;
mod load;
mod networks;
mod pin;
mod pin_fault;
mod places;
pub mod probe;
mod program;
mod programs;

use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::{HashMap, MapData};
use filter_common::table::Seed;
use filter_common::{BlockAction, Counter, PeerKey, PrefixLengths, Rate, Timestamp};
use ipnet::IpNet;

use crate::peers::{Enforcer, LocalEnforcer};

pub use captured::CapturedPackets;
pub use enforcer::KernelEnforcer;
pub use error::KernelError;
pub use events::FirstDrops;
pub use hook::{Mode, PassedOver};
pub use pin_fault::PinFault;
pub use places::{Attached, Standing};
pub use program::{Entry, Fate, MeasuringRuns, ProgramSize, ProgramStats, TestRun};

use allow::AllowMap;
use control::ControlPage;
use counters::Counters;
use events::Events;
use networks::Networks;
use pin::Pins;
use places::{Places, Shared};
use programs::Programs;

use crate::config::{Hook, KernelLog};

/// What the kernel program is told.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSettings {
    /// Where it is attached, there or as soon as they are there.
    pub interfaces: Vec<String>,
    /// At which hook.
    pub hook: Hook,
    /// The protected ports.
    pub ports: Vec<u16>,
    /// Protected addresses of ours; all, where none is named.
    pub addresses: Vec<IpAddr>,
    /// Networks that are never sanctioned.
    pub allow: Vec<IpNet>,
    /// How much of an address is one peer.
    pub prefixes: PrefixLengths,
    /// New connections of a limited peer.
    pub limit_rate: Rate,
    /// New connections of a limited network.
    pub network_rate: Rate,
    /// How many blocked peers limit the network that they are in; 0: any number does not.
    pub network_threshold: u32,
    /// New connections of every other peer, where those are limited.
    pub syn_limit: Option<Rate>,
    /// How many peers that limit counts at once.
    pub syn_limit_peers: usize,
    /// What becomes of a blocked peer's packets.
    pub block_action: BlockAction,
    /// How many of them are answered in all.
    pub reply_rate: Rate,
    /// Sanctioned peers that the kernel holds at once.
    pub max_peers: usize,
    /// Authenticated peers that the kernel holds at once.
    pub max_authenticated: usize,
    /// Where it is pinned, so that it outlasts the process.
    pub pins: Option<PathBuf>,
    /// The user and group that own what is pinned, where that is not who pins it.
    pub owner: Option<(u32, u32)>,
    /// What the program logs of single packets.
    pub log_level: KernelLog,
}

/// The program in the kernel. Dropped, it is detached from every interface, unless it is pinned.
pub struct Kernel {
    places: Shared,
    control: ControlPage,
    networks: Networks,
    captured: Option<CapturedPackets>,
    arrivals: HashMap<MapData, PeerKey, u64>,
    enforcer: Arc<KernelEnforcer>,
    counters: Counters,
    events: Option<Events>,
    first_drops: Arc<FirstDrops>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("places", &self.places)
            .field("enforcer", &self.enforcer)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// Loads the program and puts it in force on the interfaces of the settings, in place of one that is pinned for
    /// them. All that needs privilege is done here. An error leaves in force what was. `local` goes on enforcing what
    /// does not come through the program.
    pub fn start(settings: &KernelSettings, local: LocalEnforcer) -> Result<Self, KernelError> {
        probe::require()?;
        let pins = settings.pins.as_deref().map(Pins::prepare).transpose()?;
        let seed = seed()?;
        let mut ebpf = load::object(settings, seed)?;
        if let Some(pins) = &pins {
            load::pin(&ebpf, pins)?;
        }
        let control = load::control(&mut ebpf)?;
        let networks = Networks::new(load::take(&mut ebpf, "NETWORKS")?);
        let captured = Some(CapturedPackets::new(load::take(&mut ebpf, "CAPTURED")?));
        let arrivals = load::take(&mut ebpf, "ARRIVALS")?;
        let hosts = load::hosts(&mut ebpf, settings, seed, &control)?;
        let allow = AllowMap::new(load::take(&mut ebpf, "ALLOW")?, &settings.allow)?;
        let enforcer = Arc::new(KernelEnforcer::new(hosts, allow, local));
        let counters = Counters::new(load::take(&mut ebpf, "COUNTERS")?);
        let first_drops = Arc::new(FirstDrops::default());
        let events = Events::new(
            &mut ebpf,
            settings.log_level != KernelLog::Off,
            enforcer.clone(),
            first_drops.clone(),
        )?;
        let programs = Programs::Loaded(Box::new(ebpf));
        let mut places = Places::occupy(programs, pins, settings.hook, &settings.interfaces)?;
        places.hand_over(settings.owner)?;
        Ok(Self {
            places: Shared::new(places),
            control,
            networks,
            captured,
            arrivals,
            enforcer,
            counters,
            events: Some(events),
            first_drops,
        })
    }

    /// The interfaces where an earlier process has left a program pinned there that nobody looks after.
    pub fn left(pins: &Path) -> Result<Vec<String>, KernelError> {
        Ok(Pins::existing(pins)?.map(|pins| pins.links()).transpose()?.unwrap_or_default())
    }

    /// Takes everything off that is pinned there: links, and with them the program from its interfaces, maps, and the
    /// directory. Whether there was anything.
    pub fn detach(pins: &Path) -> Result<bool, KernelError> {
        hook::remove_filters();
        match Pins::existing(pins)? {
            Some(pins) => pins.clear().map(|()| true).map_err(KernelError::from),
            None => Ok(false),
        }
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
    pub fn attached(&self) -> Vec<Attached> {
        let standing = self.standing().into_iter();
        standing
            .filter_map(|standing| if let Standing::Attached(it) = standing { Some(it) } else { None })
            .collect()
    }

    /// How it stands now with each interface of the settings.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        self.places.read().standing()
    }

    /// The same, for who asks when this is elsewhere.
    pub fn standing_later(&self) -> impl Fn() -> Vec<Standing> + Send + Sync + use<> {
        let places = self.places.clone();
        move || places.read().standing()
    }

    /// The task that follows interfaces which come and go: to be spawned once, on a tokio runtime. It ends with an
    /// error alone.
    pub fn follow(&self) -> impl Future<Output = Result<(), KernelError>> + Send + use<> {
        follow::follow(self.places.clone())
    }

    /// Every counter, summed over all CPUs.
    pub fn counters(&self) -> Result<Vec<(Counter, u64)>, KernelError> {
        self.counters.read()
    }

    /// Removes what is over at `now` from the kernel's table, and says how many entries that were. To be called from
    /// time to time, also because the program learns here how long the machine was suspended: the program itself heeds no entry whose time is over, and removes none.
    pub fn sweep(&self, now: Timestamp) -> usize {
        self.control.tell_boot_offset();
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
        program::stats(self.places.read().programs())
    }

    /// How large an entry point of the program is.
    pub fn program_size(&self, entry: Entry) -> Result<ProgramSize, KernelError> {
        program::size(self.places.read().programs(), entry)
    }

    /// Lets the kernel count runs until the answer is dropped. It costs each run two readings of a clock.
    pub fn measure_runs(&self) -> Result<MeasuringRuns, KernelError> {
        program::measure()
    }

    /// Limits a whole network until then.
    pub fn limit_network(&mut self, network: &IpNet, until: Timestamp) -> Result<(), KernelError> {
        self.networks.limit(network, until, &self.control)
    }

    /// Lifts a network's limit.
    pub fn lift_network(&mut self, network: &IpNet) -> Result<(), KernelError> {
        self.networks.lift(network, &self.control)
    }

    /// Captures one of so many dropped packets of a peer into `CAPTURED`; nothing where none is asked for.
    pub fn capture(&self, wanted: Option<(PeerKey, u64)>) {
        self.control.capture(wanted);
    }

    /// The captured packets; nothing where they were taken before.
    pub fn take_captured(&mut self) -> Option<CapturedPackets> {
        self.captured.take()
    }

    /// How many peers the SYN limit counts at the moment.
    #[must_use]
    pub fn syn_limited_peers(&self) -> usize {
        self.arrivals.keys().filter_map(Result::ok).count()
    }

    /// Runs the program on a frame without any interface (`BPF_PROG_TEST_RUN`), `repeat` times.
    pub fn test_run(&self, entry: Entry, frame: &[u8], repeat: u32) -> Result<TestRun, KernelError> {
        program::test_run(self.places.read().programs(), entry, frame, repeat)
    }
}

/// A secret for the table of hosts: nobody outside shall know who lies where.
fn seed() -> Result<Seed, KernelError> {
    let mut octets = [[0; 4]; 4];
    for word in &mut octets {
        rustix::rand::getrandom(&mut word[..], rustix::rand::GetRandomFlags::empty())
            .map_err(|source| KernelError::Program { what: "seed", source: Box::new(source) })?;
    }
    Ok(Seed(octets.map(u32::from_ne_bytes)))
}
