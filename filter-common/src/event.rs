//! What the kernel program tells userspace through its ring buffer. Sparingly: one event for each sanction that
//! userspace put in force, so no number of packets can fill the buffer.

use crate::{PeerKey, Reason, Timestamp};

/// The first packet that was dropped under a sanction.
const FIRST_DROP: u32 = 1;

/// An event as it lies in the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// What happened: 1, the first drop under a sanction. A number, because another version may have written it.
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
pub struct FirstDrop {
    /// Whose packet was dropped.
    pub peer: PeerKey,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
}

impl Event {
    /// How many bytes an event has.
    pub const SIZE: usize = size_of::<Self>();

    /// The event for a first drop.
    #[must_use]
    #[inline(always)]
    pub const fn first_drop(peer: PeerKey, reason: Reason, at: Timestamp) -> Self {
        Self { kind: FIRST_DROP, reason: reason as u32, at: at.0, peer: peer.0 }
    }

    /// Reads what lies in the ring buffer; nothing where the kernel program is of another version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<FirstDrop> {
        let (kind, rest) = bytes.split_first_chunk()?;
        let (reason, rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let peer: [u8; 16] = rest.try_into().ok()?;
        if u32::from_ne_bytes(*kind) != FIRST_DROP {
            return None;
        }
        Some(FirstDrop {
            peer: PeerKey(peer),
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
    fn a_first_drop_is_read_and_nothing_else_is() {
        let drop = FirstDrop { peer: PeerKey([7; 16]), reason: Reason::Blocked, at: Timestamp(99) };
        assert_eq!(Event::read(&bytes(1, 8)), Some(drop));
        assert_eq!(Event::read(&bytes(2, 8)), None, "another kind");
        assert_eq!(Event::read(&bytes(1, 88)), None, "another reason");
        assert_eq!(Event::read(&bytes(1, 8)[..31]), None, "cut short");
        assert_eq!(Event::read(&[bytes(1, 8), vec![0]].concat()), None, "too long");
        assert_eq!(bytes(1, 8).len(), Event::SIZE);
    }
}
