//! Clients as they are configured: where they connect, what they are served there, and who may speak for them. Binds
//! nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::checked::is_half_the_world;
use super::error::ConfigError;
use super::given::Given;
use super::settings as s;
use crate::policy::InternalAddress;

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// For whom.
    pub profile: Profile,
    /// How it is encrypted, where there is a certificate.
    pub tls: ListenTls,
}

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Anyone: mail to local recipients is routed.
    #[default]
    Mx,
    /// Users, who authenticate first (RFC 6409).
    Submission,
    /// The inside: who reaches the listener's address may relay.
    Inside,
}

impl Profile {
    /// Its word, as it is configured.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Submission => "submission",
            Self::Inside => "inside",
        }
    }
}

/// How a listener is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenTls {
    /// When the client asks for it.
    #[default]
    StartTls,
    /// From the first octet (RFC 8314).
    Implicit,
    /// Not at all.
    None,
}

/// Who may say who the client is, because it connects for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrueAddress {
    /// Load balancers, which say so by a PROXY header. `--proxy-protocol-from`
    pub balancers: Vec<IpNet>,
    /// For that header. `--proxy-protocol-timeout`
    pub header_timeout: Duration,
    /// Hosts that may say so by XCLIENT. `--xclient-from`
    pub xclient_hosts: Vec<IpNet>,
}

impl TrueAddress {
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        Ok(Self {
            balancers: given.all(&s::PROXY_PROTOCOL_FROM)?,
            header_timeout: given.value(&s::PROXY_PROTOCOL_TIMEOUT)?,
            xclient_hosts: given.all(&s::XCLIENT_FROM)?,
        })
    }

    /// Whether a host is a load balancer, and must say for whom it connects.
    #[must_use]
    pub fn is_balancer(&self, host: IpAddr) -> bool {
        self.balancers.iter().any(|network| network.contains(&host))
    }

    /// Whether a host may say who the client is by XCLIENT.
    #[must_use]
    pub fn may_speak(&self, host: IpAddr) -> bool {
        self.xclient_hosts.iter().any(|network| network.contains(&host))
    }

    /// All who connect for others: what those do must never be laid to their charge.
    pub(super) fn hosts(&self) -> impl Iterator<Item = IpNet> {
        self.balancers.iter().chain(&self.xclient_hosts).copied()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let of = |name: &str, networks: &[IpNet]| -> Vec<String> {
            let large = networks.iter().filter(|network| is_half_the_world(network));
            large
                .map(|network| {
                    format!("{name} = {network}: nearly everybody may say that they are somebody else")
                })
                .collect()
        };
        [of("proxy-protocol-from", &self.balancers), of("xclient-from", &self.xclient_hosts)].concat()
    }
}

/// The addresses of this host that inside listeners make internal ones; `own` are those of a listener that listens
/// everywhere.
pub(super) fn internal_addresses(listen: &[Listen], own: &[IpAddr]) -> Vec<InternalAddress> {
    let inside = listen.iter().filter(|listen| listen.profile == Profile::Inside);
    inside
        .flat_map(|Listen { address, .. }| {
            let everywhere = address.ip().is_unspecified();
            let of_family = own.iter().filter(|own| own.is_ipv4() == address.is_ipv4()).copied();
            let addresses: Vec<IpAddr> = if everywhere { of_family.collect() } else { vec![address.ip()] };
            addresses.into_iter().map(|own| InternalAddress { address: own, port: Some(address.port()) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inside_listener_makes_its_address_internal_and_no_other_does() {
        let listen = |address: &str, profile| Listen {
            address: address.parse().unwrap(),
            profile,
            tls: ListenTls::default(),
        };
        let listen = [
            listen("192.0.2.1:25", Profile::Mx),
            listen("192.0.2.1:587", Profile::Submission),
            listen("10.0.0.1:25", Profile::Inside),
            listen("[::]:26", Profile::Inside),
        ];
        let own = ["10.0.0.1", "2001:db8::1", "::1"].map(|address| address.parse().unwrap());
        let shown: Vec<String> = internal_addresses(&listen, &own).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.0.0.1:25", "[2001:db8::1]:26", "[::1]:26"]);
    }
}
