//! Where mail goes: every destination with its hosts, which of them are up, and what they can do. Dials are made by
//! `delivery`, which tells here how they went; `probing` finds out about hosts that nobody dials.

mod credentials;
mod host;
mod mail_exchange;
mod probing;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub use credentials::{Credentials, CredentialsError};
pub(super) use host::Host;
use mail_exchange::Exchange;
pub use mail_exchange::{MailExchangeError, MailExchanges};
use tokio::time::timeout;

use super::backend::{BackendSettings, CLIENTS_HELO};
use super::backend_error::BackendError;
use super::capabilities::{Capabilities, KnownCapabilities};
use super::tls::ClientTls;
use crate::config::{ClientAddress, HostPort};
use crate::telemetry::field;

/// The hosts of a destination, as it is configured.
#[derive(Clone, Debug)]
pub enum DestinationHosts {
    /// Never empty, the one to be preferred first.
    Listed(Vec<HostPort>),
    /// Those that DNS has for this domain.
    Exchange(String, MailExchanges),
}

/// How one destination is reached.
#[derive(Clone, Debug)]
pub struct DestinationSettings {
    /// Its hosts.
    pub hosts: DestinationHosts,
    /// Whether its mail is ours: then anyone may send there, and what it can do is what everyone is offered.
    pub inbound: bool,
    /// How they learn the client's address.
    pub client_address: ClientAddress,
    /// Whether and how connections to them are encrypted.
    pub tls: ClientTls,
    /// What they ask for before they take mail.
    pub credentials: Option<Arc<Credentials>>,
}

/// Hosts of which any will do for the same mail.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) settings: DestinationSettings,
    hosts: ArcSwap<Vec<Arc<Host>>>,
}

/// All of them, and what they can all do.
#[derive(Debug)]
pub struct Destinations {
    all: Vec<Destination>,
    offered: KnownCapabilities,
    /// Held while what is offered is worked out, so that two who learn at once do not miss each other.
    learning: Mutex<()>,
}

impl Destination {
    fn new(settings: DestinationSettings) -> Self {
        let hosts = match &settings.hosts {
            DestinationHosts::Listed(hosts) => {
                hosts.iter().map(|host| Arc::new(Host::listed(host))).collect()
            }
            DestinationHosts::Exchange(..) => Vec::new(),
        };
        Self { hosts: ArcSwap::from_pointee(hosts), settings }
    }

    /// Its hosts in the order in which they are to be dialled, looked up anew where that is how they are found.
    pub(super) async fn find_hosts(
        &self,
        settings: &BackendSettings,
    ) -> Result<Vec<Arc<Host>>, BackendError> {
        if let DestinationHosts::Exchange(domain, exchanges) = &self.settings.hosts {
            let within = settings.dial_timeout;
            let found = timeout(within, exchanges.of(domain)).await.map_err(|_| {
                BackendError::TimedOut { what: "the lookup of its mail hosts", after: within }
            })??;
            self.know(found);
        }
        Ok(self.by_preference())
    }

    /// Remembers the hosts that were found; what is known of those that were there before stays known.
    fn know(&self, found: Vec<Exchange>) {
        let known = self.hosts.load();
        let hosts = found.into_iter().map(|exchange| {
            let same = known.iter().find(|host| host.is(&exchange)).cloned();
            same.unwrap_or_else(|| Arc::new(Host::found(exchange)))
        });
        let hosts = hosts.collect();
        self.hosts.store(Arc::new(hosts));
    }

    /// By priority, but who is down comes last, for it may be up again since somebody looked.
    fn by_preference(&self) -> Vec<Arc<Host>> {
        let mut hosts = Vec::clone(&self.hosts.load());
        hosts.sort_by_key(|host| !host.is_up());
        hosts
    }

