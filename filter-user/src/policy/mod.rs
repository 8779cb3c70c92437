//! Who may send to whom: two pure calls, [`Policy::place`] and [`Policy::decide`], with the directory lookup between
//! them, which is the caller's. Does not know `smtp`, and parses no path: rows 1 and 2 of the relay decision are done
//! where paths are parsed. For ASCII domains neither call allocates.

mod decision;
pub mod domain_set;
pub mod explain;
pub mod identity;
mod placement;
mod restrictions;
mod routing_table;
mod sender;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

pub use decision::{Decision, DirectoryAnswer, Prohibition};
pub use domain_set::DomainSet;
pub use explain::{Line, Row, Step};
pub use identity::{ClientCertificate, Login};
pub use placement::Placement;
pub use restrictions::{ClientNetwork, Grant, GrantReason, InternalAddress, SenderLogin};
pub use routing_table::{AnswerId, BackendId, Route, RouteId, RoutedTo, RoutingTable, SentTo};
pub use sender::{Sender, SenderPattern};

use crate::address::ForwardPath;
use explain::Unobserved;
use restrictions::{Asked, Restrictions};

/// What is known of the session that asks.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The peer's address.
    pub peer: IpAddr,
    /// The address that it connected to, where known.
    pub local: Option<SocketAddr>,
    /// The sender of its transaction, where there is one.
    pub sender: Option<Sender<'a>>,
    /// Whom it has authenticated as.
    pub login: Option<&'a Login>,
    /// The certificate that it has shown.
    pub certificate: Option<&'a ClientCertificate>,
}

impl Facts<'_> {
    /// Of a session of which nothing but its connection is known.
    #[must_use]
    pub const fn of_connection(peer: IpAddr, local: Option<SocketAddr>) -> Self {
        Self { peer, local, sender: None, login: None, certificate: None }
    }
}

/// What a policy is made from.
#[derive(Clone, Debug, Default)]
pub struct PolicySettings {
    /// Our domains whose mailboxes are at the default backend: each a row of the routing table.
    pub local_domains: Vec<String>,
    /// The other rows of the routing table.
    pub routes: Vec<Route>,
    /// Our addresses, for `postmaster@[address]`.
    pub own_addresses: Vec<IpAddr>,
    /// Whether local-parts, and logins, that differ by case are different.
    pub local_part_case_sensitive: bool,
    /// Whether anyone at all may relay.
    pub reroute: bool,
    /// The never-list.
    pub never_relay: Vec<IpNet>,
    /// Restriction *successfully authenticate*: by a login.
    pub relay_authenticated: bool,
    /// The senders that each login may relay for; with none at all, any login may for every sender.
    pub sender_logins: Vec<SenderLogin>,
    /// Restriction *successfully authenticate*: by a client certificate.
    pub relay_client_certificate: bool,
    /// The names that a client certificate must have one of; none means any.
    pub client_names: Vec<String>,
    /// Restriction *internal addresses*.
    pub internal_addresses: Vec<InternalAddress>,
    /// Restriction *client networks*.
    pub relay_networks: Vec<ClientNetwork>,
}

/// The relay policy.
#[derive(Debug)]
pub struct Policy {
    routing: RoutingTable,
    own_addresses: Vec<IpAddr>,
    restrictions: Restrictions,
}

impl Policy {
    /// Compiles settings into what `place` and `decide` need.
    #[must_use]
    pub fn new(settings: &PolicySettings) -> Self {
        Self {
            routing: RoutingTable::new(&settings.local_domains, &settings.routes),
            own_addresses: settings.own_addresses.iter().map(IpAddr::to_canonical).collect(),
            restrictions: Restrictions::new(settings),
        }
    }

    /// Where this forward-path belongs.
    #[must_use]
    pub fn place<'a>(&self, path: &ForwardPath<'a>) -> Placement<'a> {
        self.place_observed(path, &mut Unobserved)
    }

    /// What is done with the recipient. `said` is the directory's answer to what the placement asks.
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>, placement: &Placement<'_>, said: DirectoryAnswer) -> Decision {
        self.decide_observed(facts, placement, said, &mut Unobserved)
    }

    /// Whether the session may relay at all, whoever sender and recipient are. A grant that is narrowed to senders is one
    /// here, and is looked at again in `decide`.
    #[must_use]
    pub fn grant(&self, facts: &Facts<'_>) -> Option<Grant> {
        self.restrictions.grant(facts, Asked::ForAnySender, &mut Unobserved).ok()
    }
}
