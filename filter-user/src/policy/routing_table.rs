//! The routing table: mail *sent to* a domain is *routed to* a backend, another host, or an answer. A row fits whole
//! labels from the right, and of several that fit, the most specific wins. Asking costs a hash lookup a label, however
//! many rows there are. Knows no host: what a row names is a number, which whoever made the table understands.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::domain_set::canonical;
use super::explain::Line;

/// A backend, by its number; the default one is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BackendId(pub u32);

/// A destination of relayed mail, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteId(pub u32);

/// An answer in place of a destination, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnswerId(pub u32);

/// Which domains a row is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SentTo {
    /// `example.net`: it, and all that is below it.
    AndBelow(String),
    /// `#example.net`: it, and nothing below it.
    Exactly(String),
    /// `*`: what no other row is for.
    Rest,
}

/// What becomes of mail to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutedTo {
    /// The domain is ours, and its mailboxes are at this backend.
    Inbound(BackendId),
    /// The domain is not ours; who may relay to it does so by this host.
    Host(RouteId),
    /// Everybody gets this answer.
    Answer(AnswerId),
}

/// A row as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Sent to.
    pub sent_to: SentTo,
    /// Routed to.
    pub routed_to: RoutedTo,
}

/// What is kept for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) routed_to: RoutedTo,
    /// The line that says so.
    pub(super) line: Line,
}

/// The table, compiled.
#[derive(Debug, Default)]
pub struct RoutingTable {
    exactly: HashMap<Box<str>, Target, RandomState>,
    and_below: HashMap<Box<str>, Target, RandomState>,
    rest: Option<Target>,
    /// How many labels rows of `and_below` have, a bit for each number: other ends of a domain are not looked up, so that
    /// a domain of very many labels costs no more than one of few.
    depths: u128,
}

impl RoutingTable {
    /// Local domains are rows for exactly that domain, to the default backend. Where two rows are for the same domains,
    /// the first stands.
    #[must_use]
    pub fn new(local_domains: &[String], routes: &[Route]) -> Self {
        let mut table = Self::default();
        for (number, domain) in local_domains.iter().enumerate() {
            let target = Target {
                routed_to: RoutedTo::Inbound(BackendId::default()),
                line: Line::LocalDomain(number),
            };
            table.exactly.entry(key(domain)).or_insert(target);
        }
        for (number, Route { sent_to, routed_to }) in routes.iter().enumerate() {
            let target = Target { routed_to: *routed_to, line: Line::Route(number) };
            match sent_to {
                SentTo::Exactly(domain) => _ = table.exactly.entry(key(domain)).or_insert(target),
                SentTo::AndBelow(domain) => {
                    let key = key(domain);
                    table.depths |= depth(labels(&key));
                    table.and_below.entry(key).or_insert(target);
                }
                // That would make every domain ours. Nobody means it, and `config` takes no such row.
                SentTo::Rest if matches!(routed_to, RoutedTo::Inbound(_)) => {}
                SentTo::Rest => _ = table.rest.get_or_insert(target),
            }
        }
        table
    }

    /// Whether the mailboxes of this domain are ours.
    #[must_use]
    pub fn is_ours(&self, domain: &str) -> bool {
        matches!(self.find(domain), Some(Target { routed_to: RoutedTo::Inbound(_), .. }))
    }

    /// The row for this domain name. Allocates only for U-labels.
    pub(super) fn find(&self, domain: &str) -> Option<&Target> {
        let mut folded = [0; LONGEST];
        let canonical =
            if domain.is_ascii() { fold(domain, &mut folded).map(Into::into) } else { canonical(domain) };
        canonical.and_then(|name| self.named(&name)).or(self.rest.as_ref())
    }

    /// The row for what has no domain name, an address literal.
    pub(super) fn rest(&self) -> Option<&Target> {
        self.rest.as_ref()
    }

