//! TLS: towards clients and towards backends. The only module that knows rustls. A connection is driven over the
//! non-blocking socket that the session has anyway (`connection`); what waits for it is in `waiting`.

mod certificates;
mod client;
mod client_authority;
mod connection;
mod error;
mod pem;
mod server;
mod waiting;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use client::ClientTls;
pub(super) use client::ServerStream;
pub(super) use connection::{Progress, Tls};
pub use error::TlsError;
pub(super) use server::Established;
pub use server::ServerTls;

/// The cryptography: aws-lc's, named at each use, because the process has no default where two libraries bring one.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
