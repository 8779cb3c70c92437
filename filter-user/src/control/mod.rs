//! Status and metrics of the running daemon.

pub mod metrics_page;

pub use metrics_page::MetricsPageError;
