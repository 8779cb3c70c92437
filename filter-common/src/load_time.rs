//! What userspace tells the kernel program once, before it is loaded: the verifier then knows the numbers and throws
//! away the code that they make dead. What may change while it runs lies in `control` instead.

use crate::table::Seed;
use crate::{BlockAction, PrefixLengths, Rate};

/// The load-time constants, as one global of the kernel program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LoadTime {
    /// How many new connections a limited peer has.
    pub limit: Rate,
    /// How many a limited network has.
    pub network: Rate,
    /// How many every other peer has; an interval of 0: as many as it likes.
    pub syn_limit: Rate,
    /// How many packets of blocked peers are answered in all.
    pub replies: Rate,
    /// What the hosts are placed by.
    pub seed: Seed,
    /// Bits of an IPv4 address that make a peer.
    pub prefix_ipv4: u32,
    /// Bits of an IPv6 address that make a peer.
    pub prefix_ipv6: u32,
    /// The number of the [`BlockAction`].
    pub block_action: u32,
    /// 1 where only the addresses in `ADDRESSES` are protected.
    pub addresses: u32,
    /// 1 where the machine may change the order of loads.
    pub fences: u32,
    /// Always 0: in the place where padding would be.
    pub reserved: u32,
}

impl LoadTime {
    /// Nobody's limit, the usual peers, all addresses, a seed that is no secret: what the object carries until userspace
    /// puts its own in.
    pub const USUAL: Self = {
        let limit = Rate { interval: 10_000_000_000, tolerance: 0 };
        Self {
            limit,
            network: limit,
            syn_limit: Rate { interval: 0, tolerance: 0 },
            replies: Rate { interval: 1_000_000, tolerance: 0 },
            seed: Seed([1, 2, 3, 4]),
            prefix_ipv4: 32,
            prefix_ipv6: 64,
            block_action: BlockAction::Drop as u32,
            addresses: 0,
            fences: 0,
            reserved: 0,
        }
    };

    /// The constants with these prefix lengths.
    #[must_use]
    pub const fn with_prefixes(self, lengths: PrefixLengths) -> Self {
        Self { prefix_ipv4: lengths.ipv4 as u32, prefix_ipv6: lengths.ipv6 as u32, ..self }
    }
}
