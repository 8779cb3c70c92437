//! The rule that turns what is known of a host into a verdict on its packet, in the kernel and in userspace. Looks
//! nothing up itself: the maps, or a test's table, stand behind [`Hosts`].

use crate::{Counter, PeerKey, Sanction, Timestamp};

/// What the kernel does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the network stack.
    Pass,
    /// It is gone.
    Drop,
}

/// Why a packet has its verdict. Every packet has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// Not TCP to a protected port.
    NotOurs = 0,
    /// Cut short or made so that it cannot be read.
    Unparsed = 1,
    /// A fragment that is not the first: it has no ports.
    Fragment = 2,
    /// The peer has authenticated a while ago.
    Authenticated = 3,
    /// The address is on the allow list.
    Allowed = 4,
    /// Nothing is known against the peer.
    Unknown = 5,
    /// The peer's sanction is over.
    Expired = 6,
    /// The peer is limited, and this is within its rate or belongs to a connection that was.
    WithinLimit = 7,
    /// The peer is blocked.
    Blocked = 8,
    /// The peer is limited, and this opens a connection beyond its rate.
    BeyondLimit = 9,
}

impl Reason {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::NotOurs,
        Self::Unparsed,
        Self::Fragment,
        Self::Authenticated,
        Self::Allowed,
        Self::Unknown,
        Self::Expired,
        Self::WithinLimit,
        Self::Blocked,
        Self::BeyondLimit,
    ];

    /// The verdict that follows.
    #[must_use]
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::NotOurs
            | Self::Unparsed
            | Self::Fragment
            | Self::Authenticated
            | Self::Allowed
            | Self::Unknown
            | Self::Expired
            | Self::WithinLimit => Verdict::Pass,
            Self::Blocked | Self::BeyondLimit => Verdict::Drop,
        }
    }

    /// Where the packet is counted.
    #[must_use]
    #[inline(always)]
    pub const fn counter(self) -> Counter {
        match self {
            Self::NotOurs => Counter::PassedNotOurs,
            Self::Unparsed => Counter::PassedUnparsed,
            Self::Fragment => Counter::PassedFragment,
            Self::Authenticated => Counter::PassedAuthenticated,
            Self::Allowed => Counter::PassedAllowed,
            Self::Unknown => Counter::PassedUnknown,
            Self::Expired => Counter::PassedExpired,
            Self::WithinLimit => Counter::PassedLimited,
            Self::Blocked => Counter::DroppedBlocked,
            Self::BeyondLimit => Counter::DroppedLimited,
        }
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// A word for the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotOurs => "not ours",
            Self::Unparsed => "unparsed",
            Self::Fragment => "fragment",
            Self::Authenticated => "authenticated",
            Self::Allowed => "allowed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::WithinLimit => "within limit",
            Self::Blocked => "blocked",
            Self::BeyondLimit => "beyond limit",
        }
    }
}

/// A TCP segment to a protected port, as far as a verdict needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it says it comes from; an IPv4 address is mapped.
    pub source: [u8; 16],
    /// Where it goes.
    pub port: u16,
    /// It asks for a new connection: SYN without ACK.
    pub opens: bool,
}

/// What is known of hosts. Asked in this order, and no further than the verdict needs.
pub trait Hosts {
    /// What is held of a sanctioned peer.
    type Entry;

    /// Until when a peer counts as authenticated.
    fn authenticated_until(&self, peer: PeerKey) -> Option<Timestamp>;
    /// Whether an address is on the allow list.
    fn is_allowed(&self, source: [u8; 16]) -> bool;
    /// A peer's entry.
    fn entry(&self, peer: PeerKey) -> Option<Self::Entry>;
    /// The sanction in an entry, be it over or not.
    fn sanction(&self, entry: &Self::Entry) -> Sanction;
    /// Takes one new connection from the entry's limiter: whether it conforms to the rate.
    fn conforms(&self, entry: &Self::Entry, now: Timestamp) -> bool;
}

