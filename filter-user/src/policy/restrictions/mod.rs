//! Who may relay: rows 9 to 11 of the relay decision. Closed by default: with no restriction configured, nobody may.

mod grant;

pub use grant::{Grant, GrantReason};

use super::explain::{Observer, Row};
use super::network_set::NetworkSet;
use super::{Facts, PolicySettings, Prohibition};

/// The routing restrictions, compiled.
#[derive(Debug)]
pub(super) struct Restrictions {
    reroute: bool,
    client_networks: NetworkSet,
    never: NetworkSet,
}

impl Restrictions {
    pub(super) fn new(settings: &PolicySettings) -> Self {
        Self {
            reroute: settings.reroute,
            client_networks: NetworkSet::new(&settings.relay_networks),
            never: NetworkSet::new(&settings.never_relay),
        }
    }

    /// The one way to a grant. The never-list is asked first, because it wins over everything that grants.
    pub(super) fn grant(&self, facts: &Facts, observer: &mut impl Observer) -> Result<Grant, Prohibition> {
        let peer = facts.peer;
        if let Some(network) = self.never.find(peer) {
            observer.look(Row::NeverOrNoReroute, true, || {
                format!("peer {peer} is in {network} of the never-list")
            });
            return Err(Prohibition::NeverList);
        }
        if !self.reroute {
            observer.look(Row::NeverOrNoReroute, true, || "reroute is off: nobody may relay".to_owned());
            return Err(Prohibition::RerouteOff);
        }
        observer.look(Row::NeverOrNoReroute, false, || {
            format!("reroute is on, and peer {peer} is not on the never-list")
        });

        if let Some(network) = self.client_networks.find(peer) {
            observer.look(Row::Granted, true, || format!("peer {peer} is in client network {network}"));
            return Ok(Grant::new(GrantReason::ClientNetwork));
        }
        observer.look(Row::Granted, false, || format!("peer {peer} is in no client network"));
        observer.look(Row::NotGranted, true, || "no restriction lets this session relay".to_owned());
        Err(Prohibition::NoGrant)
    }
}
