//! Where a forward-path belongs: the first of the two calls, for which nobody has to be asked.

use super::Policy;
use super::explain::{Observer, Row};
use crate::address::disguise::{self, Disguise};
use crate::address::{Domain, ForwardPath, Mailbox};

/// Where a forward-path belongs. Only [`Policy::place`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement<'a> {
    pub(super) place: Place<'a>,
}

/// The kinds of placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Postmaster of ours, whom no directory has to know.
    Postmaster,
    /// Of a local domain.
    Local(Mailbox<'a>),
    /// Of a local domain, and its local-part carries another address.
    Disguised(Mailbox<'a>, Disguise<'a>),
    /// Not ours.
    Outside(Mailbox<'a>),
}

impl<'a> Placement<'a> {
    /// The mailbox that a directory must be asked about before `decide`, if any.
    #[must_use]
    pub fn asks_directory(&self) -> Option<Mailbox<'a>> {
        match self.place {
            Place::Local(mailbox) | Place::Disguised(mailbox, _) => Some(mailbox),
            Place::Postmaster | Place::Outside(_) => None,
        }
    }

    /// The address inside the local-part, for the log, if it is one of ours that carries one.
    #[must_use]
    pub fn disguise(&self) -> Option<Disguise<'a>> {
        match self.place {
            Place::Disguised(_, disguise) => Some(disguise),
            Place::Postmaster | Place::Local(_) | Place::Outside(_) => None,
        }
    }

    /// Whether the domain is not ours, so that this would be relaying.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        matches!(self.place, Place::Outside(_))
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
                return Placement { place: Place::Postmaster };
            }
            ForwardPath::Mailbox(mailbox) => *mailbox,
        };
        let (local, own_address) = match mailbox.domain {
            Domain::Name(name) => (self.local_domains.contains(name), false),
            Domain::Literal(address) => (false, self.own_addresses.contains(&address.to_canonical())),
            Domain::General(_) => (false, false),
        };
        let postmaster = (local || own_address) && is_postmaster(mailbox.local_part);
        observer.look(Row::Postmaster, postmaster, || {
            let is = if postmaster { "is a postmaster" } else { "is not a postmaster" };
            format!("<{}> {is} of ours", mailbox.text)
        });
        let place = if postmaster {
            Place::Postmaster
        } else if !local {
            Place::Outside(mailbox)
        } else if let Some(disguise) = disguise::decode(mailbox.local_part) {
            Place::Disguised(mailbox, disguise)
        } else {
            Place::Local(mailbox)
        };
        Placement { place }
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
