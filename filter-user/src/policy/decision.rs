//! What is done with a recipient: the second of the two calls, when the directory has answered.

use std::fmt;

use super::explain::{Observer, Row};
use super::placement::{Place, Placement};
use super::restrictions::Asked;
use super::{AnswerId, BackendId, Facts, Grant, Policy, RouteId};

/// What a directory said of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryAnswer {
    /// It holds exactly this local-part.
    Known,
    /// It takes every local-part of that domain and does not hold exactly this one. That is no word for a disguised
    /// address: it would be handed to a backend that may read it as the address inside.
    WholeDomain,
    /// It holds the mailbox that this is an extension of, `user` of `user+tag`, and not exactly this one. That is no word
    /// for a disguised address either.
    Extension,
    /// It does not.
    Unknown,
    /// It cannot say now.
    Unavailable,
    /// None is configured, or the placement needs none.
    NotAsked,
}

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

impl Prohibition {
    /// The words for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disguised => "disguised address",
            Self::NeverList => "never-list",
            Self::RerouteOff => "reroute off",
            Self::NoGrant => "no grant",
        }
    }
}

impl fmt::Display for Prohibition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The relay decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The recipient is local: its mailbox is at this backend.
    Route(BackendId),
    /// It is not, and the session may relay: by the host that the routing table names, else by the default backend.
    Relay(Grant, Option<RouteId>),
    /// The routing table has an answer for its domain, whoever asks.
    Answer(AnswerId),
    /// It is not, or pretends to be, and the session may not.
    Prohibited(Prohibition),
    /// It would be local, but there is no such mailbox.
    UnknownRecipient,
    /// Whether it is local cannot be said now.
    TryLater,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(backend) if *backend == BackendId::default() => f.write_str("route"),
            Self::Route(backend) => write!(f, "route (destination {})", backend.0),
            Self::Relay(grant, None) => write!(f, "relay ({})", grant.reason()),
            Self::Relay(grant, Some(route)) => {
                write!(f, "relay ({}, destination {})", grant.reason(), route.0)
            }
            Self::Answer(answer) => write!(f, "answer {}", answer.0),
            Self::Prohibited(prohibition) => write!(f, "prohibited ({prohibition})"),
            Self::UnknownRecipient => f.write_str("unknown recipient"),
            Self::TryLater => f.write_str("try later"),
        }
    }
}

impl Policy {
    /// [`Policy::decide`], watched.
    pub(super) fn decide_observed(
        &self,
        facts: &Facts<'_>,
        placement: &Placement<'_>,
        said: DirectoryAnswer,
        observer: &mut impl Observer,
    ) -> Decision {
        let line = placement.line;
        let (mailbox, backend) = match placement.place {
            Place::Postmaster(backend) => return Decision::Route(backend),
            Place::Answered(answer) => return Decision::Answer(answer),
            Place::Outside(mailbox, route) => {
                observer.look(Row::Disguised, false, || {
                    (format!("<{}> is not of a local domain, so rows 4 to 8 do not fit", mailbox.text), line)
                });
                return match self.restrictions.grant(facts, Asked::ForSender(facts.sender), observer) {
                    Ok(grant) => Decision::Relay(grant, route),
                    Err(prohibition) => Decision::Prohibited(prohibition),
                };
            }
            Place::Disguised(mailbox, backend, disguise) => {
                let holds = match said {
                    DirectoryAnswer::Known => "the directory holds exactly that local-part",
                    DirectoryAnswer::Unavailable => {
                        "whether the directory holds that local-part is not known now"
                    }
                    DirectoryAnswer::Unknown | DirectoryAnswer::Extension | DirectoryAnswer::WholeDomain => {
                        "the directory does not hold exactly that local-part"
                    }
                    DirectoryAnswer::NotAsked => "there is no directory that could hold that local-part",
                };
                let fits = !matches!(said, DirectoryAnswer::Known | DirectoryAnswer::Unavailable);
                observer.look(Row::Disguised, fits, || {
                    let kind = disguise.kind();
                    (format!("<{}> carries <{disguise}> ({kind}), and {holds}", mailbox.text), line)
                });
                if fits {
                    return Decision::Prohibited(Prohibition::Disguised);
                }
                (mailbox, backend)
            }
            Place::Local(mailbox, backend) => {
                observer.look(Row::Disguised, false, || {
                    (format!("<{}> carries no other address", mailbox.text), line)
                });
                (mailbox, backend)
            }
        };
        let (row, decision) = match said {
            DirectoryAnswer::Known | DirectoryAnswer::Extension | DirectoryAnswer::WholeDomain => {
                (Row::Known, Decision::Route(backend))
            }
            DirectoryAnswer::Unknown => (Row::Unknown, Decision::UnknownRecipient),
            DirectoryAnswer::Unavailable => (Row::Unavailable, Decision::TryLater),
            DirectoryAnswer::NotAsked => (Row::NoDirectory, Decision::Route(backend)),
        };
        for looked_at in [Row::Known, Row::Unknown, Row::Unavailable, Row::NoDirectory] {
            observer.look(looked_at, looked_at == row, || {
                format!("of <{}> the directory says: {}", mailbox.text, said.as_str())
            });
            if looked_at == row {
                break;
            }
        }
        decision
    }
}

impl DirectoryAnswer {
    /// The words for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::WholeDomain => "the whole domain is taken",
            Self::Extension => "known without its extension",
            Self::Unknown => "unknown",
            Self::Unavailable => "cannot say now",
            Self::NotAsked => "nothing, none is configured",
        }
    }
}
