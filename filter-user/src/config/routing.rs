//! The routing table as it is configured: its rows for the policy, which knows destinations and answers by their numbers
//! alone, and what each number stands for. Reads no text.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::backend::ClientAddress;
use super::tls::TlsLevel;
use crate::policy::{AnswerId, BackendId, Route, RouteId, RoutedTo, SentTo};

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(v6)) => write!(f, "[{v6}]:{port}"),
            Ok(IpAddr::V4(_)) | Err(_) => write!(f, "{host}:{port}"),
        }
    }
}

/// The hosts of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Never empty, in order of priority.
    Listed(Vec<HostPort>),
    /// Those that the MX records of this name list.
    Mx(String),
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(hosts) => {
                let hosts: Vec<String> = hosts.iter().map(HostPort::to_string).collect();
                f.write_str(&hosts.join(", "))
            }
            Self::Mx(name) => write!(f, "the MX hosts of {name}"),
        }
    }
}

/// Where mail goes that is not for the default backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Where.
    pub hosts: Hosts,
    /// How much the connection is encrypted; `None`: as `backend-tls` says.
    pub tls: Option<TlsLevel>,
    /// Who is trusted in place of the system's authorities.
    pub ca: Option<PathBuf>,
    /// Login and password that the host asks for.
    pub credentials: Option<PathBuf>,
    /// How it learns the client's address; `None`: as `backend-client-address` says.
    pub client_address: Option<ClientAddress>,
}

/// An answer in place of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteAnswer {
    /// 4xx or 5xx.
    pub code: u16,
    /// The whole line, with CR LF.
    pub line: String,
}

/// A row as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRoute {
    /// Which domains it is for.
    pub sent_to: SentTo,
    /// What becomes of mail to them.
    pub routed_to: WrittenTarget,
}

/// The right side of a row as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenTarget {
    /// `inbound`: ours, at this backend, or at the default one.
    Inbound(Option<Destination>),
    /// `host` and `mx`: relayed there.
    Host(Destination),
    /// `reply`
    Answer(RouteAnswer),
}

/// The routing table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Its rows, as the policy takes them.
    pub routes: Vec<Route>,
    /// The destinations, numbered from 1 for [`BackendId`] and [`RouteId`] alike: 0 is the default backend.
    pub destinations: Vec<Destination>,
    /// The answers, numbered from 0 for [`AnswerId`].
    pub answers: Vec<RouteAnswer>,
}

impl Routing {
    /// Numbers what the rows name.
    #[must_use]
    pub fn new(rows: Vec<WrittenRoute>) -> Self {
        let mut routing = Self::default();
        for WrittenRoute { sent_to, routed_to } in rows {
            let routed_to = match routed_to {
                WrittenTarget::Inbound(None) => RoutedTo::Inbound(BackendId::default()),
                WrittenTarget::Inbound(Some(backend)) => {
                    RoutedTo::Inbound(BackendId(routing.add_destination(backend)))
                }
                WrittenTarget::Host(host) => RoutedTo::Host(RouteId(routing.add_destination(host))),
                WrittenTarget::Answer(answer) => {
                    routing.answers.push(answer);
                    RoutedTo::Answer(AnswerId(number(routing.answers.len() - 1)))
                }
            };
            routing.routes.push(Route { sent_to, routed_to });
        }
        routing
    }

    fn add_destination(&mut self, destination: Destination) -> u32 {
        self.destinations.push(destination);
        number(self.destinations.len())
    }

    /// The domains that rows make ours.
    pub(super) fn inbound_domains(&self) -> impl Iterator<Item = &String> {
        self.routes.iter().filter_map(|route| match (&route.sent_to, route.routed_to) {
            (SentTo::AndBelow(domain) | SentTo::Exactly(domain), RoutedTo::Inbound(_)) => Some(domain),
            _ => None,
        })
    }

