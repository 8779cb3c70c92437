//! Finds what is known of a segment's source and asks the common rule. What the kernel knows of hosts is behind
//! [`Maps`] alone: another table replaces it here.

use aya_ebpf::{helpers::bpf_ktime_get_boot_ns, maps::lpm_trie};
use filter_common::verdict::{Hosts, Segment, judge};
use filter_common::{PeerEntry, PeerKey, Reason, Sanction, Timestamp, Verdict};

use crate::{limiter, maps, report};

/// Why a segment passes or is dropped; the first drop under a sanction is told to userspace.
#[inline(always)]
pub fn decide(segment: &Segment) -> Reason {
    let peer = PeerKey::from_ipv6(segment.source, maps::prefix_lengths());
    let (reason, entry) = judge(&Maps, segment, peer, now);
    if let (Verdict::Drop, Some(entry)) = (reason.verdict(), entry) {
        report::first_drop(entry, peer, reason, now);
    }
    reason
}

/// What the kernel's maps know of hosts.
struct Maps;

impl Hosts for Maps {
    type Entry = *mut PeerEntry;

    #[inline(always)]
    fn authenticated_until(&self, peer: PeerKey) -> Option<Timestamp> {
        // SAFETY: userspace replaces elements whole; an element that it removes meanwhile stays readable until this
        // run ends.
        unsafe { maps::AUTHENTICATED.get(peer) }.map(|until| Timestamp(*until))
    }

    #[inline(always)]
    fn is_allowed(&self, source: [u8; 16]) -> bool {
        maps::ALLOW.get(lpm_trie::Key::new(128, source)).is_some()
    }

    #[inline(always)]
    fn entry(&self, peer: PeerKey) -> Option<*mut PeerEntry> {
        maps::PEERS.get_ptr_mut(peer)
    }

    #[inline(always)]
    fn sanction(&self, entry: &*mut PeerEntry) -> Sanction {
        // SAFETY: a map's element, as above; `kind` and `until` are written before it is put into the map, and never
        // again.
        let (kind, until) = unsafe { ((**entry).kind, (**entry).until) };
        PeerEntry { kind, until, reported: 0, arrival: 0 }.sanction()
    }

    #[inline(always)]
    fn conforms(&self, entry: &*mut PeerEntry, now: Timestamp) -> bool {
        limiter::conforms(*entry, now, maps::limit())
    }
}

#[inline(always)]
fn now() -> Timestamp {
    // SAFETY: a helper without arguments; any program may call it.
    Timestamp(unsafe { bpf_ktime_get_boot_ns() })
}
