//! Counts the offences of peers, and lets what they earn bite: here by ending sessions, elsewhere by the enforcer that
//! the register tells.

use std::net::IpAddr;

use filter_common::{PeerKey, Sanction};

use super::judge::strike_of;
use super::worker::Worker;
use crate::peers::Strike;
use crate::smtp::Offence;

impl Worker {
    /// Counts a strike; who has a grant earns none. Says whether the peer is blocked now: then its session ends by a
    /// reset, and its others, wherever they are, are told to.
    pub(super) fn strike(&self, client: IpAddr, peer: PeerKey, strike: Strike, granted: bool) -> bool {
        if granted {
            return false;
        }
        let now = self.clock.timestamp();
        let struck = self.shared.register.strike(client, strike, now);
        self.report.struck(peer, strike, struck, now);
        let blocked = matches!(struck.sanction, Sanction::Blocked { .. });
        if blocked && struck.escalated {
            self.shared.reset_others(peer);
        }
        blocked
    }

    /// Counts an offence against the protocol.
    pub(super) fn note_offence(
        &self,
        client: IpAddr,
        peer: PeerKey,
        offence: Offence,
        granted: bool,
    ) -> bool {
        self.report.offence(client, offence);
        self.strike(client, peer, strike_of(offence), granted)
    }
}
