//! Every per-CPU counter of the kernel program: index, name, meaning. Each packet is counted once, by its final
//! verdict. Counts nothing itself.

macro_rules! counters {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $name:literal,)+) => {
        /// A counter; its number is its index in the map `COUNTERS`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Counter { $($(#[doc = $meaning])+ $variant,)+ }

        impl Counter {
            /// All of them, by index.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in metrics and in `status`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it counts, for a reader of metrics.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning,)+).trim_ascii_start(),)+ }
            }
        }
    };
}

counters! {
    /// packets passed: not TCP for what is protected
    PassedNotOurs = "passed_not_ours",
    /// packets passed: cut short or made so that they cannot be read
    PassedUnparsed = "passed_unparsed",
    /// packets passed: later fragments of TCP, of peers that are not blocked
    PassedFragment = "passed_fragment",
    /// packets passed: the peer has authenticated
    PassedAuthenticated = "passed_authenticated",
    /// packets passed: they would have been dropped, but the address is on the allow list
    PassedAllowed = "passed_allowed",
    /// packets passed: nothing is known against the peer
    PassedUnknown = "passed_unknown",
    /// packets passed: what was known of the peer is over
    PassedExpired = "passed_expired",
    /// packets passed: of a limited peer, within its rate or of an open connection
    PassedLimited = "passed_limited",
    /// packets dropped: the peer is blocked
    DroppedBlocked = "dropped_blocked",
    /// packets dropped: later fragments of a blocked peer
    DroppedFragment = "dropped_fragment",
    /// packets dropped: SYNs of a limited peer beyond its rate
    DroppedLimited = "dropped_limited",
    /// packets dropped: SYNs of a limited network beyond its rate
    DroppedNetwork = "dropped_network",
    /// packets dropped: SYNs beyond the rate that every peer has
    DroppedSynLimit = "dropped_syn_limit",
    /// packets answered with a reset: the peer is blocked
    ResetBlocked = "reset_blocked",
    /// packets answered with a SYN-ACK and nothing behind it: the peer is blocked
    TarpittedBlocked = "tarpitted_blocked",
    /// answers that were withheld, because there were too many; no packets, those are in dropped_blocked
    RepliesWithheld = "replies_withheld",
    /// events that found no room in the ring buffer, or came too fast; no packets
    EventsLost = "events_lost",
    /// captured packets that found no room in the ring buffer; no packets, those are counted by their verdict
    CapturesLost = "captures_lost",
}

impl Counter {
    /// How many there are: the size of the map.
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// Its index in the map.
    #[must_use]
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_index_name_and_meaning() {
        for (index, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counter.index() as usize, index);
            assert!(counter.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(counter.meaning().len() > 10 && !counter.meaning().starts_with(' '));
            assert_eq!(Counter::ALL.iter().filter(|other| other.name() == counter.name()).count(), 1);
        }
    }
}
