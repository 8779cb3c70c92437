//! Who may send to whom: two pure calls, [`Policy::place`] and [`Policy::decide`], with the directory lookup between
//! them, which is the caller's. Does not know `smtp`, and parses no path: rows 1 and 2 of the relay decision are done
//! where paths are parsed. For ASCII domains neither call allocates.

mod decision;
pub mod domain_set;
pub mod explain;
mod network_set;
mod placement;
mod restrictions;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

pub use decision::{Decision, DirectoryAnswer, Prohibition};
pub use domain_set::DomainSet;
pub use explain::{Row, Step};
pub use placement::Placement;
pub use restrictions::{Grant, GrantReason};

use crate::address::ForwardPath;
use explain::Unobserved;
use restrictions::Restrictions;

/// What is known of the session that asks.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The peer's address.
    pub peer: IpAddr,
    /// The address that it connected to, where known.
    pub local: Option<SocketAddr>,
}

/// What a policy is made from.
#[derive(Clone, Debug, Default)]
pub struct PolicySettings {
    /// Our domains.
    pub local_domains: Vec<String>,
    /// Our addresses, for `postmaster@[address]`.
    pub own_addresses: Vec<IpAddr>,
    /// Whether anyone at all may relay.
    pub reroute: bool,
    /// Restriction *client networks*.
    pub relay_networks: Vec<IpNet>,
    /// The never-list.
    pub never_relay: Vec<IpNet>,
}

/// The relay policy.
#[derive(Debug)]
pub struct Policy {
    local_domains: DomainSet,
    own_addresses: Vec<IpAddr>,
    restrictions: Restrictions,
}

impl Policy {
    /// Compiles settings into what `place` and `decide` need.
    #[must_use]
    pub fn new(settings: &PolicySettings) -> Self {
        Self {
            local_domains: DomainSet::new(&settings.local_domains),
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
    pub fn decide(&self, facts: &Facts, placement: &Placement<'_>, said: DirectoryAnswer) -> Decision {
        self.decide_observed(facts, placement, said, &mut Unobserved)
    }

    /// Whether the session may relay at all, whoever the recipient is.
    #[must_use]
    pub fn grant(&self, facts: &Facts) -> Option<Grant> {
        self.restrictions.grant(facts, &mut Unobserved).ok()
    }
}
