//! A pair of interfaces in our own namespace: what is sent into one end is received at the other, by a thread of the
//! kernel on a CPU of its own, whose CPU time is the price of the whole receive path.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use nix::net::if_::if_nametoindex;
use smtp_load::measure::CpuTime;

use super::cpus::Cpus;
use super::frame::RECEIVER;
use crate::threads;
use bench::command;
use bench::namespace::Own;

/// The pair.
#[derive(Debug)]
pub(super) struct Lane {
    receiver: String,
    sender_index: u32,
    receiver_index: u32,
    thread: Option<u32>,
}

/// What the receiving end has done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Packets that came, whatever became of them.
    pub(super) packets: u64,
    /// CPU time that went into them.
    pub(super) spent: Duration,
}

impl Lane {
    /// Makes one.
    pub(super) fn make(_own: &Own) -> anyhow::Result<Self> {
        // The kernel's threads are found by these names, so none may come twice, nor in another process.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |end: char| format!("{end}{number}x{:x}", std::process::id());
        let (sender, receiver) = (name('s'), name('r'));
        let address = RECEIVER.map(|byte| format!("{byte:02x}")).join(":");
        let pair = ["link", "add", &sender, "type", "veth", "peer", "name", &receiver, "address", &address];
        command::run("ip", &pair)?;
        for end in [&sender, &receiver] {
            // It needs no IPv6 of the kernel's: nobody else may send.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6"), "1");
            // So that it receives from a queue, as with an XDP program, also where there is none.
            command::run("ethtool", &["-K", end, "gro", "on"])?;
        }
        for end in [&sender, &receiver] {
            command::run("ip", &["link", "set", end, "up"])?;
        }
        let (sender_index, receiver_index) = (index(&sender)?, index(&receiver)?);
        Ok(Self { receiver, sender_index, receiver_index, thread: None })
    }

    /// The name of the receiving end.
    pub(super) fn receiver(&self) -> &str {
        &self.receiver
    }

    /// Its index.
    pub(super) fn receiver_index(&self) -> u32 {
        self.receiver_index
    }

    /// The index of the sending end.
    pub(super) fn sender_index(&self) -> u32 {
        self.sender_index
    }

    /// Lets a thread of the kernel receive, on the CPU for that. To be called when the program is attached, which makes
    /// the queues anew.
    pub(super) fn receive_in_thread(&mut self, cpus: Cpus) -> anyhow::Result<()> {
        threads::receive_in_thread(&self.receiver)?;
        let thread = threads::that_receives(&self.receiver)?;
        cpus.measure(thread)?;
        self.thread = Some(u32::try_from(thread.as_raw())?);
        Ok(())
    }

    /// What the receiving end has done so far.
    pub(super) fn received(&self) -> anyhow::Result<Received> {
        let thread = self.thread.context("nothing receives yet")?;
        let path = format!("/sys/class/net/{}/statistics/rx_packets", self.receiver);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let packets = text.trim().parse().with_context(|| format!("{path} is no number: {text:?}"))?;
        Ok(Received { packets, spent: CpuTime::of(thread)?.total })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // The other end goes with it; what cannot be taken away goes with the namespace.
        let _ = command::run("ip", &["link", "delete", &self.receiver]);
    }
}

fn index(name: &str) -> anyhow::Result<u32> {
    if_nametoindex(name).with_context(|| format!("the interface {name} is gone"))
}
