//! The packet that tc hands over: reads, and an answer in its place. Interprets nothing.

use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::helpers::{bpf_redirect, bpf_skb_change_tail};
use aya_ebpf::programs::TcContext;
use filter_common::Verdict;
use filter_common::packet::{Frame, Octets};
use filter_common::reply::{CHECKSUM, Headers};

use crate::hook::{Hook, Measured, place, read};

/// Of `bpf_l4_csum_replace`: the size of what is replaced.
const TWO_OCTETS: u64 = 2;

/// So much of a packet must lie in one piece to be read here: whatever headers are read, and what is captured.
const IN_ONE_PIECE: u32 = 256;

/// A packet in its socket buffer. An outer VLAN tag is not in it any more: it comes back on the way out.
pub struct TcFrame(TcContext);

impl TcFrame {
    /// The packet. Its beginning lies in one piece already, save with the few drivers that leave headers elsewhere.
    #[inline(always)]
    pub fn new(context: TcContext) -> Self {
        let whole = context.len();
        let wanted = if whole < IN_ONE_PIECE { whole } else { IN_ONE_PIECE };
        if context.data() + (wanted as usize) > context.data_end() {
            // Where that fails, less is read, and what cannot be read passes.
            let _ = context.pull_data(wanted);
        }
        Self(context)
    }

    /// What tc is answered: "go on with the next program", "gone", or "out by the interface that it came in by".
    #[inline(always)]
    pub fn action(&self, verdict: Verdict) -> i32 {
        match verdict {
            Verdict::Pass => TC_ACT_UNSPEC,
            Verdict::Drop => TC_ACT_SHOT,
            Verdict::Reset | Verdict::Tarpit => {
                // SAFETY: the context that this run was given.
                let interface = unsafe { (*self.0.skb.skb).ifindex };
                // SAFETY: a helper that takes two numbers.
                unsafe { bpf_redirect(interface, 0) as i32 }
            }
        }
    }

    #[inline(always)]
    fn write_all<const N: usize>(
        &self,
        ethernet: [u8; 12],
        network: usize,
        headers: &Headers<N>,
    ) -> Result<(), i64> {
        self.0.store(0, &ethernet, 0)?;
        self.0.store(network, &headers.ip, 0)?;
        self.0.store(network + 4 * N, &headers.tcp, 0)?;
        let field = network + 4 * N + CHECKSUM;
        if self.is_summed_up_later(field)? {
            self.0.store(field, &headers.pseudo_header, 0)
        } else {
            self.0.store(field, &headers.checksum, 0)
        }
    }

    /// Whether this is a packet that was made on this machine and has no checksum yet, to be summed up by hardware that it
    /// never meets: whoever sends the answer on will do the same to it. There is no field that tells, but the helper that
    /// replaces what was summed up changes nothing in such a packet. The checksum in it is lost.
    #[inline(always)]
    fn is_summed_up_later(&self, field: usize) -> Result<bool, i64> {
        self.0.store(field, &0u16, 0)?;
        self.0.l4_csum_replace(field, 0, 1, TWO_OCTETS)?;
        Ok(self.0.load::<u16>(field)? == 0)
    }
}

impl Frame for TcFrame {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let place = place(self.0.data(), self.0.data_end(), offset)?;
        // SAFETY: between the packet's two ends, as just compared; an array of bytes has no alignment. The verifier checks
        // the same again.
        Some(unsafe { read(place) })
    }

    #[inline(always)]
    fn headers(&self) -> Option<impl Octets> {
        let headers = place(self.0.data(), self.0.data_end(), 0)?;
        // SAFETY: between the packet's two ends, as just compared.
        Some(unsafe { Measured::new(headers) })
    }
}

impl Hook for TcFrame {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.0.len()
    }

    #[inline(always)]
    fn rewrite<const N: usize>(&self, ethernet: [u8; 12], network: usize, headers: &Headers<N>) -> bool {
        let length = network + 4 * (N + headers.tcp.len());
        // SAFETY: the context that this run was given.
        let cut = unsafe { bpf_skb_change_tail(self.0.skb.skb, length as u32, 0) };
        cut == 0 && self.write_all(ethernet, network, headers).is_ok()
    }
}
