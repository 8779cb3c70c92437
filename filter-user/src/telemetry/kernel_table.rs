//! The metrics of the kernel's table of hosts, which are set as it is swept. Where sanctions are not enforced in the kernel,
//! there are none of these.

use ::metrics::{Counter, Gauge};

use super::label::{HostKind, HostState, Label as _};
use super::metric;

/// The gauges and counters, looked up once.
pub struct KernelTableMetrics {
    hosts: [[Gauge; HostKind::NAMES.len()]; HostState::NAMES.len()],
    /// See [`metric::KERNEL_DIFFERENCES`].
    pub differences: Gauge,
    /// See [`metric::KERNEL_REPAIRED`].
    pub repaired: Counter,
    /// See [`metric::KERNEL_AUTHENTICATED_EVICTED`].
    pub evicted: Counter,
    /// See [`metric::KERNEL_TABLE_HOSTS`].
    pub in_table: Gauge,
    /// See [`metric::KERNEL_TABLE_CAPACITY`].
    pub capacity: Gauge,
    /// See [`metric::KERNEL_NETWORKS_LIMITED`].
    pub networks: Gauge,
}

impl KernelTableMetrics {
    /// Looks all of them up in the installed recorder.
    #[must_use]
    pub fn new() -> Self {
        let hosts = |state: usize, kind: usize| {
            let (state, kind) = (HostState::NAMES[state], HostKind::NAMES[kind]);
            ::metrics::gauge!(metric::KERNEL_HOSTS.name, "state" => state, "kind" => kind)
        };
        let gauge = |metric: &metric::Metric| ::metrics::gauge!(metric.name);
        Self {
            hosts: std::array::from_fn(|state| std::array::from_fn(|kind| hosts(state, kind))),
            differences: gauge(&metric::KERNEL_DIFFERENCES),
            repaired: ::metrics::counter!(metric::KERNEL_REPAIRED.name),
            evicted: ::metrics::counter!(metric::KERNEL_AUTHENTICATED_EVICTED.name),
            in_table: gauge(&metric::KERNEL_TABLE_HOSTS),
            capacity: gauge(&metric::KERNEL_TABLE_CAPACITY),
            networks: gauge(&metric::KERNEL_NETWORKS_LIMITED),
        }
    }

    /// See [`metric::KERNEL_HOSTS`].
    pub fn hosts(&self, state: HostState, kind: HostKind) -> &Gauge {
        &self.hosts[state.index()][kind.index()]
    }
}

impl Default for KernelTableMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for KernelTableMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelTableMetrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn each_side_and_kind_has_its_own_gauge() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        ::metrics::with_local_recorder(&recorder, || {
            let metrics = KernelTableMetrics::new();
            metrics.hosts(HostState::Wanted, HostKind::Blocked).set(7.0);
            metrics.hosts(HostState::Installed, HostKind::Blocked).set(5.0);
        });
        let page = page.render();
        for (state, kind, value) in
            [("wanted", "blocked", 7), ("installed", "blocked", 5), ("wanted", "limited", 0)]
        {
            let line = format!("relaygate_kernel_hosts{{state=\"{state}\",kind=\"{kind}\"}} {value}");
            assert!(page.contains(&line), "{line}\n{page}");
        }
    }
}
