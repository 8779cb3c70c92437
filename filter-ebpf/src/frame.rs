//! Bounded reads of the frame that XDP hands over. Interprets nothing.

use aya_ebpf::programs::XdpContext;

use crate::packet::Frame;

/// Further in than any header that is read: the verifier wants to know how far a read can go.
const FURTHEST: usize = 0x3fff;

/// A frame as it came from the interface.
pub struct XdpFrame<'a>(pub &'a XdpContext);

impl Frame for XdpFrame<'_> {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > FURTHEST {
            return None;
        }
        let from = self.0.data() + offset;
        if from + N > self.0.data_end() {
            return None;
        }
        // SAFETY: `from` to `from + N` lies between the frame's two ends, as just compared; an array of bytes has
        // no alignment. The verifier checks the same again.
        Some(unsafe { (from as *const [u8; N]).read() })
    }
}
