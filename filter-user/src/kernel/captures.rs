//! Captures packets that are dropped: those of one peer, for one who asks at a time, until they go away.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use filter_common::{Captured, PeerKey};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::KernelError;
use super::captured::CapturedPackets;
use super::control::ControlPage;
use super::events::{events_failed, readable};
use crate::telemetry::field;

/// Packets that may be ahead of who takes them; more wait in the ring buffer, and what finds no room there is counted.
const AHEAD: usize = 64;

/// The ring buffer, and the switch.
#[derive(Clone, Debug)]
pub struct Captures {
    control: Arc<ControlPage>,
    packets: Arc<Mutex<CapturedPackets>>,
}

/// Somebody else captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("somebody captures packets already, and only one may at a time: wait until that is over")]
pub struct Busy;

impl Captures {
    /// Captures nothing yet.
    pub(super) fn new(control: Arc<ControlPage>, packets: CapturedPackets) -> Self {
        // One that was killed may have left it on.
        control.capture(None);
        Self { control, packets: Arc::new(Mutex::new(packets)) }
    }

    /// Captures one of so many dropped packets of a peer, until the receiver is dropped. To be called within a runtime.
    pub fn start(&self, peer: PeerKey, one_of: u64) -> Result<Receiver<Captured>, Busy> {
        let packets = Arc::clone(&self.packets).try_lock_owned().map_err(|_| Busy)?;
        let (sender, receiver) = channel(AHEAD);
        let control = Arc::clone(&self.control);
        tokio::spawn(async move {
            if let Err(error) = run(packets, control, (peer, one_of), sender).await {
                tracing::error!({ field::ERROR } = %error, "captured packets cannot be waited for");
            }
        });
        Ok(receiver)
    }
}

/// Is on until it is dropped.
struct On(Arc<ControlPage>);

impl Drop for On {
    fn drop(&mut self) {
        self.0.capture(None);
    }
}

async fn run(
    mut packets: OwnedMutexGuard<CapturedPackets>,
    control: Arc<ControlPage>,
    wanted: (PeerKey, u64),
    sender: Sender<Captured>,
) -> Result<(), KernelError> {
    // What an earlier capture has left there is of another peer.
    while packets.next_packet().is_some() {}
    let descriptor = packets.as_fd().try_clone_to_owned().map_err(events_failed)?;
    let readable = readable(descriptor)?;
    control.capture(Some(wanted));
    let _on = On(control);
    loop {
        let mut ready = tokio::select! {
            () = sender.closed() => return Ok(()),
            ready = readable.readable() => ready.map_err(events_failed)?,
        };
        while let Some(packet) = packets.next_packet() {
            if sender.send(packet).await.is_err() {
                return Ok(());
            }
        }
        ready.clear_ready();
    }
}
