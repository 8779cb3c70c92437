//! How other threads reach a worker: a box for what they have to say, and a bell that wakes it, whatever it waits for.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use filter_common::PeerKey;
use rustix::event::{EventfdFlags, eventfd};

/// A message to every session that fits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// The peer was blocked.
    Reset(PeerKey),
    /// The daemon stops.
    Drain,
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Mailbox {
    signals: Receiver<Signal>,
    bell: Arc<OwnedFd>,
}

/// Everybody else's end.
#[derive(Debug)]
pub(super) struct Address {
    signals: Sender<Signal>,
    bell: Arc<OwnedFd>,
}

/// Both ends.
pub(super) fn mailbox() -> io::Result<(Address, Mailbox)> {
    let (sender, receiver) = channel();
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    Ok((Address { signals: sender, bell: Arc::clone(&bell) }, Mailbox { signals: receiver, bell }))
}

impl Address {
    /// Tells the worker.
    pub(super) fn send(&self, signal: Signal) {
        // A worker that is gone has no sessions; a bell that cannot ring louder rings already.
        let _ = self.signals.send(signal);
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }
}

impl Mailbox {
    /// What to listen for.
    pub(super) fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    /// Stops the bell; before the box is emptied, so that nothing is missed.
    pub(super) fn silence(&self) {
        // It fails only where it is silent.
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8]);
    }

    /// The next message.
    pub(super) fn take(&self) -> Option<Signal> {
        self.signals.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_taken_in_its_order() {
        let (address, mailbox) = mailbox().unwrap();
        address.send(Signal::Reset(PeerKey::from_octets([7; 16])));
        address.send(Signal::Drain);
        mailbox.silence();
        assert!(matches!(mailbox.take(), Some(Signal::Reset(peer)) if peer.octets()[0] == 7));
        assert!(matches!(mailbox.take(), Some(Signal::Drain)));
        assert!(mailbox.take().is_none());
    }
}
