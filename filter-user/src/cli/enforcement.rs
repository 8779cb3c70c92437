//! Chooses the home of sanctions: the kernel where it can be had, else this process alone; and says which and why.

use std::sync::Arc;

use filter_common::{Rate, Timestamp};

use crate::config::Config;
use crate::control::SanctionsStatus;
use crate::kernel::{Kernel, KernelSettings, MeasuringRuns};
use crate::peers::{Enforcer, LocalEnforcer};
use crate::telemetry::{Metrics, field, metrics};

/// The homes that sanctions may have, as logs and status name them.
const KERNEL: &str = "kernel";
const PROCESS: &str = "process";

/// Where sanctions are enforced.
pub(super) enum Enforcement {
    /// In the kernel, and here for what does not come through it.
    Kernel {
        kernel: Box<Kernel>,
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
    /// The kernel if an interface was given and it can be had there, for these ports.
    pub(super) fn start(config: &Config, ports: &[u16]) -> Self {
        let local = || LocalEnforcer::new(config.limit_rate, config.max_peers);
        if config.kernel.interfaces.is_empty() {
            let reason = "no interface is set";
            tracing::info!(
                { field::HOME } = PROCESS,
                { field::REASON } = reason,
                "sanctions are enforced when connections are accepted"
            );
            return Self::Process { local: Arc::new(local()), reason: reason.to_owned() };
        }
        let mut ports = ports.to_vec();
        ports.sort_unstable();
        ports.dedup();
        let settings = KernelSettings {
            interfaces: config.kernel.interfaces.clone(),
            ports,
            allow: config.never_sanctioned(),
            prefixes: config.peer_prefixes,
            limit_rate: config.limit_rate,
            max_peers: config.max_peers,
            max_authenticated: config.kernel.max_authenticated,
            trace: false,
        };
        match Kernel::load(
            &settings,
            LocalEnforcer::new(behind_the_kernel(config.limit_rate), config.max_peers),
        ) {
            Ok(kernel) => {
                for attached in kernel.attached() {
                    tracing::info!(
                        { field::HOME } = KERNEL,
                        { field::INTERFACE } = attached.interface,
                        { field::REASON } = %attached.mode,
                        "sanctions are enforced by XDP"
                    );
                }
                let measuring = config.metrics_listen.and_then(|_| kernel.measure_runs().ok());
                Self::Kernel { kernel: Box::new(kernel), _measuring: measuring }
            }
            Err(error) => {
                tracing::warn!(
                    { field::HOME } = PROCESS,
                    { field::REASON } = %error,
                    "XDP is not available: sanctions are enforced when connections are accepted"
                );
                Self::Process { local: Arc::new(local()), reason: error.to_string() }
            }
        }
    }

    /// What puts them in force.
    pub(super) fn enforcer(&self) -> Arc<dyn Enforcer> {
        match self {
            Self::Kernel { kernel, .. } => kernel.enforcer(),
            Self::Process { local, .. } => Arc::clone(local) as Arc<dyn Enforcer>,
        }
    }

    /// Where they are enforced, and why there.
    pub(super) fn status(&self) -> SanctionsStatus {
        let (home, reason) = match self {
            Self::Kernel { kernel, .. } => {
                let attached = kernel.attached().iter();
                let places = attached.map(|attached| format!("{} on {}", attached.mode, attached.interface));
                (KERNEL, places.collect::<Vec<_>>().join(", "))
            }
            Self::Process { reason, .. } => (PROCESS, reason.clone()),
        };
        SanctionsStatus { home: home.to_owned(), reason }
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
        let Self::Kernel { kernel, .. } = self else { return };
        kernel.sweep(now);
        counted.kernel_not_held.absolute(kernel.kernel_enforcer().not_in_kernel());
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

/// The rate for connections that have passed, or gone round, the kernel's limiter: they come a little later than it saw
/// them, so one more may come at once.
fn behind_the_kernel(rate: Rate) -> Rate {
    Rate { tolerance: rate.tolerance.saturating_add(rate.interval), ..rate }
}
