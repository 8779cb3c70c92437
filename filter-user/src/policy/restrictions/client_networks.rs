//! Restriction *these IP addresses*: client networks, each with or without the senders that it may relay for. Of several
//! that hold a peer, the narrowest alone counts, so that a part of a network can be given less than the whole.

use std::collections::HashMap;

use ipnet::IpNet;

use super::{Asked, Line, Word, sender_shown};
use crate::network_map::{NetworkMap, canonical};
use crate::policy::sender::SenderSet;
use crate::policy::{Facts, PolicySettings, SenderPattern};

/// A network whose hosts may relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientNetwork {
    /// The network.
    pub network: IpNet,
    /// For these senders alone; none means for all.
    pub senders: Vec<SenderPattern>,
}

impl From<IpNet> for ClientNetwork {
    fn from(network: IpNet) -> Self {
        Self { network, senders: Vec::new() }
    }
}

/// The restriction, compiled.
#[derive(Debug)]
pub(super) struct ClientNetworks {
    networks: NetworkMap<Client>,
}

#[derive(Debug)]
struct Client {
    /// The first line of this network.
    number: usize,
    /// `None`: all.
    senders: Option<SenderSet>,
}

impl ClientNetworks {
    /// A network that stands on several lines may relay for the senders of them all.
    pub(super) fn new(settings: &PolicySettings) -> Self {
        let mut lines: HashMap<IpNet, Vec<&[SenderPattern]>> = HashMap::new();
        for client in &settings.relay_networks {
            lines.entry(canonical(client.network)).or_default().push(&client.senders);
        }
        let mut networks = NetworkMap::new();
        for (number, client) in settings.relay_networks.iter().enumerate() {
            // At its first line a network is compiled whole.
            if let Some(lines) = lines.remove(&canonical(client.network)) {
                let senders = (!lines.iter().any(|senders| senders.is_empty()))
                    .then(|| SenderSet::new(&lines.concat(), settings.local_part_case_sensitive));
                networks.insert(client.network, Client { number, senders });
            }
        }
        Self { networks }
    }

    pub(super) fn word(&self, facts: &Facts<'_>, asked: Asked<'_>) -> Word {
        match self.networks.find(facts.peer) {
            Some((_, Client { number, senders })) => {
                let line = Line::RelayNetwork(*number);
                let fits = senders.as_ref().is_none_or(|senders| asked.is_among(senders));
                if fits { Word::Fits(line) } else { Word::NotForThisSender(line) }
            }
            None => Word::DoesNotFit,
        }
    }

    pub(super) fn why(&self, facts: &Facts<'_>, word: Word) -> String {
        let peer = facts.peer;
        match (self.networks.find(peer), word) {
            (Some((network, _)), Word::NotForThisSender(_)) => {
                format!(
                    "peer {peer} is in client network {network}, but not for the sender {}",
                    sender_shown(facts)
                )
            }
            (Some((network, _)), _) => format!("peer {peer} is in client network {network}"),
            (None, _) => format!("peer {peer} is in no client network"),
        }
    }
}
