//! Status and metrics of the running daemon, and the socket on which it is asked.

mod capture;
mod client;
mod explanation;
mod metrics_page;
mod peer_entry;
mod peers_reply;
mod peers_request;
mod request;
mod socket;
mod status;

pub use capture::{CaptureEnd, CapturedPacket, Capturing, LONGEST_CAPTURE, MOST_PACKETS};
pub use client::{AskError, Asking, ask};
pub use explanation::{ExplainedStep, Explanation};
pub use metrics_page::{MetricsPage, MetricsPageError};
pub use peer_entry::{AllowedEntry, Clocks, DroppedEntry, HandEntry, OrderEntry, PeerEntry, StrikeEntry};
pub use peers_reply::{AllowedList, Edited, PeersPage, PeersReply};
pub use peers_request::{
    Freed, Listing, Named, Ordered, PeersRequest, SortingName, StateName, read_cursor, shown_cursor,
};
pub use request::{Nothing, Query, Reply, Request};
pub use socket::{Answers, Asker, ControlSocket, SocketError, Told};
pub use status::{
    BackendStatus, CertificateStatus, DirectoryStatus, InterfaceStatus, ListenerStatus, SanctionsStatus,
    Status,
};
