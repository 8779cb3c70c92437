//! The page of metrics, for Prometheus, over HTTP at `--metrics-listen`. Counts nothing itself.

use std::io;
use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, ExporterFuture, PrometheusBuilder};
use tokio::runtime::Runtime;

use crate::telemetry;

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
    /// The exporter could not be made.
    #[error("metrics-listen = {address}: the exporter could not be started")]
    Make {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: BuildError,
    },
    /// Something counts already, or there is no thread for it.
    #[error("metrics-listen = {address}: the exporter could not be started: {source}")]
    Start {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// The page, which listens and is not served yet.
pub struct MetricsPage {
    address: SocketAddr,
    runtime: Runtime,
    exporter: ExporterFuture,
}

impl MetricsPage {
    /// Listens there, and records what is counted from here on. Call it before the first
    /// [`Metrics`](crate::telemetry::Metrics) is made, and not from within a runtime: it has one of its own, for what it
    /// serves must not wait for sessions.
    pub fn open(address: SocketAddr) -> Result<Self, MetricsPageError> {
        let failed = |source| MetricsPageError::Start { address, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let built = {
            let _within = runtime.enter();
            PrometheusBuilder::new().with_http_listener(address).build()
        };
        let (recorder, exporter) = built.map_err(|source| match source {
            BuildError::FailedToCreateHTTPListener(reason) => MetricsPageError::Listen { address, reason },
            source => MetricsPageError::Make { address, source },
        })?;
        telemetry::record_by(recorder).map_err(failed)?;
        telemetry::describe_all();
        telemetry::set_build_info();
        Ok(Self { address, runtime, exporter })
    }

    /// Serves it, from a thread of its own.
    pub fn serve(self) -> Result<(), MetricsPageError> {
        let Self { address, runtime, exporter } = self;
        let serve = move || {
            // It goes on as long as the process does.
            if let Err(error) = runtime.block_on(exporter) {
                tracing::error!({ telemetry::field::ERROR } = ?error, "metrics-listen = {address} is not served any more");
            }
        };
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(serve);
        thread.map(drop).map_err(|source| MetricsPageError::Start { address, source })
    }
}

impl std::fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricsPage").field("address", &self.address).finish_non_exhaustive()
    }
}
