//! What the kernel program tells userspace through its ring buffer. Sparingly: each kind at most once for what userspace
//! put in force, and all of them together within [`EVENTS`], so no number of packets can fill the buffer.

use core::time::Duration;

use crate::{PeerKey, Rate, Reason, Timestamp};

/// How many events there are at most; the others are counted as lost.
pub const EVENTS: Rate = Rate::new(2000, Duration::from_secs(1), 2000);

/// What happened. A number in the ring buffer, because another version may have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Happened {
    /// The first packet was dropped under a sanction.
    FirstDrop = 1,
    /// A packet came through because its peer's block is over.
    BlockEnded = 2,
    /// The map of the SYN limit refused an insert: the peer's new connection passed unlimited.
    Pressure = 3,
}

/// An event as it lies in the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// The number of what [`Happened`].
    pub kind: u32,
    /// The number of the packet's [`Reason`].
    pub reason: u32,
    /// When, in nanoseconds since boot.
    pub at: u64,
    /// Whose packet.
    pub peer: [u8; 16],
}

/// An event that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub happened: Happened,
    /// Whose packet it was.
    pub peer: PeerKey,
    /// Why the packet has its verdict.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
}

impl Event {
    /// How many bytes an event has.
    pub const SIZE: usize = size_of::<Self>();

    /// The event of this.
    #[must_use]
    #[inline(always)]
    pub const fn new(happened: Happened, peer: PeerKey, reason: Reason, at: Timestamp) -> Self {
        Self { kind: happened as u32, reason: reason as u32, at: at.0, peer: peer.octets() }
    }

    /// Reads what lies in the ring buffer; nothing where the kernel program is of another version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Told> {
        let (kind, rest) = bytes.split_first_chunk()?;
        let (reason, rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let peer: [u8; 16] = rest.try_into().ok()?;
        Some(Told {
            happened: match u32::from_ne_bytes(*kind) {
                1 => Happened::FirstDrop,
                2 => Happened::BlockEnded,
                3 => Happened::Pressure,
                _ => return None,
            },
            peer: PeerKey::from_octets(peer),
            reason: Reason::from_number(u32::from_ne_bytes(*reason))?,
            at: Timestamp(u64::from_ne_bytes(*at)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: u32, reason: u32) -> Vec<u8> {
        [&kind.to_ne_bytes()[..], &reason.to_ne_bytes(), &99u64.to_ne_bytes(), &[7; 16]].concat()
    }

    #[test]
    fn what_was_told_is_read_and_nothing_else_is() {
        let blocked = Reason::Blocked as u32;
        for happened in [Happened::FirstDrop, Happened::BlockEnded, Happened::Pressure] {
            let (peer, at) = (PeerKey::from_octets([7; 16]), Timestamp(99));
            let event = Event::new(happened, peer, Reason::Blocked, at);
            let told = Told { happened, peer, reason: Reason::Blocked, at };
            assert_eq!(Event::read(&bytes(event.kind, blocked)), Some(told));
        }
        assert_eq!(Event::read(&bytes(0, blocked)), None, "another kind");
        assert_eq!(Event::read(&bytes(1, 88)), None, "another reason");
        assert_eq!(Event::read(&bytes(1, blocked)[..31]), None, "cut short");
        assert_eq!(Event::read(&[bytes(1, blocked), vec![0]].concat()), None, "too long");
        assert_eq!(bytes(1, blocked).len(), Event::SIZE);
    }
}
