//! Restriction *connecting to these internal addresses*: where the client connected to, not where it came from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{Line, Word};
use crate::policy::Facts;

/// An address of this host whose clients may relay: with a port, those of that port alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalAddress {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

impl InternalAddress {
    /// Whether this is where a client connected to.
    fn is(&self, local: SocketAddr) -> bool {
        self.address == local.ip().to_canonical() && self.port.is_none_or(|port| port == local.port())
    }
}

impl fmt::Display for InternalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

/// The restriction, compiled.
#[derive(Debug)]
pub(super) struct InternalAddresses {
    addresses: Vec<InternalAddress>,
}

impl InternalAddresses {
    pub(super) fn new(addresses: &[InternalAddress]) -> Self {
        let canonical = |internal: &InternalAddress| InternalAddress {
            address: internal.address.to_canonical(),
            ..*internal
        };
        Self { addresses: addresses.iter().map(canonical).collect() }
    }

    pub(super) fn word(&self, facts: &Facts<'_>) -> Word {
        let Some(local) = facts.local else { return Word::DoesNotFit };
        match self.addresses.iter().position(|internal| internal.is(local)) {
            Some(number) => Word::Fits(Line::RelayInternalAddress(number)),
            None => Word::DoesNotFit,
        }
    }

    pub(super) fn why(facts: &Facts<'_>, word: Word) -> String {
        let Some(local) = facts.local else { return "the address connected to is not known".to_owned() };
        let is = if matches!(word, Word::Fits(_)) { "an" } else { "no" };
        format!("connected to {local}, {is} internal address")
    }
}
