//! Chooses the home of sanctions: the kernel where it can be had, else this process alone; and says which and why.

use std::path::Path;
use std::sync::Arc;

use filter_common::table::Kind;
use filter_common::{BlockAction, Rate, Timestamp};

use crate::config::{self, Config, Hook};
use crate::control::{InterfaceStatus, SanctionsStatus};
use crate::kernel::{
    Attached, Captures, Growing, HostFigures, Kernel, KernelError, KernelSettings, KindFigures,
    MeasuringRuns, PinFault, Standing,
};
use crate::peers::{Enforcer, LocalEnforcer, Register};
use crate::telemetry::label::{HostKind, HostState};
use crate::telemetry::{KernelTableMetrics, Metrics, field, metrics};

/// The homes that sanctions may have, as logs and status name them.
const KERNEL: &str = "kernel";
const PROCESS: &str = "process";

/// This program, even where its file was replaced meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Where sanctions are enforced.
pub(super) enum Enforcement {
    /// In the kernel, and here for what does not come through it.
    Kernel {
        kernel: Box<Kernel>,
        table: Box<KernelTableMetrics>,
        /// Lets the kernel count runs while somebody reads the metrics.
        _measuring: Option<MeasuringRuns>,
    },
    /// Here.
    Process {
        local: Arc<LocalEnforcer>,
        /// Why not in the kernel.
        reason: String,
    },
}

impl Enforcement {
    /// The kernel if an interface was given and it can be had there, for these ports. That another daemon has the pin
    /// directory is an error; whatever else keeps the kernel from helping, is a reason to enforce here.
    pub(super) fn start(
        config: &Config,
        ports: &[u16],
        owner: Option<(u32, u32)>,
    ) -> Result<Self, KernelError> {
        let idle = match config.kernel.hook {
            Hook::None => Some("hook = none"),
            _ if config.kernel.interfaces.is_empty() => Some("no interface is set"),
            _ => None,
        };
        if let Some(reason) = idle {
            tracing::info!(
                { field::HOME } = PROCESS,
                { field::REASON } = reason,
                "sanctions are enforced when connections are accepted"
            );
            tell_what_is_left(config);
            return Ok(Self::here(config, reason.to_owned()));
        }
        match start_or_open(config, &kernel_settings(config, ports, owner)) {
            Ok(kernel) => {
                let measuring = config.metrics_listen.and_then(|_| kernel.measure_runs().ok());
                let table = Box::new(KernelTableMetrics::new());
                Ok(Self::Kernel { kernel: Box::new(kernel), table, _measuring: measuring })
            }
            Err(error @ KernelError::Pins(PinFault::InUse { .. })) => Err(error),
            Err(error) => {
                tracing::warn!(
                    { field::HOME } = PROCESS,
                    { field::REASON } = %error,
                    "the kernel does not help: sanctions are enforced when connections are accepted"
                );
                tell_what_is_left(config);
                Ok(Self::here(config, error.to_string()))
            }
        }
    }

    fn here(config: &Config, reason: String) -> Self {
        let local = LocalEnforcer::new(config.limit_rate, config.max_peers);
        Self::Process { local: Arc::new(local), reason }
    }

    /// What puts them in force.
    pub(super) fn enforcer(&self) -> Arc<dyn Enforcer> {
        match self {
            Self::Kernel { kernel, .. } => kernel.enforcer(),
            Self::Process { local, .. } => Arc::clone(local) as Arc<dyn Enforcer>,
        }
    }

    /// What an earlier process had exempt stays so until now, when it is known who is.
    pub(super) fn settle_exempt(&self, register: &Register) {
        if let Self::Kernel { kernel, .. } = self {
            kernel.kernel_enforcer().settle_exempt(|network| register.is_allowed_by_hand(network));
        }
    }

    /// Whether the kernel enforces.
    pub(super) fn is_in_kernel(&self) -> bool {
        matches!(self, Self::Kernel { .. })
    }

    /// Where they are enforced, and why there, whenever it is asked.
    pub(super) fn status(&self) -> Box<dyn Fn() -> SanctionsStatus + Send + Sync> {
        match self {
            Self::Kernel { kernel, .. } => {
                let standing = kernel.standing_later();
                Box::new(move || {
                    let standing = standing();
                    let places: Vec<_> = standing.iter().map(ToString::to_string).collect();
                    let interfaces = standing.into_iter().map(interface_status).collect();
                    SanctionsStatus { home: KERNEL.to_owned(), reason: places.join("; "), interfaces }
                })
            }
            Self::Process { reason, .. } => {
                let (home, reason) = (PROCESS.to_owned(), reason.clone());
                let status = SanctionsStatus { home, reason, interfaces: Vec::new() };
                Box::new(move || status.clone())
            }
        }
    }

    /// The task that follows interfaces which come and go.
    pub(super) fn follow(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let Self::Kernel { kernel, .. } = self else { return None };
        let following = kernel.follow();
        Some(async move {
            if let Err(error) = following.await {
                tracing::error!({ field::ERROR } = %error, "interfaces that come and go are not followed any more");
            }
        })
    }

    /// Who captures what the kernel drops; once.
    pub(super) fn captures(&mut self) -> Option<Captures> {
        match self {
            Self::Kernel { kernel, .. } => kernel.captures(),
            Self::Process { .. } => None,
        }
    }

    /// The task that reads what the kernel program tells; once.
    pub(super) fn events(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let Self::Kernel { kernel, .. } = self else { return None };
        let events = kernel.run_events()?;
        Some(async move {
            if let Err(error) = events.await {
                tracing::error!({ field::ERROR } = %error, "the kernel program's events are not read any more");
            }
        })
    }

