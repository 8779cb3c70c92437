//! The page of metrics, for Prometheus, over HTTP at `--metrics-listen`. Counts nothing itself.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

use crate::telemetry::{metric, metrics};

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsPageError {
    /// The address cannot be listened at.
    #[error("metrics-listen = {address}: {reason}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not, as the system says.
        reason: String,
    },
    /// The exporter could not be started.
    #[error("metrics-listen = {address}: the exporter could not be started")]
    Start {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: BuildError,
    },
}

/// Serves metrics from a thread of its own. Call it before the first [`Metrics`](crate::telemetry::Metrics) is made, and
/// not from within a runtime: what it serves must not wait for sessions.
pub fn serve(address: SocketAddr) -> Result<(), MetricsPageError> {
    PrometheusBuilder::new().with_http_listener(address).install().map_err(|source| match source {
        BuildError::FailedToCreateHTTPListener(reason) => MetricsPageError::Listen { address, reason },
        source => MetricsPageError::Start { address, source },
    })?;
    metric::describe_all();
    metrics::set_build_info();
    Ok(())
}