    /// What is allowed and foolish.
    pub(super) fn warnings(&self, local_domains: &[String], reroute: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        for Destination { hosts, tls, credentials, .. } in &self.destinations {
            let Some(credentials) = credentials else { continue };
            if *tls == Some(TlsLevel::Encrypt) {
                warnings.push(format!(
                    "route … tls=encrypt credentials={}: the password is shown to whoever comes between; tls=verify \
                     shows it to the host alone",
                    credentials.display()
                ));
            }
            if let Hosts::Mx(domain) = hosts {
                warnings.push(format!(
                    "route … mx {domain} credentials={}: the password is shown to whatever host DNS names; name the \
                     host that it is for",
                    credentials.display()
                ));
            }
        }
        for (number, route) in self.routes.iter().enumerate() {
            let shown = shown(&route.sent_to);
            if self.routes[..number].iter().any(|earlier| earlier.sent_to == route.sent_to) {
                warnings.push(format!(
                    "route = {shown} … is never reached: an earlier row is for the same domains"
                ));
            }
            match &route.sent_to {
                SentTo::Exactly(domain) if local_domains.contains(domain) => warnings.push(format!(
                    "route = {shown} … is never reached: local-domain = {domain} is for exactly that domain, and stands \
                     before it"
                )),
                SentTo::AndBelow(domain) if local_domains.contains(domain) => warnings.push(format!(
                    "route = {shown} … is for what is below {domain} alone: local-domain = {domain} is for exactly that \
                     domain, and stands before it"
                )),
                _ => {}
            }
            if !reroute && matches!(route.routed_to, RoutedTo::Host(_)) {
                warnings
                    .push(format!("reroute = false: nobody may relay, so route = {shown} … has no effect"));
            }
        }
        warnings
    }

    /// The destination of this number; none for 0, the default backend.
    #[must_use]
    pub fn destination(&self, number: u32) -> Option<&Destination> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.destinations.get(index)
    }

    /// The answer of this number.
    #[must_use]
    pub fn answer(&self, answer: AnswerId) -> Option<&RouteAnswer> {
        self.answers.get(usize::try_from(answer.0).ok()?)
    }
}

/// The left side of a row, as it is written.
fn shown(sent_to: &SentTo) -> String {
    match sent_to {
        SentTo::AndBelow(domain) => domain.clone(),
        SentTo::Exactly(domain) => format!("#{domain}"),
        SentTo::Rest => "*".to_owned(),
    }
}

/// A table of more than four thousand million rows does not fit into memory.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::{Kind, RouteRow};

    #[test]
    fn what_rows_name_is_found_by_the_number_that_the_policy_is_given() {
        let rows = [
            "a.example = inbound",
            "b.example = inbound mail.b.example",
            "#c.example = reply 550 5.1.10 c.example takes no mail",
            "* = host smart.example:587",
        ];
        let routing = Routing::new(rows.iter().map(|row| RouteRow.parse(row).unwrap()).collect());
        let targets: Vec<RoutedTo> = routing.routes.iter().map(|route| route.routed_to).collect();
        assert_eq!(
            targets,
            [
                RoutedTo::Inbound(BackendId(0)),
                RoutedTo::Inbound(BackendId(1)),
                RoutedTo::Answer(AnswerId(0)),
                RoutedTo::Host(RouteId(2)),
            ]
        );
        let shown = |number| routing.destination(number).map(|destination| destination.hosts.to_string());
        assert_eq!(shown(0), None);
        assert_eq!(shown(1).as_deref(), Some("mail.b.example:25"));
        assert_eq!(shown(2).as_deref(), Some("smart.example:587"));
        assert_eq!(shown(3), None);
        let answer = routing.answer(AnswerId(0)).map(|answer| answer.line.as_str());
        assert_eq!(answer, Some("550 5.1.10 c.example takes no mail\r\n"));
        assert_eq!(routing.answer(AnswerId(1)), None);
    }
}
