//! Every map and every load-time constant, and the plainest of access to them. Only userspace inserts and removes, save
//! for [`ARRIVALS`]; this program moves meters, limiters and its own counters in place.

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::helpers::bpf_map_lookup_elem;
use aya_ebpf::macros::btf_map;
use filter_common::captured::Captured;
use filter_common::schema::{PORT_WORDS, PORTS_PER_WORD, Stamped};
use filter_common::table::GENERATIONS;
use filter_common::{
    Address, BlockAction, Control, Counter, Event, Head, LoadTime, NetworkEntry, PeerKey, PrefixLengths,
};

use crate::atomic::Word;
use crate::generation::Generation;

/// Userspace sets the size of a map when it loads the program.
const SET_BY_USERSPACE: usize = 1024;

/// Mapped into userspace, which then needs no system call to read or write it.
const MAPPED: usize = BPF_F_MMAPABLE as usize;

/// Memory is taken as entries come.
const AS_THEY_COME: usize = BPF_F_NO_PREALLOC as usize;

/// The table of hosts: in element n a generation of 2^n buckets.
#[btf_map]
pub static HOSTS: ArrayOfMaps<Generation, { GENERATIONS as usize }> = ArrayOfMaps::new();

/// What userspace changes while the program runs, and what the program keeps for all CPUs.
#[btf_map]
static CONTROL: Array<Control, 1, MAPPED> = Array::new();

/// Limited networks; IPv4 is mapped, so its prefixes are 96 bits longer.
#[btf_map]
pub static NETWORKS: LpmTrie<[u8; 16], NetworkEntry, SET_BY_USERSPACE> = LpmTrie::new();

/// Networks that are never sanctioned.
#[btf_map]
pub static ALLOW: LpmTrie<[u8; 16], u8, SET_BY_USERSPACE> = LpmTrie::new();

/// The limiter that every peer has, of those seen last: its theoretical arrival time.
#[btf_map]
pub static ARRIVALS: LruHashMap<PeerKey, u64, SET_BY_USERSPACE> = LruHashMap::new();

/// Protected ports: a bit for each of the 65,536.
#[btf_map]
static PORTS: Array<u64, { PORT_WORDS as usize }> = Array::new();

/// Protected addresses of ours, where not all are.
#[btf_map]
static ADDRESSES: HashMap<[u8; 16], u8, SET_BY_USERSPACE, AS_THEY_COME> = HashMap::new();

/// One counter for each reason, and what else is counted.
#[btf_map]
pub static COUNTERS: PerCpuArray<u64, { Counter::COUNT as usize }> = PerCpuArray::new();

/// Events for userspace: room for two seconds of them.
#[btf_map]
pub static EVENTS: RingBuf<Event, { 256 * 1024 }> = RingBuf::new();

/// Dropped packets of the peer that somebody looks at: room for a thousand.
#[btf_map]
pub static CAPTURED: RingBuf<Captured, { 256 * 1024 }> = RingBuf::new();

/// For userspace alone: what a later relaygate must know of these maps.
#[btf_map]
static HEAD: Array<Head, 1, MAPPED> = Array::new();

/// Put in by userspace when it loads the program. What stands here makes an object usable by itself.
#[unsafe(no_mangle)]
pub static LOAD_TIME: LoadTime = LoadTime::USUAL;

/// Which layouts this object was built with.
#[unsafe(no_mangle)]
#[used]
static SCHEMA: Stamped = Stamped::THIS;

/// One of the load-time constants. The verifier knows them: code that they make dead costs nothing.
macro_rules! load_time {
    ($field:ident) => {
        // SAFETY: a constant. Volatile, so that the compiler does not take the value in the object for it.
        unsafe { (&raw const $crate::maps::LOAD_TIME.$field).read_volatile() }
    };
}
pub(crate) use load_time;

/// How much of an address is one peer.
#[inline(always)]
pub fn prefix_lengths() -> PrefixLengths {
    PrefixLengths { ipv4: load_time!(prefix_ipv4) as u8, ipv6: load_time!(prefix_ipv6) as u8 }
}

/// What is done with packets of blocked peers.
#[inline(always)]
pub fn block_action() -> BlockAction {
    BlockAction::from_number(load_time!(block_action))
}

/// Whether a port is protected.
#[inline(always)]
pub fn is_protected(port: u16) -> bool {
    let port = u32::from(port);
    match PORTS.get(port / PORTS_PER_WORD) {
        Some(word) => word >> (port % PORTS_PER_WORD) & 1 == 1,
        None => false,
    }
}

/// Whether an address of ours is protected, where they are listed.
#[inline(always)]
pub fn is_protected_address(destination: Address) -> bool {
    ADDRESSES.get_ptr(destination.octets()).is_some()
}

/// The key of a look-up in a trie of networks.
#[repr(C, align(8))]
struct WholeAddress {
    /// So that the address is aligned: the verifier takes no other access to the stack.
    _unused: u32,
    /// Here the key begins.
    length: u32,
    address: [u64; 2],
}

/// What a trie of networks has for the smallest that holds an address. By the helper itself, because the trie's own `get`
/// gives what must not be changed.
#[inline(always)]
pub fn holding<V, const SIZE: usize>(
    networks: &LpmTrie<[u8; 16], V, SIZE>,
    address: Address,
) -> Option<*mut V> {
    let key = WholeAddress { _unused: 0, length: 128, address: address.0 };
    // SAFETY: the map's own address, and a key of its size on this run's stack.
    let entry: *mut V = unsafe {
        bpf_map_lookup_elem(core::ptr::from_ref(networks).cast_mut().cast(), (&raw const key.length).cast())
            .cast()
    };
    if entry.is_null() { None } else { Some(entry) }
}

/// Which generation of the table is in force: its element of [`HOSTS`], and the power of two of its buckets.
#[inline(always)]
pub fn generation() -> Option<u32> {
    Some(control(Control::GENERATION)?.read() as u32)
}

/// CLOCK_BOOTTIME less CLOCK_MONOTONIC.
#[inline(always)]
pub fn boot_offset() -> u64 {
    control(Control::BOOT_OFFSET).map_or(0, Word::read)
}

/// How many networks are limited.
#[inline(always)]
pub fn limited_networks() -> u64 {
    control(Control::NETWORKS).map_or(0, Word::read)
}

/// The captured peer, and one of how many of its dropped packets is captured; nothing where none is.
#[inline(always)]
pub fn captured() -> Option<(u64, [u64; 2])> {
    let one_of = control(Control::CAPTURE_ON)?.read();
    if one_of == 0 {
        return None;
    }
    Some((one_of, [control(Control::CAPTURE_KEY)?.read(), control(Control::CAPTURE_KEY + 1)?.read()]))
}

/// The limiter of answers.
#[inline(always)]
pub fn replies_arrival() -> Option<Word> {
    control(Control::REPLIES_ARRIVAL)
}

/// The limiter of events.
#[inline(always)]
pub fn events_arrival() -> Option<Word> {
    control(Control::EVENTS_ARRIVAL)
}

/// One word of [`CONTROL`].
#[inline(always)]
fn control(word: usize) -> Option<Word> {
    let control: *mut u64 = CONTROL.get_ptr_mut(0)?.cast();
    // SAFETY: a map's element, and one of its words: an offset that `Control` knows of its own field.
    Some(unsafe { Word::new(control.add(word)) })
}
