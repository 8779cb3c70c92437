//! What is known of the session that authenticates. Proves nothing.

use std::net::SocketAddr;

/// Octets that only the two ends of one TLS connection know (RFC 5929, RFC 9266): whoever sits between them and has a
/// connection with each cannot pass an answer on.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding {
    /// `tls-exporter` or `tls-server-end-point`.
    pub name: &'static str,
    /// The octets.
    pub octets: Vec<u8>,
}

impl std::fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ChannelBinding").field(&self.name).finish()
    }
}

/// The session that authenticates. It has TLS, or its network may do without: else no exchange is begun.
#[derive(Clone, Debug)]
pub struct ExchangeFacts {
    /// The client's true address.
    pub client: SocketAddr,
    /// The address that it connected to, where known.
    pub local: Option<SocketAddr>,
    /// The bindings of its TLS connection; empty without one.
    pub bindings: Vec<ChannelBinding>,
}