    /// Whether a backend's refusal of the connection may be meant for the client, because it knew whose it is.
    fn shows_the_client_first(&self) -> bool {
        matches!(self.settings.client_address, ClientAddress::Proxy | ClientAddress::Transparent)
    }
}

impl Destinations {
    /// The first is the default backend.
    #[must_use]
    pub fn new(all: Vec<DestinationSettings>) -> Self {
        Self {
            all: all.into_iter().map(Destination::new).collect(),
            offered: KnownCapabilities::default(),
            learning: Mutex::default(),
        }
    }

    /// The destination of this number; the default backend where there is none such.
    #[must_use]
    pub(super) fn get(&self, number: usize) -> &Destination {
        self.all.get(number).unwrap_or(&self.all[0])
    }

    /// Every host that is known: the number of its destination, its name, and whether it was up when it was tried last.
    pub fn health(&self) -> impl Iterator<Item = (usize, String, bool)> {
        self.all.iter().enumerate().flat_map(|(number, destination)| {
            let hosts = destination.hosts.load();
            let health = hosts.iter().map(|host| (number, host.to_string(), host.is_up()));
            health.collect::<Vec<_>>()
        })
    }

    /// What every destination can do whose mail is ours, as far as is known: what clients are offered.
    #[must_use]
    pub(super) fn offered(&self) -> &KnownCapabilities {
        &self.offered
    }

    /// A host has answered EHLO.
    pub(super) fn found_up(&self, destination: &Destination, host: &Host, capabilities: &Capabilities) {
        if host.set_up(true) {
            tracing::info!({ field::BACKEND } = %host, "backend is up again");
        }
        if !host.learn(capabilities) || !destination.settings.inbound {
            return;
        }
        if destination.settings.client_address == ClientAddress::Xclient && !capabilities.takes("ADDR") {
            tracing::warn!(
                { field::BACKEND } = %host,
                "the backend is not told the clients' addresses: it takes all mail for ours; let it offer XCLIENT to \
                 this host (Postfix: smtpd_authorized_xclient_hosts), or set backend-client-address"
            );
        }
        // What is kept is whole at any time: who panicked with it has left it so.
        let _learning = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        self.offered.learn(self.common());
    }

    /// A host could not be dialled for a client.
    pub(super) fn found_failing(&self, destination: &Destination, host: &Host, error: &BackendError) {
        let of_client = match error {
            BackendError::NotTransparent { .. }
            | BackendError::OtherFamily { .. }
            | BackendError::NoMechanism { .. } => true,
            BackendError::Refused { what, .. } => {
                matches!(*what, "XCLIENT" | "AUTH" | CLIENTS_HELO) || destination.shows_the_client_first()
            }
            _ => false,
        };
        if !of_client {
            self.found_down(host, error);
        }
    }

    fn found_down(&self, host: &Host, error: &BackendError) {
        if host.set_up(false) {
            tracing::warn!(
                { field::BACKEND } = %host,
                { field::ERROR } = %error,
                "backend is down; it is probed until it is up again"
            );
        }
    }

    /// What all hosts can do that take our mail and of which anything is known; the least where nothing is.
    fn common(&self) -> Capabilities {
        let inbound = self.all.iter().filter(|destination| destination.settings.inbound);
        let known = inbound.flat_map(|destination| {
            let hosts = destination.hosts.load();
            hosts.iter().filter_map(|host| host.known()).collect::<Vec<_>>()
        });
        let common =
            known.map(|known| Capabilities::clone(&known)).reduce(|a, b| a.and(&b)).unwrap_or_default();
        Capabilities { auth: self.auth_of_default(), ..common }
    }

