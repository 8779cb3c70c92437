//! A dropped packet of the peer that somebody asked to see, as it lies in the ring buffer `CAPTURED`.

use crate::Reason;

/// So many octets of a packet are kept: Ethernet, two tags, IPv6 with extensions, TCP with options, and some data.
pub const CAPTURED_OCTETS: usize = 192;

/// A captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Captured {
    /// When, in nanoseconds since boot.
    pub at: u64,
    /// How long the frame was.
    pub length: u32,
    /// How many of its octets are here, from its beginning.
    pub kept: u32,
    /// The number of the [`Reason`] that it was dropped for.
    pub reason: u32,
    /// Always 0: in the place where padding would be.
    pub reserved: u32,
    /// The octets, and zeros behind them.
    pub octets: [u8; CAPTURED_OCTETS],
}

impl Captured {
    /// How many bytes a record has.
    pub const SIZE: usize = size_of::<Self>();

    /// Reads what lies in the ring buffer; nothing where the program is of another version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (at, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (kept, rest) = rest.split_first_chunk()?;
        let (reason, rest) = rest.split_first_chunk()?;
        let (reserved, rest) = rest.split_first_chunk()?;
        let captured = Self {
            at: u64::from_ne_bytes(*at),
            length: u32::from_ne_bytes(*length),
            kept: u32::from_ne_bytes(*kept),
            reason: u32::from_ne_bytes(*reason),
            reserved: u32::from_ne_bytes(*reserved),
            octets: rest.try_into().ok()?,
        };
        Reason::from_number(captured.reason)?;
        (captured.kept as usize <= CAPTURED_OCTETS).then_some(captured)
    }

    /// The octets of the frame that were kept.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.octets.get(..self.kept as usize).unwrap_or(&self.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kept: u32, reason: u32) -> Vec<u8> {
        let mut bytes = 99u64.to_ne_bytes().to_vec();
        for word in [1500, kept, reason, 0] {
            bytes.extend(u32::to_ne_bytes(word));
        }
        bytes.extend([7; CAPTURED_OCTETS]);
        bytes
    }

    #[test]
    fn a_record_is_read_and_nothing_else_is() {
        let captured = Captured::read(&bytes(60, Reason::Blocked as u32)).unwrap();
        assert_eq!((captured.at, captured.length, captured.frame()), (99, 1500, &[7; 60][..]));
        assert_eq!(Captured::read(&bytes(193, 8)), None, "more than there is room for");
        assert_eq!(Captured::read(&bytes(60, 88)), None, "another reason");
        assert_eq!(Captured::read(&bytes(60, 8)[1..]), None, "cut short");
        assert_eq!(bytes(60, 8).len(), Captured::SIZE);
    }
}
