//! The destinations of a configuration: what must be read, resolved or started for them before mail can go there.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Handle, Runtime};
use tokio::time::timeout;

use super::check::backend_tls;
use super::exit_codes::UsageError;
use super::sink;
use crate::config::{
    BackendAddress, ClientAddress, Config, Destination, DirectorySource, HostPort, Hosts, RemoteServer,
    RemoteSource, StreamAddress,
};
use crate::policy::{BackendId, RoutedTo};
use crate::proxy::{
    ClientTls, Credentials, DestinationHosts, DestinationSettings, MailExchanges, OwnListeners,
    may_be_transparent,
};

/// How long a name is looked up for, to see whether it leads to ourselves.
const RESOLVE_WITHIN: Duration = Duration::from_secs(2);

/// Everything about destinations that can be wrong without one being dialled: credentials, authorities, a way back to
/// ourselves. Starts nothing.
pub(super) fn check(config: &Config, own: &OwnListeners, runtime: &Runtime) -> anyhow::Result<()> {
    backend_tls(config)?;
    for (_, destination) in numbered(config) {
        tls(config, destination)?;
        credentials(destination)?;
    }
    refuse_loops(config, own)?;
    runtime.block_on(refuse_own_exchanges(config, own, runtime.handle()))
}

/// All destinations, by their numbers: the default backend, whose built-in server is started where one is asked for, and
/// those of the routing table.
pub(super) fn build(config: &Config, runtime: &Handle) -> anyhow::Result<Vec<DestinationSettings>> {
    let backend = DestinationSettings {
        hosts: DestinationHosts::Listed(config.backend.hosts.iter().map(started).collect::<Result<_, _>>()?),
        inbound: true,
        client_address: config.backend.client_address,
        tls: backend_tls(config)?,
        credentials: None,
    };
    let mut all = vec![backend];
    for (number, destination) in numbered(config) {
        let hosts = match &destination.hosts {
            Hosts::Listed(hosts) => DestinationHosts::Listed(hosts.clone()),
            Hosts::Mx(domain) => DestinationHosts::Exchange(domain.clone(), exchanges(config, runtime)?),
        };
        all.push(DestinationSettings {
            hosts,
            inbound: config
                .routing
                .routes
                .iter()
                .any(|route| route.routed_to == RoutedTo::Inbound(BackendId(number))),
            client_address: destination.client_address.unwrap_or(config.backend.client_address),
            tls: tls(config, destination)?,
            credentials: credentials(destination)?,
        });
    }
    if all.iter().any(|destination| destination.client_address == ClientAddress::Transparent) {
        may_be_transparent()?;
    }
    Ok(all)
}

/// The destinations of the routing table, each with its number.
fn numbered(config: &Config) -> impl Iterator<Item = (u32, &Destination)> {
    (1..).zip(&config.routing.destinations)
}

/// The address of a host; that of the built-in server once it listens.
fn started(address: &BackendAddress) -> anyhow::Result<HostPort> {
    match address {
        BackendAddress::Host { host, port } => Ok(HostPort { host: host.clone(), port: *port }),
        BackendAddress::Sink => {
            let address = sink::start()?;
            Ok(HostPort { host: address.ip().to_string(), port: address.port() })
        }
    }
}

/// As the row says, else as `backend-tls` does.
fn tls(config: &Config, destination: &Destination) -> anyhow::Result<ClientTls> {
    let Some(level) = destination.tls else { return Ok(backend_tls(config)?) };
    let authorities = destination.ca.as_deref().or(config.backend_tls.authorities.as_deref());
    Ok(ClientTls::new(level, authorities)?)
}

fn credentials(destination: &Destination) -> anyhow::Result<Option<Arc<Credentials>>> {
    let file = destination.credentials.as_deref();
    Ok(file.map(Credentials::from_file).transpose()?.map(Arc::new))
}

/// Whatever leads back to our own listeners would go round in circles. What cannot be resolved now is found out when it
/// is dialled.
fn refuse_loops(config: &Config, own: &OwnListeners) -> Result<(), UsageError> {
    let backends = config.backend.hosts.iter().filter_map(|address| match address {
        BackendAddress::Host { host, port } => Some(("backend", host, *port)),
        BackendAddress::Sink => None,
    });
    let routed = config.routing.destinations.iter().flat_map(|destination| match &destination.hosts {
        Hosts::Listed(hosts) => hosts.as_slice(),
        Hosts::Mx(_) => &[],
    });
    let routed = routed.map(|HostPort { host, port }| ("route", host, *port));
    let asked = config.directories.directories.iter().filter_map(|directory| match &directory.source {
        DirectorySource::Remote(RemoteSource {
            server: RemoteServer::Callout { at: StreamAddress::Inet { host, port } },
            ..
        }) => Some(("directory", host, *port)),
        DirectorySource::Remote(_) | DirectorySource::File { .. } => None,
    });
    for (setting, host, port) in backends.chain(routed).chain(asked) {
        if let Some(address) = resolve(host, port).into_iter().find(|address| own.include(*address)) {
            return Err(UsageError(format!(
                "{setting}: {host} port {port} is {address}, where relaygate itself listens: mail and questions \
                 would go round in circles; name the mail server behind relaygate"
            )));
        }
    }
    Ok(())
}

/// The same of the domains whose mail hosts are looked up.
async fn refuse_own_exchanges(config: &Config, own: &OwnListeners, runtime: &Handle) -> anyhow::Result<()> {
    for destination in &config.routing.destinations {
        let Hosts::Mx(domain) = &destination.hosts else { continue };
        let lookup = exchanges(config, runtime)?;
        if let Ok(Some((host, address))) = timeout(RESOLVE_WITHIN, lookup.find_own(domain, own)).await {
            return Err(UsageError(format!(
                "route: {host}, a mail host of {domain}, is {address}, where relaygate itself listens: mail would go \
                 round in circles; name the hosts that the domain's mail is to be handed to"
            ))
            .into());
        }
    }
    Ok(())
}

fn exchanges(config: &Config, runtime: &Handle) -> anyhow::Result<MailExchanges> {
    MailExchanges::new(&config.dns_servers, runtime.clone())
        .context("cannot look up mail hosts: name a server with dns-server")
}

/// The addresses of a name; none where the resolver takes too long.
fn resolve(host: &str, port: u16) -> Vec<SocketAddr> {
    if let Ok(address) = host.parse() {
        return vec![SocketAddr::new(address, port)];
    }
    let host = host.to_owned();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        // Whoever asked may have stopped waiting.
        let _ = tell.send(addresses);
    });
    told.recv_timeout(RESOLVE_WITHIN).unwrap_or_default()
}