/// Judges a segment: why, and the entry that it was judged by where there is one. `now` is asked for only where
/// something is known of the host, because nearly all packets come from hosts of which nothing is known.
#[inline(always)]
pub fn judge<H: Hosts>(
    hosts: &H,
    segment: &Segment,
    peer: PeerKey,
    now: impl Fn() -> Timestamp,
) -> (Reason, Option<H::Entry>) {
    if let Some(until) = hosts.authenticated_until(peer)
        && until > now()
    {
        return (Reason::Authenticated, None);
    }
    if hosts.is_allowed(segment.source) {
        return (Reason::Allowed, None);
    }
    let Some(entry) = hosts.entry(peer) else { return (Reason::Unknown, None) };
    let now = now();
    let sanction = hosts.sanction(&entry);
    let reason = match sanction.at(now) {
        Sanction::None if matches!(sanction, Sanction::None) => Reason::Unknown,
        Sanction::None => Reason::Expired,
        Sanction::Blocked { .. } => Reason::Blocked,
        Sanction::Limited { .. } if !segment.opens || hosts.conforms(&entry, now) => Reason::WithinLimit,
        Sanction::Limited { .. } => Reason::BeyondLimit,
    };
    (reason, Some(entry))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{PeerEntry, PrefixLengths, Rate, gcra};

    #[derive(Default)]
    struct OneHost {
        authenticated_until: Option<u64>,
        allowed: bool,
        sanction: Option<Sanction>,
        arrival: Cell<u64>,
    }

    impl Hosts for OneHost {
        type Entry = PeerEntry;

        fn authenticated_until(&self, _: PeerKey) -> Option<Timestamp> {
            self.authenticated_until.map(Timestamp)
        }
        fn is_allowed(&self, _: [u8; 16]) -> bool {
            self.allowed
        }
        fn entry(&self, _: PeerKey) -> Option<PeerEntry> {
            self.sanction.map(|sanction| PeerEntry::new(sanction, 0))
        }
        fn sanction(&self, entry: &PeerEntry) -> Sanction {
            entry.sanction()
        }
        fn conforms(&self, _: &PeerEntry, now: Timestamp) -> bool {
            let next = gcra::step(self.arrival.get(), now, Rate { interval: 10, tolerance: 0 });
            next.inspect(|next| self.arrival.set(*next)).is_some()
        }
    }

    fn judged(host: &OneHost, opens: bool, at: u64) -> Reason {
        let segment = Segment { source: [0; 16], port: 25, opens };
        let peer = PeerKey::from_ipv6(segment.source, PrefixLengths::default());
        judge(host, &segment, peer, || Timestamp(at)).0
    }

    #[test]
    fn authenticated_before_allowed_before_sanctions() {
        let blocked = Some(Sanction::Blocked { until: Timestamp(100) });
        let host =
            OneHost { authenticated_until: Some(50), allowed: true, sanction: blocked, ..OneHost::default() };
        assert_eq!(judged(&host, true, 49), Reason::Authenticated);
        assert_eq!(judged(&host, true, 50), Reason::Allowed, "authentication ends by itself");
        let host = OneHost { allowed: false, ..host };
        assert_eq!(judged(&host, true, 50), Reason::Blocked);
        assert_eq!(judged(&host, false, 99), Reason::Blocked, "all of a blocked peer, not its SYNs alone");
        assert_eq!(judged(&host, true, 100), Reason::Expired, "so does a block");
        assert_eq!(judged(&OneHost::default(), true, 0), Reason::Unknown);
    }

    #[test]
    fn a_limited_peer_opens_at_its_rate_and_its_connections_live() {
        let sanction = Some(Sanction::Limited { until: Timestamp(1000) });
        let host = OneHost { sanction, ..OneHost::default() };
        assert_eq!(judged(&host, true, 100), Reason::WithinLimit);
        assert_eq!(judged(&host, true, 105), Reason::BeyondLimit);
        assert_eq!(judged(&host, false, 105), Reason::WithinLimit);
        assert_eq!(judged(&host, true, 110), Reason::WithinLimit);
    }

    #[test]
    fn reasons_and_counters_are_numbered_alike_and_say_what_they_do() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(Reason::from_number(number as u32), Some(reason));
            let prefix = match reason.verdict() {
                Verdict::Pass => "passed_",
                Verdict::Drop => "dropped_",
            };
            assert!(reason.counter().name().starts_with(prefix), "{reason:?}");
            assert_eq!(Reason::ALL.iter().filter(|other| other.counter() == reason.counter()).count(), 1);
        }
        assert_eq!(Reason::from_number(10), None);
    }
}