    /// Sweeps what is over, and sets the kernel's metrics.
    pub(super) fn keep_house(&self, counted: &Metrics, now: Timestamp) {
        let Self::Kernel { kernel, table, .. } = self else { return };
        kernel.sweep(now);
        let figures = kernel.kernel_enforcer().figures();
        counted.kernel_not_held.absolute(figures.not_held);
        tell(table, &figures);
        if let Ok(counters) = kernel.counters() {
            for (counter, value) in counters {
                metrics::kernel_packets(counter.name()).absolute(value);
            }
        }
        if let Ok(stats) = kernel.program_stats() {
            counted.kernel_runs.absolute(stats.runs);
            counted.kernel_run_nanoseconds.absolute(u64::try_from(stats.time.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

fn interface_status(standing: Standing) -> InterfaceStatus {
    match standing {
        Standing::Attached(Attached { interface, mode, .. }) => {
            let (hook, mode) = mode.words();
            InterfaceStatus { interface, hook: Some(hook.to_owned()), mode: Some(mode.to_owned()) }
        }
        Standing::Absent { interface } | Standing::Refused { interface, .. } => {
            InterfaceStatus { interface, hook: None, mode: None }
        }
    }
}

/// Sets the metrics of the kernel's table of hosts.
fn tell(table: &KernelTableMetrics, figures: &HostFigures) {
    for KindFigures { kind, wanted, installed } in figures.kinds {
        let kind = match kind {
            Kind::Limited => HostKind::Limited,
            Kind::Blocked => HostKind::Blocked,
            Kind::Authenticated => HostKind::Authenticated,
        };
        table.hosts(HostState::Wanted, kind).set(wanted as f64);
        table.hosts(HostState::Installed, kind).set(installed as f64);
    }
    table.in_table.set(figures.kinds.iter().map(|of_kind| of_kind.installed).sum::<usize>() as f64);
    table.capacity.set(figures.capacity as f64);
    table.networks.set(figures.limited_networks as f64);
    table.differences.set(figures.differences as f64);
    table.repaired.absolute(figures.repaired);
    table.evicted.absolute(figures.evicted);
}

/// Loads the program; where that is not permitted, works on what `relaygate load` has pinned.
fn start_or_open(config: &Config, settings: &KernelSettings) -> Result<Kernel, KernelError> {
    let started = Kernel::start(settings, behind_the_kernel(config));
    let Err(unprivileged @ (KernelError::NoPrivilege { .. } | KernelError::NotPermitted)) = started else {
        return started;
    };
    match Kernel::open(settings, behind_the_kernel(config)) {
        // Then the privilege is what is missing.
        Err(KernelError::NothingPinned) => Err(unprivileged),
        opened => opened,
    }
}

/// What the kernel is told.
pub(super) fn kernel_settings(config: &Config, ports: &[u16], owner: Option<(u32, u32)>) -> KernelSettings {
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    ports.dedup();
    KernelSettings {
        interfaces: config.kernel.interfaces.clone(),
        hook: config.kernel.hook,
        ports,
        addresses: config.kernel.protect_addresses.clone(),
        allow: config.never_sanctioned(),
        prefixes: config.peer_prefixes,
        limit_rate: config.limit_rate,
        network_rate: config.kernel.network_rate,
        network_threshold: config.kernel.network_threshold,
        syn_limit: config.kernel.syn_limit(),
        syn_limit_peers: config.kernel.syn_limit_peers,
        block_action: block_action(config.kernel.block_action),
        reply_rate: config.kernel.reply_rate,
        max_peers: config.max_peers,
        max_authenticated: config.kernel.max_authenticated,
        authenticated_max: config.kernel.authenticated_max,
        growing: Growing::Beside { program: OWN_PROGRAM.into(), user: config.kernel.user.clone() },
        pins: config.kernel.pins.clone(),
        owner,
        log_level: config.kernel.log,
    }
}

fn block_action(configured: config::BlockAction) -> BlockAction {
    match configured {
        config::BlockAction::Drop => BlockAction::Drop,
        config::BlockAction::Reset => BlockAction::Reset,
        config::BlockAction::Tarpit => BlockAction::Tarpit,
    }
}

/// Enforces what does not come through the kernel's part. Connections that have passed, or gone round, the kernel's limiter
/// come a little later than it saw them, so one more may come at once.
pub(super) fn behind_the_kernel(config: &Config) -> LocalEnforcer {
    let rate = config.limit_rate;
    let rate = Rate { tolerance: rate.tolerance.saturating_add(rate.interval), ..rate };
    LocalEnforcer::new(rate, config.max_peers)
}

/// A program goes on where nobody takes it over or off.
fn tell_what_is_left(config: &Config) {
    if let Some(left) = Left::find(config.kernel.pins.as_deref()) {
        tracing::warn!({ field::INTERFACE } = left.0, "{}", Left::ADVICE);
    }
}

/// An error of a process that ends with it, and says where a program goes on then.
pub(super) fn with_what_is_left(error: anyhow::Error, pins: Option<&Path>) -> anyhow::Error {
    match Left::find(pins) {
        Some(left) => error.context(format!("{} ({})", Left::ADVICE, left.0)),
        None => error,
    }
}

/// The interfaces where a program is attached that no process looks after.
struct Left(String);

impl Left {
    const ADVICE: &str = "relaygate's program is still attached, and nobody can lift what it enforces: \
                          `relaygate detach` takes it off";

    fn find(pins: Option<&Path>) -> Option<Self> {
        // Where another daemon has it, or this one may not look, there is nothing to say.
        let interfaces = Kernel::left(pins?).unwrap_or_default();
        (!interfaces.is_empty()).then(|| Self(interfaces.join(", ")))
    }
}
