//! A session's place among all sessions and among its peer's: taken when it is accepted, given back when it is over.

use std::net::IpAddr;
use std::sync::Arc;

use filter_common::PeerKey;

use super::shared::Shared;
use crate::telemetry::label::SessionRefusal;

/// A place that is taken, until it is left or dropped.
#[derive(Debug)]
pub(super) struct Seat {
    shared: Arc<Shared>,
    peer: PeerKey,
    /// Whether it counts among its peer's: those of hosts on the allow-list do not.
    of_peer: bool,
    taken: bool,
}

impl Seat {
    /// Takes a place, if there is one.
    pub(super) fn take(shared: &Arc<Shared>, client: IpAddr, peer: PeerKey) -> Result<Self, SessionRefusal> {
        let of_peer = !shared.judge.register.is_allowed(client);
        let mut seat = Self { shared: Arc::clone(shared), peer, of_peer, taken: false };
        seat.try_take().map(|()| seat)
    }

    /// It is another peer's than who connected: takes a place among that one's, and only then leaves the old one.
    pub(super) fn move_to(&mut self, client: IpAddr, peer: PeerKey) -> Result<(), SessionRefusal> {
        let of_peer = !self.shared.judge.register.is_allowed(client);
        if (of_peer, peer) == (self.of_peer, self.peer) {
            return Ok(());
        }
        if of_peer && !self.shared.open_sessions.open(peer) {
            return Err(SessionRefusal::MaxSessionsPerPeer);
        }
        if self.of_peer {
            self.shared.open_sessions.close(self.peer);
        }
        (self.of_peer, self.peer) = (of_peer, peer);
        Ok(())
    }

    /// Leaves it; who reads our last word may come back before we have closed, and is not counted twice.
    pub(super) fn leave(&mut self) {
        if std::mem::take(&mut self.taken) {
            self.shared.close_session();
            if self.of_peer {
                self.shared.open_sessions.close(self.peer);
            }
        }
    }

    /// It is not over yet: takes a place again, and says whether there was one.
    pub(super) fn take_again(&mut self) -> bool {
        self.taken || self.try_take().is_ok()
    }

    fn try_take(&mut self) -> Result<(), SessionRefusal> {
        if !self.shared.open_session() {
            return Err(SessionRefusal::MaxSessions);
        }
        if self.of_peer && !self.shared.open_sessions.open(self.peer) {
            self.shared.close_session();
            return Err(SessionRefusal::MaxSessionsPerPeer);
        }
        self.taken = true;
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}
