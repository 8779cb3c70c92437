//! Chooses the home of sanctions: the kernel where it can be had, else this process alone; and says which and why.

use std::net::SocketAddr;
use std::sync::Arc;

use filter_common::{Rate, Timestamp};

use crate::config::Config;
use crate::kernel::{Kernel, KernelSettings, MeasuringRuns};
use crate::peers::{Enforcer, LocalEnforcer};
use crate::telemetry::{Metrics, field, metrics};

/// Authenticated hosts that the kernel remembers at once.
const MAX_AUTHENTICATED: usize = 65_536;

/// Where sanctions are enforced.
pub(super) enum Enforcement {
    /// In the kernel, and here for what does not come through it.
    Kernel {
        kernel: Box<Kernel>,
        /// Lets the kernel count runs while somebody reads the metrics.
        _measuring: Option<MeasuringRuns>,
    },
    /// Here.
    Process(Arc<LocalEnforcer>),
}

impl Enforcement {
    /// The kernel if an interface was given and it can be had there.
    pub(super) fn start(config: &Config, addresses: &[SocketAddr]) -> Self {
        let local = || LocalEnforcer::new(config.limit_rate, config.max_peers);
        if config.interfaces.is_empty() {
            tracing::info!(
                { field::HOME } = "process",
                { field::REASON } = "no interface is set",
                "sanctions are enforced when connections are accepted"
            );
            return Self::Process(Arc::new(local()));
        }
        let mut ports: Vec<_> = addresses.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        let settings = KernelSettings {
            interfaces: config.interfaces.clone(),
            ports,
            allow: config.never_sanctioned(),
            prefixes: config.peer_prefixes,
            limit_rate: config.limit_rate,
            max_peers: config.max_peers,
            max_authenticated: MAX_AUTHENTICATED,
            trace: false,
        };
        match Kernel::load(
            &settings,
            LocalEnforcer::new(behind_the_kernel(config.limit_rate), config.max_peers),
        ) {
            Ok(kernel) => {
                for attached in kernel.attached() {
                    tracing::info!(
                        { field::HOME } = "kernel",
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
                    { field::HOME } = "process",
                    { field::REASON } = %error,
                    "XDP is not available: sanctions are enforced when connections are accepted"
                );
                Self::Process(Arc::new(local()))
            }
        }
    }

    /// What puts them in force.
    pub(super) fn enforcer(&self) -> Arc<dyn Enforcer> {
        match self {
            Self::Kernel { kernel, .. } => kernel.enforcer(),
            Self::Process(local) => Arc::clone(local) as Arc<dyn Enforcer>,
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
