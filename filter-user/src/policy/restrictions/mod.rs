//! Who may relay: rows 9 to 11 of the relay decision. Closed by default: with no restriction configured, nobody may.

mod client_certificates;
mod client_networks;
mod grant;
mod internal_addresses;
mod logins;

pub use client_networks::ClientNetwork;
pub use grant::{Grant, GrantReason};
pub use internal_addresses::InternalAddress;
pub use logins::SenderLogin;

use super::explain::{Line, Observer, Row};
use super::sender::SenderSet;
use super::{Facts, PolicySettings, Prohibition, Sender};
use client_certificates::ClientCertificates;
use client_networks::ClientNetworks;
use internal_addresses::InternalAddresses;
use logins::Logins;

use crate::network_map::NetworkMap;

/// The routing restrictions, compiled.
#[derive(Debug)]
pub(super) struct Restrictions {
    reroute: bool,
    never: NetworkMap<usize>,
    logins: Logins,
    client_certificates: ClientCertificates,
    internal_addresses: InternalAddresses,
    client_networks: ClientNetworks,
}

/// For whom a grant is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// Whoever the sender will be.
    ForAnySender,
    /// For the sender of a transaction. Without one, no grant that is narrowed to senders fits.
    ForSender(Option<Sender<'a>>),
}

impl Asked<'_> {
    /// Whether a grant that is narrowed to these senders is one for this.
    fn is_among(self, senders: &SenderSet) -> bool {
        match self {
            Self::ForAnySender => true,
            Self::ForSender(sender) => sender.is_some_and(|sender| senders.contains(&sender)),
        }
    }
}

/// What one restriction says of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// It fits, and this line makes it so.
    Fits(Line),
    /// It would, for another sender.
    NotForThisSender(Line),
    /// It does not fit.
    DoesNotFit,
}

impl Restrictions {
    pub(super) fn new(settings: &PolicySettings) -> Self {
        let mut never = NetworkMap::new();
        for (number, network) in settings.never_relay.iter().enumerate() {
            never.insert_first(*network, number);
        }
        Self {
            reroute: settings.reroute,
            never,
            logins: Logins::new(settings),
            client_certificates: ClientCertificates::new(settings),
            internal_addresses: InternalAddresses::new(&settings.internal_addresses),
            client_networks: ClientNetworks::new(settings),
        }
    }

    /// The one way to a grant. The never-list is asked first, because it wins over everything that grants.
    pub(super) fn grant(
        &self,
        facts: &Facts<'_>,
        asked: Asked<'_>,
        observer: &mut impl Observer,
    ) -> Result<Grant, Prohibition> {
        let peer = facts.peer;
        if let Some((network, number)) = self.never.find(peer) {
            observer.look(Row::NeverOrNoReroute, true, || {
                (format!("peer {peer} is in {network} of the never-list"), Line::NeverRelay(*number))
            });
            return Err(Prohibition::NeverList);
        }
        if !self.reroute {
            observer.look(Row::NeverOrNoReroute, true, || {
                ("reroute is off: nobody may relay".to_owned(), Line::Reroute)
            });
            return Err(Prohibition::RerouteOff);
        }
        observer.look(Row::NeverOrNoReroute, false, || {
            format!("reroute is on, and peer {peer} is not on the never-list")
        });

        let authenticated = self.logins.word(facts, asked);
        if let Word::Fits(line) = authenticated {
            observer.look(Row::Granted, true, || (Logins::why(facts, authenticated), line));
            return Ok(Grant::new(GrantReason::Authenticated));
        }
        let certificate = self.client_certificates.word(facts);
        if let Word::Fits(line) = certificate {
            observer.look(Row::Granted, true, || (ClientCertificates::why(facts, certificate), line));
            return Ok(Grant::new(GrantReason::ClientCertificate));
        }
        let internal = self.internal_addresses.word(facts);
        if let Word::Fits(line) = internal {
            observer.look(Row::Granted, true, || (InternalAddresses::why(facts, internal), line));
            return Ok(Grant::new(GrantReason::InternalAddress));
        }
        let network = self.client_networks.word(facts, asked);
        if let Word::Fits(line) = network {
            observer.look(Row::Granted, true, || (self.client_networks.why(facts, network), line));
            return Ok(Grant::new(GrantReason::ClientNetwork));
        }
        observer.look(Row::Granted, false, || {
            [
                Logins::why(facts, authenticated),
                ClientCertificates::why(facts, certificate),
                InternalAddresses::why(facts, internal),
                self.client_networks.why(facts, network),
            ]
            .join("; ")
        });
        observer.look(Row::NotGranted, true, || "no restriction lets this session relay");
        Err(Prohibition::NoGrant)
    }
}

/// The sender, in the words of a step.
fn sender_shown(facts: &Facts<'_>) -> String {
    facts.sender.map_or_else(|| "a sender that is not known".to_owned(), |sender| sender.to_string())
}
