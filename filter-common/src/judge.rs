//! The rule that turns what is known of a host into the reason for its packet's verdict, for every hook of the kernel and
//! for the tests' model. Looks nothing up itself: the maps, or a test's tables, stand behind [`Hosts`].

use crate::packet::{Packet, Part};
use crate::table::{Kind, State};
use crate::{Address, BlockAction, PeerKey, Reason, Timestamp, Verdict};

/// What is known of hosts. Asked in this order, and no further than the verdict needs.
pub trait Hosts {
    /// A host's place in the table.
    type Entry: Copy;

    /// The one look-up: where the peer stands in the table, and as what.
    fn find(&self, peer: PeerKey) -> Option<(Self::Entry, State)>;
    /// The time. Asked for only where something is known of the host, because nearly all packets come from others.
    fn now(&self) -> Timestamp;
    /// Notes that an authenticated host opens a connection: its exemption is in use.
    fn note_use(&self, entry: Self::Entry);
    /// Takes one new connection from a limited host's limiter: whether it conforms to the rate.
    fn conforms(&self, entry: Self::Entry, now: Timestamp) -> bool;
    /// Whether an address is on the allow list.
    fn is_allowed(&self, source: Address) -> bool;
    /// Takes one new connection from the limiter of the limited network that the address is in, if it is in any: whether
    /// it conforms.
    fn network_conforms(&self, source: Address) -> bool;
    /// Takes one new connection from the limiter that every peer has, if there is such a limit: whether it conforms.
    fn syn_limit_conforms(&self, peer: PeerKey) -> bool;
}

/// Judges a packet: why it has its verdict, and the entry that it was judged by where there is one.
#[inline(always)]
pub fn judge<H: Hosts>(hosts: &H, packet: &Packet, peer: PeerKey) -> (Reason, Option<H::Entry>) {
    let Some((entry, state)) = hosts.find(peer) else {
        return (judge_stranger(hosts, packet, peer, Reason::Unknown), None);
    };
    let now = hosts.now();
    if state.until() <= now {
        return (judge_stranger(hosts, packet, peer, Reason::Expired), Some(entry));
    }
    let reason = match (state.kind(), packet.part) {
        (Some(Kind::Blocked), part) => {
            if state.overlaps_allow() && hosts.is_allowed(packet.source) {
                Reason::Allowed
            } else if matches!(part, Part::LaterFragment) {
                Reason::BlockedFragment
            } else {
                Reason::Blocked
            }
        }
        (_, Part::LaterFragment) => Reason::Fragment,
        (Some(Kind::Authenticated), part) => {
            if matches!(part, Part::Opens) {
                hosts.note_use(entry);
            }
            Reason::Authenticated
        }
        (Some(Kind::Limited), Part::Continues) => Reason::WithinLimit,
        (Some(Kind::Limited), Part::Opens) => {
            if hosts.conforms(entry, now) {
                Reason::WithinLimit
            } else if state.overlaps_allow() && hosts.is_allowed(packet.source) {
                Reason::Allowed
            } else {
                Reason::BeyondLimit
            }
        }
        (None, _) => Reason::Unknown,
    };
    (reason, Some(entry))
}

/// Judges a packet of a host of which nothing is known that counts.
#[inline(always)]
fn judge_stranger<H: Hosts>(hosts: &H, packet: &Packet, peer: PeerKey, otherwise: Reason) -> Reason {
    let beyond = match packet.part {
        Part::LaterFragment => return Reason::Fragment,
        Part::Continues => return otherwise,
        Part::Opens if !hosts.network_conforms(packet.source) => Reason::BeyondNetworkLimit,
        Part::Opens if !hosts.syn_limit_conforms(peer) => Reason::BeyondSynLimit,
        Part::Opens => return otherwise,
    };
    if hosts.is_allowed(packet.source) { Reason::Allowed } else { beyond }
}

/// What is done with a packet: what its reason says, and for a blocked peer what was chosen for those, where the packet
/// is one that can be answered.
#[must_use]
#[inline(always)]
pub fn verdict(reason: Reason, packet: &Packet, action: BlockAction) -> Verdict {
    if !matches!(reason, Reason::Blocked) || packet.plain.is_none() {
        return reason.verdict();
    }
    match (action, packet.part) {
        (BlockAction::Reset, _) => Verdict::Reset,
        (BlockAction::Tarpit, Part::Opens) => Verdict::Tarpit,
        (BlockAction::Tarpit | BlockAction::Drop, _) => Verdict::Drop,
    }
}
