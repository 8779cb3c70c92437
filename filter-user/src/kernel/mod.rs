//! The kernel program from userspace: loads it, attaches it, fills its maps, reads its counters and events. The only
//! module that knows aya. Decides no sanction: `peers` does, and enforces it here through [`Enforcer`].
//!
//! # Minimum kernel version
//!
//! 5.15, see [`probe`].

mod adopt;
mod aggregates;
mod allow;
mod authenticated;
mod bpffs;
mod captured;
mod captures;
mod control;
mod counters;
pub mod enforcer;
mod error;
pub mod events;
mod follow;
mod generation;
mod generation_maker;
mod growing_table;
pub mod growth;
mod hook;
mod hosts;
mod interface;
mod link;
mod load;
mod maps;
pub mod needs;
mod networks;
#[cfg(test)]
mod object;
mod pin;
mod pin_fault;
mod places;
pub mod probe;
mod program;
mod programs;
mod reconcile;
mod settings;
mod staged;
pub mod survey;
#[cfg(test)]
mod testing;

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aya::maps::{ArrayOfMaps, HashMap, MapData};
use filter_common::{Counter, PeerKey, Timestamp};

use crate::config::KernelLog;
use crate::peers::{Enforcer, LocalEnforcer};

pub use captured::CapturedPackets;
pub use captures::{Busy, Captures};
pub use enforcer::{HostFigures, KernelEnforcer, KindFigures};
pub use error::KernelError;
pub use events::FirstDrops;
pub use generation_maker::{Growing, make_generation};
pub use hook::{Mode, PassedOver};
pub use pin_fault::PinFault;
pub use places::{Attached, Standing};
pub use program::{Entry, Fate, MeasuringRuns, ProgramSize, ProgramStats, TestRun};
pub use settings::KernelSettings;

use adopt::Adopted;
use aggregates::Aggregates;
use allow::{ALLOW, AllowMap, Allowed};
use control::ControlPage;
use counters::Counters;
use events::Events;
use generation::HOSTS;
use generation_maker::{GenerationMaker, Source};
use growing_table::GrowingTable;
use hosts::{Bounds, HostTable};
use link::Found;
use maps::Maps;
use networks::Networks;
use pin::Pins;
use places::{Places, Shared};
use programs::Programs;
use staged::Staged;

