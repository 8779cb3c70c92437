//! The hosts of a domain by DNS (RFC 5321 section 5.1): its MX records in order of preference, else the domain itself;
//! none where it says that it takes no mail (RFC 7505). Answers are kept for as long as they say. Only names that the
//! routing table holds are ever asked for.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};
use tokio::runtime::Handle;

use crate::proxy::own_listeners::OwnListeners;

/// Where mail hosts listen.
pub(super) const SMTP: u16 = 25;

/// Hosts of one domain that are considered.
const MOST_HOSTS: usize = 16;

/// Why a domain has no hosts.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MailExchangeError {
    /// It says so (RFC 7505).
    #[error("the domain {0} takes no mail: it has a null MX")]
    TakesNoMail(String),
    /// None of the names has an address.
    #[error("no mail host of the domain {0} has an address")]
    NoAddress(String),
    /// DNS does not answer.
    #[error("cannot look up the mail hosts of {domain}: {source}")]
    Unanswered {
        /// Which.
        domain: String,
        /// Why.
        source: NetError,
    },
    /// The lookup was cut off, because the daemon ends.
    #[error("the lookup of the mail hosts of {0} was cut off")]
    CutOff(String),
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Its name.
    pub name: String,
    /// Its addresses, at least one.
    pub addresses: Vec<IpAddr>,
}

/// Looks up mail hosts.
#[derive(Clone)]
pub struct MailExchanges {
    resolver: Arc<TokioResolver>,
    /// Where lookups run: the resolver keeps connections in tasks, which must not sleep with a worker.
    runtime: Handle,
}

impl MailExchanges {
    /// Asks these servers; where there are none, those of the system.
    pub fn new(servers: &[SocketAddr], runtime: Handle) -> Result<Self, NetError> {
        let builder = if servers.is_empty() {
            Resolver::builder_tokio()?
        } else {
            let servers = servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        Ok(Self { resolver: Arc::new(builder.build()?), runtime })
    }

    /// The mail host of a domain that is ourselves, if one is.
    pub async fn find_own(&self, domain: &str, own: &OwnListeners) -> Option<(String, SocketAddr)> {
        let hosts = self.of(domain).await.ok()?;
        hosts.into_iter().find_map(|Exchange { name, addresses }| {
            let mut addresses = addresses.into_iter().map(|address| SocketAddr::new(address, SMTP));
            addresses.find(|address| own.include(*address)).map(|address| (name, address))
        })
    }

    /// The hosts of a domain, the one to be preferred first.
    pub(super) async fn of(&self, domain: &str) -> Result<Vec<Exchange>, MailExchangeError> {
        let (resolver, owned) = (Arc::clone(&self.resolver), domain.to_owned());
        let lookup = self.runtime.spawn(async move { look_up(&resolver, &owned).await });
        lookup.await.unwrap_or_else(|_| Err(MailExchangeError::CutOff(domain.to_owned())))
    }
}

impl std::fmt::Debug for MailExchanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailExchanges").finish_non_exhaustive()
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

async fn look_up(resolver: &TokioResolver, domain: &str) -> Result<Vec<Exchange>, MailExchangeError> {
    let unanswered = |source| MailExchangeError::Unanswered { domain: domain.to_owned(), source };
    let mut records = match resolver.mx_lookup(absolute(domain)).await {
        Ok(found) => found.answers().iter().filter_map(|record| preferred(&record.data)).collect(),
        // RFC 5321 section 5.1: without an MX, the domain is its own.
        Err(error) if error.is_no_records_found() && !error.is_nx_domain() => {
            vec![(0, domain.to_owned())]
        }
        Err(error) => return Err(unanswered(error)),
    };
    if records.iter().all(|(_, name)| name.is_empty()) {
        return Err(MailExchangeError::TakesNoMail(domain.to_owned()));
    }
    in_order(&mut records);
    let mut hosts = Vec::new();
    let mut failure = None;
    // RFC 7505 section 3: a null MX among others means nothing.
    for (_, name) in records.into_iter().filter(|(_, name)| !name.is_empty()).take(MOST_HOSTS) {
        match resolver.lookup_ip(absolute(&name)).await {
            Ok(found) => hosts.push(Exchange { name, addresses: found.iter().collect() }),
            Err(error) if error.is_no_records_found() => {}
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        _ if !hosts.is_empty() => Ok(hosts),
        Some(error) => Err(unanswered(error)),
        None => Err(MailExchangeError::NoAddress(domain.to_owned())),
    }
}

/// Preference and name of an MX record; the name is empty for the root, which is no host.
fn preferred(record: &RData) -> Option<(u16, String)> {
    let RData::MX(mx) = record else { return None };
    Some((mx.preference, mx.exchange.to_ascii().trim_end_matches('.').to_ascii_lowercase()))
}

/// By preference; equals in another order each time, to spread the load over them.
fn in_order(records: &mut [(u16, String)]) {
    let dice = RandomState::new();
    records.sort_by_cached_key(|(preference, name)| (*preference, dice.hash_one(name)));
}

/// No search list is tried for it.
fn absolute(name: &str) -> String {
    format!("{name}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preference_decides_and_among_equals_nobody_is_always_first() {
        let of = |names: &[(u16, &str)]| -> Vec<(u16, String)> {
            names.iter().map(|(preference, name)| (*preference, (*name).to_owned())).collect()
        };
        let mut firsts = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut records = of(&[(20, "c"), (10, "a"), (10, "b"), (5, "z")]);
            in_order(&mut records);
            assert_eq!((records[0].1.as_str(), records[3].1.as_str()), ("z", "c"));
            firsts.insert(records[1].1.clone());
        }
        assert_eq!(firsts.len(), 2);
    }
}