    fn named(&self, name: &str) -> Option<&Target> {
        if let Some(target) = self.exactly.get(name) {
            return Some(target);
        }
        let (mut end, mut left) = (name, labels(name));
        if self.and_below.is_empty() {
            return None;
        }
        loop {
            if self.depths & depth(left) != 0
                && let Some(target) = self.and_below.get(end)
            {
                return Some(target);
            }
            (_, end) = end.split_once('.')?;
            left -= 1;
        }
    }
}

/// RFC 5321 section 4.5.3.1.2: a longer name is no domain, and stands in no table.
const LONGEST: usize = 255;

/// An ASCII domain in lower case, without allocating.
fn fold<'b>(domain: &str, buffer: &'b mut [u8; LONGEST]) -> Option<&'b str> {
    let folded = buffer.get_mut(..domain.len())?;
    folded.copy_from_slice(domain.as_bytes());
    folded.make_ascii_lowercase();
    std::str::from_utf8(folded).ok()
}

fn key(domain: &str) -> Box<str> {
    canonical(domain).map_or_else(|| domain.into(), |name| name.into_owned().into())
}

/// The bit for so many labels; none for more than a domain can have.
fn depth(labels: usize) -> u128 {
    u32::try_from(labels).ok().and_then(|labels| 1_u128.checked_shl(labels.checked_sub(1)?)).unwrap_or(0)
}

fn labels(name: &str) -> usize {
    name.bytes().filter(|octet| *octet == b'.').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&str]) -> RoutingTable {
        let route = |(number, row): (usize, &&str)| {
            let sent_to = match row.strip_prefix('#') {
                Some(domain) => SentTo::Exactly(domain.to_owned()),
                None if *row == "*" => SentTo::Rest,
                None => SentTo::AndBelow((*row).to_owned()),
            };
            Route { sent_to, routed_to: RoutedTo::Host(RouteId(u32::try_from(number).unwrap())) }
        };
        let routes: Vec<Route> = rows.iter().enumerate().map(route).collect();
        RoutingTable::new(&["local.example".to_owned()], &routes)
    }

    #[test]
    fn the_most_specific_row_wins() {
        let rows =
            ["example.net", "a.b.example.net", "#b.example.net", "#Example.NET", "b\u{fc}cher.example", "*"];
        let table = table(&rows);
        for (domain, row) in [
            ("example.net", "#Example.NET"),
            ("EXAMPLE.net", "#Example.NET"),
            ("x.example.net", "example.net"),
            ("b.example.net", "#b.example.net"),
            ("x.b.example.net", "example.net"),
            ("a.b.example.net", "a.b.example.net"),
            ("x.A.b.Example.net", "a.b.example.net"),
            ("xa.b.example.net", "example.net"),
            ("notexample.net", "*"),
            ("example.net.far.example", "*"),
            ("net", "*"),
            ("example.net.", "*"),
            ("xn--bcher-kva.example", "b\u{fc}cher.example"),
            ("a.B\u{dc}CHER.example", "b\u{fc}cher.example"),
            ("sub.local.example", "*"),
            ("", "*"),
            (&".".repeat(255), "*"),
        ] {
            let found = table.find(domain).map(|target| target.line);
            let wanted = rows.iter().position(|other| *other == row).map(Line::Route);
            assert_eq!(found, wanted, "{domain}");
        }
        assert_eq!(table.find("Local.Example").map(|target| target.line), Some(Line::LocalDomain(0)));
        let long = format!("{}example.net", "a.".repeat(200));
        assert_eq!(table.find(&long).map(|target| target.line), Some(Line::Route(5)));
        let deep = format!("{}example.net", "a.".repeat(120));
        assert_eq!(table.find(&deep).map(|target| target.line), Some(Line::Route(0)));
    }

    #[test]
    fn without_a_row_for_the_rest_what_is_not_named_has_none() {
        let table = table(&["example.net"]);
        assert!(table.find("example.org").is_none() && table.rest().is_none());
        assert!(RoutingTable::default().find("example.org").is_none());
    }
}
