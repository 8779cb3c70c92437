//! Status and metrics of the running daemon, and the socket on which it is asked.

mod client;
mod explanation;
mod metrics_page;
mod request;
mod socket;
mod status;

pub use client::{AskError, ask};
pub use explanation::{ExplainedStep, Explanation};
pub use metrics_page::{MetricsPage, MetricsPageError};
pub use request::{Nothing, Query, Reply, Request};
pub use socket::{Answers, ControlSocket, SocketError};
pub use status::{
    BackendStatus, CertificateStatus, DirectoryStatus, ListenerStatus, SanctionsStatus, Status,
};
