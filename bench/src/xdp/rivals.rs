//! What those are called that relaygate's kernel program is measured beside.

/// A program that parses and passes.
pub(super) const MINIMAL_PASS: &str = "parse and pass";
/// A program of one look-up in the kernel's hash map.
pub(super) const MINIMAL_HASH: &str = "one hash look-up";
/// A program that does nothing.
pub(super) const NOTHING: &str = "no work";
/// xdp-filter.
pub(super) const XDP_FILTER: &str = "xdp-filter";
/// A set of nftables in netdev ingress.
pub(super) const NFTABLES: &str = "nftables";
