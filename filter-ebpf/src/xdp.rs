//! The frame that XDP hands over: bounded reads, and an answer in its place. Interprets nothing.

use aya_ebpf::{bindings::xdp_action, helpers::bpf_xdp_adjust_tail, programs::XdpContext};
use filter_common::Verdict;
use filter_common::packet::{Frame, Octets};
use filter_common::reply::Headers;

use crate::hook::{Hook, Measured, place, read};

/// A frame as it came from the interface.
pub struct XdpFrame(pub XdpContext);

/// What XDP is answered.
#[inline(always)]
pub fn action(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Reset | Verdict::Tarpit => xdp_action::XDP_TX,
    }
}

impl XdpFrame {
    /// Where `N` bytes from `offset` on lie; nothing where the frame ends before.
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<*mut [u8; N]> {
        place(self.0.data(), self.0.data_end(), offset)
    }

    #[inline(always)]
    fn write<const N: usize>(&self, offset: usize, octets: [u8; N]) -> Option<()> {
        let place = self.at(offset)?;
        // SAFETY: between the frame's two ends, as just compared; an array of bytes has no alignment.
        unsafe { place.write(octets) };
        Some(())
    }

    #[inline(always)]
    fn write_words<const N: usize>(&self, offset: usize, words: &[u32; N]) -> Option<()> {
        let mut at = 0;
        while at < N {
            self.write(offset + 4 * at, words[at].to_ne_bytes())?;
            at += 1;
        }
        Some(())
    }

    #[inline(always)]
    fn write_all<const N: usize>(
        &self,
        ethernet: [u8; 12],
        network: usize,
        headers: &Headers<N>,
    ) -> Option<usize> {
        self.write(0, ethernet)?;
        self.write_words(network, &headers.ip)?;
        self.write_words(network + 4 * N, &headers.tcp)?;
        Some(network + 4 * (N + headers.tcp.len()))
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let place = self.at(offset)?;
        // SAFETY: between the frame's two ends, as just compared; an array of bytes has no alignment. The verifier checks
        // the same again.
        Some(unsafe { read(place) })
    }

    #[inline(always)]
    fn headers(&self) -> Option<impl Octets> {
        let headers = self.at(0)?;
        // SAFETY: between the frame's two ends, as just compared.
        Some(unsafe { Measured::new(headers) })
    }
}

impl Hook for XdpFrame {
    #[inline(always)]
    fn length(&self) -> u32 {
        (self.0.data_end() - self.0.data()) as u32
    }

    #[inline(always)]
    fn rewrite<const N: usize>(&self, ethernet: [u8; 12], network: usize, headers: &Headers<N>) -> bool {
        let Some(length) = self.write_all(ethernet, network, headers) else { return false };
        // Hidden from the compiler, which would else subtract one end of the frame alone, in 32 bits, where the verifier
        // wants nothing of the kind.
        let shorter = length as i32 - core::hint::black_box(self.length()) as i32;
        // SAFETY: the context that this run was given. What the frame's ends were is not used afterwards.
        unsafe { bpf_xdp_adjust_tail(self.0.ctx, shorter) == 0 }
    }
}
