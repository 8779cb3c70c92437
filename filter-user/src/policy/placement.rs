//! Where a forward-path belongs: the first of the two calls, for which nobody has to be asked.

use super::explain::{Line, Observer, Row};
use super::{AnswerId, BackendId, Policy, RouteId, RoutedTo};
use crate::address::disguise::{self, Disguise};
use crate::address::{Domain, ForwardPath, Mailbox};

/// Where a forward-path belongs. Only [`Policy::place`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement<'a> {
    pub(super) place: Place<'a>,
    /// The line of the routing table, or the local domain, that makes it so.
    pub(super) line: Option<Line>,
}

/// The kinds of placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Postmaster of ours, whom no directory has to know.
    Postmaster(BackendId),
    /// The routing table has an answer for the domain.
    Answered(AnswerId),
    /// Of a local domain.
    Local(Mailbox<'a>, BackendId),
    /// Of a local domain, and its local-part carries another address.
    Disguised(Mailbox<'a>, BackendId, Disguise<'a>),
    /// Not ours; relayed by this host, if the table names one.
    Outside(Mailbox<'a>, Option<RouteId>),
}

impl<'a> Placement<'a> {
    /// The mailbox that a directory must be asked about before `decide`, if any.
    #[must_use]
    pub fn asks_directory(&self) -> Option<Mailbox<'a>> {
        match self.place {
            Place::Local(mailbox, _) | Place::Disguised(mailbox, ..) => Some(mailbox),
            Place::Postmaster(_) | Place::Answered(_) | Place::Outside(..) => None,
        }
    }

    /// The address inside the local-part, for the log, if it is one of ours that carries one.
    #[must_use]
    pub fn disguise(&self) -> Option<Disguise<'a>> {
        match self.place {
            Place::Disguised(.., disguise) => Some(disguise),
            Place::Postmaster(_) | Place::Answered(_) | Place::Local(..) | Place::Outside(..) => None,
        }
    }

    /// Whether the domain is not ours, so that this would be relaying.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        matches!(self.place, Place::Outside(..))
    }
}

impl Policy {
    /// [`Policy::place`], watched.
    pub(super) fn place_observed<'a>(
        &self,
        path: &ForwardPath<'a>,
        observer: &mut impl Observer,
    ) -> Placement<'a> {
        let mailbox = match path {
            ForwardPath::Postmaster => {
                observer.look(Row::Postmaster, true, || "<postmaster> without a domain");
                return Placement { place: Place::Postmaster(BackendId::default()), line: None };
            }
            ForwardPath::Mailbox(mailbox) => *mailbox,
        };
        let (row, own_address) = match mailbox.domain {
            Domain::Name(name) => (self.routing.find(name), false),
            Domain::Literal(address) => {
                (self.routing.rest(), self.own_addresses.contains(&address.to_canonical()))
            }
            Domain::General(_) => (self.routing.rest(), false),
        };
        let (routed_to, line) = (row.map(|row| row.routed_to), row.map(|row| row.line));
        let backend = match routed_to {
            _ if own_address => Some(BackendId::default()),
            Some(RoutedTo::Inbound(backend)) => Some(backend),
            Some(RoutedTo::Host(_) | RoutedTo::Answer(_)) | None => None,
        };
        let postmaster = backend.filter(|_| is_postmaster(mailbox.local_part));
        observer.look(Row::Postmaster, postmaster.is_some(), || {
            let is = if postmaster.is_some() { "is a postmaster" } else { "is not a postmaster" };
            (format!("<{}> {is} of ours", mailbox.text), line.filter(|_| postmaster.is_some()))
        });
        if let Some(backend) = postmaster {
            return Placement { place: Place::Postmaster(backend), line };
        }
        let answered = matches!(routed_to, Some(RoutedTo::Answer(_)));
        observer.look(Row::Answered, answered, || {
            let has = if answered { "it has one" } else { "it has none" };
            (format!("{has} for <{}>", mailbox.text), line.filter(|_| answered))
        });
        let place = match routed_to {
            Some(RoutedTo::Answer(answer)) => Place::Answered(answer),
            Some(RoutedTo::Inbound(backend)) => match disguise::decode(mailbox.local_part) {
                Some(disguise) => Place::Disguised(mailbox, backend, disguise),
                None => Place::Local(mailbox, backend),
            },
            Some(RoutedTo::Host(route)) => Place::Outside(mailbox, Some(route)),
            None => Place::Outside(mailbox, None),
        };
        Placement { place, line }
    }
}

/// RFC 5321 section 4.5.1: in any case, and whether it is quoted or not.
fn is_postmaster(local_part: &str) -> bool {
    const POSTMASTER: &str = "postmaster";
    if local_part.len() == POSTMASTER.len() {
        return local_part.eq_ignore_ascii_case(POSTMASTER);
    }
    local_part.starts_with('"')
        && disguise::unquoted(local_part)
            .map(|character| character.to_ascii_lowercase())
            .eq(POSTMASTER.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postmaster_is_known_in_every_form() {
        for local_part in ["postmaster", "PostMaster", "\"postmaster\"", r#""POST\master""#] {
            assert!(is_postmaster(local_part), "{local_part}");
        }
        for local_part in
            ["", "\"", "postmaste", "postmasters", "\"postmaster", "\" postmaster\"", "postmaſter"]
        {
            assert!(!is_postmaster(local_part), "{local_part}");
        }
    }
}
