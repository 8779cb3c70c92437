//! Who may send to whom: two pure calls, [`Policy::place`] and [`Policy::decide`], with the directory lookup between
//! them, which is the caller's. Does not know `smtp`.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::address::{ForwardPath, Mailbox};

/// What a directory said of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryAnswer {
    /// It holds exactly this local-part.
    Known,
    /// It does not.
    Unknown,
    /// It cannot say now.
    Unavailable,
    /// None is configured, or the placement needs none.
    NotAsked,
}

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

/// Why a session may relay. Made where a restriction matched, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant(());

/// Why a recipient may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prohibition {
    /// Its local-part carries another address.
    Disguised,
    /// The peer is on the never-list.
    NeverList,
    /// `reroute = false`.
    RerouteOff,
    /// No restriction fits.
    NoGrant,
}

/// The relay decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The recipient is local.
    Route,
    /// It is not, and the session may relay.
    Relay(Grant),
    /// It is not, or pretends to be, and the session may not.
    Prohibited(Prohibition),
    /// It would be local, but there is no such mailbox.
    UnknownRecipient,
    /// Whether it is local cannot be said now.
    TryLater,
}

/// Where a forward-path belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement<'a>(std::marker::PhantomData<&'a str>);

impl<'a> Placement<'a> {
    /// The mailbox that a directory must be asked about before `decide`, if any.
    #[must_use]
    pub fn asks_directory(&self) -> Option<Mailbox<'a>> {
        None
    }
}

/// The relay policy.
#[derive(Debug)]
pub struct Policy {}

impl Policy {
    /// Compiles settings into what `place` and `decide` need.
    #[must_use]
    pub fn new(settings: &PolicySettings) -> Self {
        let _ = settings;
        Self {}
    }

    /// Where this forward-path belongs.
    #[must_use]
    pub fn place<'a>(&self, path: &ForwardPath<'a>) -> Placement<'a> {
        let _ = path;
        Placement(std::marker::PhantomData)
    }

    /// What is done with the recipient.
    #[must_use]
    pub fn decide(&self, facts: &Facts, placement: &Placement<'_>, said: DirectoryAnswer) -> Decision {
        let _ = (facts, placement, said);
        Decision::Prohibited(Prohibition::NoGrant)
    }

    /// Whether the session may relay at all, whoever the recipient is.
    #[must_use]
    pub fn grant(&self, facts: &Facts) -> Option<Grant> {
        let _ = facts;
        None
    }
}
