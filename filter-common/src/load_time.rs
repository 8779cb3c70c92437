//! What userspace tells the kernel program once, before it is loaded: the verifier then knows the numbers and throws
//! away the code that they make dead. What may change while it runs lies in maps instead.

use crate::{PrefixLengths, Rate};

/// The load-time constants, as one global of the kernel program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LoadTime {
    /// How many new connections a limited peer has.
    pub limit: Rate,
    /// Bits of an IPv4 address that make a peer.
    pub prefix_ipv4: u32,
    /// Bits of an IPv6 address that make a peer.
    pub prefix_ipv6: u32,
    /// 1 where the program logs its own decisions.
    pub trace: u32,
    /// Always 0: in the place where padding would be.
    pub reserved: u32,
}

impl LoadTime {
    /// Nobody's limit, the usual peers, no trace: what the object carries until userspace puts its own in.
    #[must_use]
    pub const fn new(limit: Rate, lengths: PrefixLengths, trace: bool) -> Self {
        Self {
            limit,
            prefix_ipv4: lengths.ipv4 as u32,
            prefix_ipv6: lengths.ipv6 as u32,
            trace: trace as u32,
            reserved: 0,
        }
    }
}
