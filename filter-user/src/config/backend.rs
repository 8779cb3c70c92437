//! How mail servers behind relaygate are spoken to. Dials none.

/// How a mail server is told who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// By XCLIENT, where it offers that.
    Xclient,
    /// By a PROXY v2 header before anything else.
    Proxy,
    /// The connection comes from the client's own address (IP_TRANSPARENT).
    Transparent,
    /// Not at all.
    None,
}