    /// AUTH is handed to the default backend alone: what the other destinations know of it does not matter.
    fn auth_of_default(&self) -> Vec<String> {
        let hosts = self.get(0).hosts.load();
        let known = hosts.iter().filter_map(|host| host.known());
        known.map(|known| Capabilities::clone(&known)).reduce(|a, b| a.and(&b)).unwrap_or_default().auth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hosts: &[&str], client_address: ClientAddress) -> DestinationSettings {
        let host = |name: &&str| HostPort { host: (*name).to_owned(), port: 25 };
        DestinationSettings {
            hosts: DestinationHosts::Listed(hosts.iter().map(host).collect()),
            inbound: true,
            client_address,
            tls: ClientTls::default(),
            credentials: None,
        }
    }

    fn destinations(hosts: &[&str], client_address: ClientAddress) -> Destinations {
        Destinations::new(vec![settings(hosts, client_address)])
    }

    fn order(destination: &Destination) -> Vec<String> {
        destination.by_preference().iter().map(|host| host.to_string()).collect()
    }

    fn lost() -> BackendError {
        BackendError::Lost { what: "the banner" }
    }

    #[test]
    fn a_host_that_is_down_comes_last_until_it_is_up_again() {
        let all = destinations(&["a", "b", "c"], ClientAddress::Xclient);
        let destination = all.get(0);
        let hosts = destination.by_preference();
        all.found_failing(destination, &hosts[0], &lost());
        assert_eq!(order(destination), ["b:25", "c:25", "a:25"]);
        all.found_failing(destination, &hosts[1], &lost());
        assert_eq!(order(destination), ["c:25", "a:25", "b:25"]);
        all.found_up(destination, &hosts[0], &Capabilities::default());
        assert_eq!(order(destination), ["a:25", "c:25", "b:25"]);
    }

    #[test]
    fn a_refusal_that_may_be_meant_for_the_client_is_no_fault_of_the_host() {
        let refused = |what| BackendError::Refused { what, summary: "554 5.7.1 not you".to_owned() };
        for (how, error, still_first) in [
            (ClientAddress::Xclient, refused("the connection"), false),
            (ClientAddress::Xclient, refused("XCLIENT"), true),
            (ClientAddress::Xclient, refused(CLIENTS_HELO), true),
            (ClientAddress::Xclient, refused("HELO"), false),
            (ClientAddress::Proxy, refused("the connection"), true),
            (ClientAddress::Transparent, refused("the connection"), true),
            (ClientAddress::Transparent, lost(), false),
            (ClientAddress::None, refused("the connection"), false),
        ] {
            let all = destinations(&["a", "b"], how);
            let destination = all.get(0);
            let first = Arc::clone(&destination.by_preference()[0]);
            all.found_failing(destination, &first, &error);
            assert_eq!(order(destination)[0] == "a:25", still_first, "{how:?} {error}");
        }
    }

    #[test]
    fn what_is_offered_is_what_all_known_hosts_can_do() {
        let one = settings(&["a", "b"], ClientAddress::Xclient);
        let elsewhere = DestinationSettings { inbound: false, ..settings(&["d"], ClientAddress::None) };
        let all = Destinations::new(vec![one, settings(&["c"], ClientAddress::None), elsewhere]);
        let can = |size, dsn| Capabilities { eight_bit_mime: true, dsn, size, ..Capabilities::default() };
        assert_eq!(*all.offered().load(), Capabilities::default());
        let hosts = all.get(0).by_preference();
        all.found_up(all.get(0), &hosts[0], &can(Some(Some(1000)), true));
        assert_eq!(*all.offered().load(), can(Some(Some(1000)), true));
        all.found_up(all.get(1), &all.get(1).by_preference()[0], &can(Some(None), true));
        assert_eq!(*all.offered().load(), can(Some(Some(1000)), true));
        all.found_up(all.get(0), &hosts[1], &can(Some(Some(500)), false));
        assert_eq!(*all.offered().load(), can(Some(Some(500)), false));
        // Who relays for us and can less hides nothing from those who send to us.
        all.found_up(all.get(2), &all.get(2).by_preference()[0], &Capabilities::default());
        assert_eq!(*all.offered().load(), can(Some(Some(500)), false));
    }
}
