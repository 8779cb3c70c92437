//! What the kernel's maps know of hosts: the table, limited networks, the allow list, the limit that every peer has.

use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use filter_common::judge::Hosts;
use filter_common::table::{Found, Kind, METER, Meter, SLOT_WORDS, SLOTS, State, Words, find};
use filter_common::{Address, PeerKey, Timestamp};

use crate::atomic::{self, Word};
use crate::generation::Generation;
use crate::maps::load_time;
use crate::{arrivals, limiter, maps};

/// What the maps know.
pub struct Maps;

/// A host's place in the table.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its meter.
    pub meter: Word,
    /// Whether it is there because it is, or was, blocked.
    pub is_blocked: bool,
}

impl Hosts for Maps {
    type Entry = Entry;

    #[inline(always)]
    fn find(&self, peer: PeerKey) -> Option<(Entry, State)> {
        let generation = maps::generation()?;
        let (place, key) = (load_time!(seed).place(peer), peer.words());
        match find_in(generation, place.first(generation), key, place.tag) {
            None => find_in(generation, place.second(generation), key, place.tag),
            found => found,
        }
    }

    #[inline(always)]
    fn now(&self) -> Timestamp {
        now()
    }

    #[inline(always)]
    fn note_use(&self, entry: Entry) {
        let unused = entry.meter.read();
        if unused != Meter::USED.0 {
            // Whoever is faster notes the same.
            entry.meter.exchange(unused, Meter::USED.0);
        }
    }

    #[inline(always)]
    fn conforms(&self, entry: Entry, now: Timestamp) -> bool {
        limiter::meter_conforms(entry.meter, now, load_time!(limit))
    }

    #[inline(always)]
    fn is_allowed(&self, source: Address) -> bool {
        is_allowed(&source)
    }

    #[inline(always)]
    fn network_conforms(&self, source: Address) -> bool {
        maps::limited_networks() == 0 || network_conforms(&source)
    }

    #[inline(always)]
    fn syn_limit_conforms(&self, peer: PeerKey) -> bool {
        load_time!(syn_limit).interval == 0 || arrivals::conforms(&peer, now())
    }
}

/// The time, to the kernel's tick (1 to 10 ms): reading it exactly would cost more than the look-up. It lags, so a block
/// ends so much later at most, and no rate is ever exceeded.
#[inline(always)]
pub fn now() -> Timestamp {
    // SAFETY: a helper without arguments; any program may call it.
    let since_boot_awake = unsafe { bpf_ktime_get_coarse_ns() };
    Timestamp(since_boot_awake.wrapping_add(maps::boot_offset()))
}

/// A bucket's words, or those of one of its slots, as userspace may be changing them.
struct InMap(*mut u64);

impl Words for InMap {
    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        self.at(index).read()
    }

    #[inline(always)]
    fn fence(&self) {
        if load_time!(fences) != 0 {
            atomic::barrier();
        }
    }

    #[inline(always)]
    fn slot(&self, first: usize) -> Self {
        const { assert!(SLOT_WORDS == 4 && SLOTS == 2) };
        let mut octets = first * size_of::<u64>();
        // The compiler knows this already and so would leave a mask out; Linux 6.1's verifier does not.
        // SAFETY: an instruction that changes this one number.
        unsafe {
            core::arch::asm!("{0} &= 32", inout(reg) octets, options(pure, nomem, nostack));
        }
        // SAFETY: within the bucket.
        Self(unsafe { self.0.byte_add(octets) })
    }
}

impl InMap {
    #[inline(always)]
    fn at(&self, index: usize) -> Word {
        // SAFETY: a map's element, and of its words one: whoever asks names it by a constant.
        unsafe { Word::new(self.0.add(index)) }
    }
}

#[inline(always)]
fn find_in(generation: u32, bucket: u32, key: [u64; 2], tag: u16) -> Option<(Entry, State)> {
    let bucket = InMap(Generation::bucket(generation, &bucket)?.cast().as_ptr());
    let Found { slot, state } = find(&bucket, key, tag)?;
    let is_blocked = matches!(state.kind(), Some(Kind::Blocked));
    Some((Entry { meter: slot.at(METER), is_blocked }, state))
}

/// Takes one new connection from the limiter of the network that holds an address. A function of its own, so that its key
/// is not on the stack of all else.
#[inline(never)]
fn network_conforms(source: &Address) -> bool {
    let Some(entry) = maps::holding(&maps::NETWORKS, *source) else { return true };
    // SAFETY: a map's element, readable until this run ends; userspace replaces it whole.
    let (until, arrival) =
        unsafe { ((&raw const (*entry).until).read_volatile(), Word::new(&raw mut (*entry).arrival)) };
    let now = now();
    until <= now.0 || limiter::conforms(arrival, now, load_time!(network))
}

/// Whether the allow list holds an address. A function of its own, as above.
#[inline(never)]
fn is_allowed(source: &Address) -> bool {
    maps::holding(&maps::ALLOW, *source).is_some()
}