/// The program in the kernel. Dropped, it is detached from every interface, unless it is pinned.
pub struct Kernel {
    places: Shared,
    control: Arc<ControlPage>,
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
        let adopted = Adopted::look(settings, pins.as_ref())?;
        let mut ebpf = load::object(settings, &adopted, pins.as_ref())?;
        // What can fail comes before anything takes the place of what is in force.
        let staged = pins.as_ref().map(Staged::new).transpose()?;
        if let Some(staged) = &staged {
            maps::stage(&mut ebpf, &adopted, settings.prefixes, staged)?;
            settings::stage(&ebpf, settings, staged)?;
            programs::stage(&mut ebpf, staged)?;
        }
        let trace = match settings.log_level {
            KernelLog::Off => None,
            _ => Some(events::read_trace(&mut ebpf)?),
        };
        let mut maps = Maps::Loaded(&mut ebpf);
        let mut hosts = maps.take(HOSTS)?;
        adopted.generation.put(&mut hosts)?;
        let own_pins = pins.as_ref().map(Pins::another).transpose()?;
        let at = Self::of(&mut maps, Some(hosts), own_pins, trace, adopted, settings, local)?;
        if let Some(staged) = staged {
            maps::commit(&ebpf, staged)?;
        }
        let programs = Programs::Loaded(Box::new(ebpf));
        let places = Places::occupy(programs, pins, settings.hook, &settings.interfaces)?;
        places.hand_over(settings.owner)?;
        Ok(at(places))
    }

    /// Works on what `relaygate load` has pinned, with the same settings. Needs no privilege, and can change nothing that is
    /// loaded.
    pub fn open(settings: &KernelSettings, local: LocalEnforcer) -> Result<Self, KernelError> {
        let path = settings.pins.as_deref().ok_or(KernelError::NothingPinned)?;
        let pins = Pins::existing(path)?.ok_or(KernelError::NothingPinned)?;
        settings::require(settings, &pins)?;
        let adopted = Adopted::whole(settings, &pins)?;
        let programs = Programs::pinned(&pins)?;
        let at = Self::of(&mut Maps::Pinned(&pins), None, None, None, adopted, settings, local)?;
        let places = Places::occupy(programs, Some(pins), settings.hook, &settings.interfaces)?;
        Ok(at(places))
    }

    /// What works on these maps, as soon as it is known where the program is. All is in the maps before it is anywhere.
    fn of(
        maps: &mut Maps<'_>,
        hosts: Option<ArrayOfMaps<MapData, MapData>>,
        pins: Option<Pins>,
        trace: Option<events::Reading>,
        adopted: Adopted,
        settings: &KernelSettings,
        local: LocalEnforcer,
    ) -> Result<impl FnOnce(Places) -> Self + use<>, KernelError> {
        let control = Arc::new(ControlPage::new(&maps.take_array(maps::CONTROL)?)?);
        let captured = CapturedPackets::new(maps.take("CAPTURED")?);
        let arrivals = maps.take("ARRIVALS")?;
        let networks =
            Networks::new(maps.take("NETWORKS")?, control.clone()).map_err(KernelError::map("NETWORKS"))?;
        let aggregates = Aggregates::new(settings.network_threshold, settings.prefixes, Box::new(networks));
        let largest = settings.largest_generation();
        let is_started = hosts.is_some();
        let source = if is_started { Source::start(&settings.growing, largest)? } else { Source::None };
        let memory = adopted.generation.memory()?;
        let maker = Arc::new(Mutex::new(GenerationMaker::new(hosts, source, pins, adopted.generation)));
        let table = GrowingTable::new(memory, adopted.seed, largest, control.clone(), maker)
            .map_err(KernelError::mapped(HOSTS))?;
        let bounds = Bounds {
            max_peers: settings.max_peers,
            max_authenticated: settings.max_authenticated,
            authenticated_max: settings.authenticated_max,
        };
        let allowed = Allowed::new(settings.allow.iter().chain(&adopted.exempt), settings.prefixes);
        let hosts = HostTable::new(table, aggregates, allowed, bounds);
        let allow = AllowMap::new(maps.take(ALLOW)?, &settings.allow, adopted.exempt)?;
        let enforcer = Arc::new(KernelEnforcer::new(hosts, Box::new(allow), local, control::boot_now()));
        if adopted.is_old {
            let [limited, blocked, authenticated] = enforcer.figures().kinds.map(|of_kind| of_kind.installed);
            tracing::info!(
                "what an earlier relaygate left in the kernel is taken over: {blocked} blocked, {limited} limited, \
                 {authenticated} authenticated"
            );
        }
        if is_started && settings.growing == Growing::Never {
            enforcer.grow_whole().map_err(|refused| KernelError::mapped(HOSTS)(io::Error::other(refused)))?;
        }
        let counters = Counters::new(maps.take("COUNTERS")?);
        let first_drops = Arc::new(FirstDrops::default());
        let events = Events::new(maps.take("EVENTS")?, trace, enforcer.clone(), first_drops.clone());
        Ok(move |places| Self {
            places: Shared::new(places),
            control,
            captured: Some(captured),
            arrivals,
            enforcer,
            counters,
            events: Some(events),
            first_drops,
        })
    }

    /// The interfaces where an earlier process has left a program pinned there that nobody looks after.
    pub fn left(pins: &Path) -> Result<Vec<String>, KernelError> {
        let Some(pins) = Pins::existing(pins)? else { return Ok(Vec::new()) };
        let mut interfaces = pins.links()?;
        interfaces.extend(pins.filters()?);
        Ok(interfaces)
    }

    /// Takes everything off that is pinned there: links, and with them the program from its interfaces, maps, and the
    /// directory. Whether there was anything.
    pub fn detach(pins: &Path) -> Result<bool, KernelError> {
        // Its lock comes first: nothing is taken from under a daemon that runs.
        let Some(pins) = Pins::existing(pins)? else { return Ok(false) };
        for interface in pins.filters()? {
            link::remove_filter(&interface, Some(&pins))?;
        }
        let look = |interface: String| Ok(Found::look(&pins, &interface)?.map(|found| (interface, found)));
        let found: Vec<_> = pins
            .links()?
            .into_iter()
            .filter_map(|interface| look(interface).transpose())
            .collect::<Result<_, KernelError>>()?;
        Found::take_off(found, || pins.clear())?;
        Ok(true)
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
    /// time to time: the program itself heeds no entry whose time is over, and removes none; and it learns here how long
    /// the machine was suspended.
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

    /// Captures one of so many dropped packets of a peer into `CAPTURED`; nothing where none is asked for.
    pub fn capture(&self, wanted: Option<(PeerKey, u64)>) {
        self.control.capture(wanted);
    }

    /// Who captures packets for others; nothing where the captured packets were taken before.
    pub fn captures(&mut self) -> Option<Captures> {
        self.captured.take().map(|packets| Captures::new(Arc::clone(&self.control), packets))
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
