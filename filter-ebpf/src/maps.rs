//! Every map and every load-time constant. Only userspace inserts and removes; this program changes a peer's limiter
//! and its own counters in place.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf},
};
use core::time::Duration;

use filter_common::{
    Counter, LoadTime, PeerEntry, PeerKey, PrefixLengths, Rate,
    schema::{PORT_WORDS, PORTS_PER_WORD, Stamped},
};

/// Userspace sets the size of a map of hosts when it loads the program; memory is taken as hosts come.
const SET_BY_USERSPACE: u32 = 1024;

/// Protected ports: a bit for each of the 65,536.
#[map]
static PORTS: Array<u64> = Array::with_max_entries(PORT_WORDS, 0);

/// Peers that have authenticated: until when, in nanoseconds since boot.
#[map]
pub static AUTHENTICATED: HashMap<PeerKey, u64> =
    HashMap::with_max_entries(SET_BY_USERSPACE, BPF_F_NO_PREALLOC);

/// Networks that are never sanctioned; IPv4 is mapped, so its prefixes are 96 bits longer.
#[map]
pub static ALLOW: LpmTrie<[u8; 16], u8> = LpmTrie::with_max_entries(SET_BY_USERSPACE, 0);

/// Peers with a sanction.
#[map]
pub static PEERS: HashMap<PeerKey, PeerEntry> =
    HashMap::with_max_entries(SET_BY_USERSPACE, BPF_F_NO_PREALLOC);

/// One counter for each reason, and what else is counted.
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);

/// Events for userspace: room for two thousand, and at most one for each sanction that userspace put in force.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(128 * 1024, 0);

/// Put in by userspace when it loads the program. What stands here makes an object usable by itself.
#[unsafe(no_mangle)]
static LOAD_TIME: LoadTime =
    LoadTime::new(Rate::new(6, Duration::from_secs(60), 1), PrefixLengths { ipv4: 32, ipv6: 64 }, false);

/// Which layouts this object was built with.
#[unsafe(no_mangle)]
#[used]
static SCHEMA: Stamped = Stamped::THIS;

/// Whether a port is protected.
#[inline(always)]
pub fn is_protected(port: u16) -> bool {
    let port = u32::from(port);
    match PORTS.get(port / PORTS_PER_WORD) {
        Some(word) => word >> (port % PORTS_PER_WORD) & 1 == 1,
        None => false,
    }
}

/// How many new connections a limited peer has.
#[inline(always)]
pub fn limit() -> Rate {
    // SAFETY: a constant. Volatile, here and below, so that the compiler does not take the value above for it.
    unsafe { (&raw const LOAD_TIME.limit).read_volatile() }
}

/// How many bits of an address make a peer.
#[inline(always)]
pub fn prefix_lengths() -> PrefixLengths {
    // SAFETY: as in `limit`.
    let (ipv4, ipv6) = unsafe {
        (
            (&raw const LOAD_TIME.prefix_ipv4).read_volatile(),
            (&raw const LOAD_TIME.prefix_ipv6).read_volatile(),
        )
    };
    PrefixLengths { ipv4: ipv4 as u8, ipv6: ipv6 as u8 }
}

/// Whether the program logs its own decisions.
#[inline(always)]
pub fn is_tracing() -> bool {
    // SAFETY: as in `limit`.
    unsafe { (&raw const LOAD_TIME.trace).read_volatile() != 0 }
}
