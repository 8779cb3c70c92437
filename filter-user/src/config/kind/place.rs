//! Settings that are places in a network: addresses, networks, domains, the backend. Resolves no name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use super::Kind;
use crate::config::BackendAddress;
use crate::config::stream_address::StreamAddress;

/// An address to listen at.
#[derive(Debug)]
pub struct Endpoint;

impl Kind for Endpoint {
    type Value = SocketAddr;

    fn parse(&self, text: &str) -> Option<SocketAddr> {
        text.parse().ok()
    }

    fn placeholder(&self) -> &'static str {
        "ADDRESS:PORT"
    }

    fn expected(&self) -> String {
        "an IP address and a port, such as 127.0.0.1:2525 or [::]:25".to_owned()
    }
}

/// Where Postfix is to ask: a socket in the file system, or an address and port of this host.
#[derive(Debug)]
pub struct PolicySocket;

impl Kind for PolicySocket {
    type Value = StreamAddress;

    fn parse(&self, text: &str) -> Option<StreamAddress> {
        let address = StreamAddress::parse(text)?;
        match &address {
            StreamAddress::Inet { host, .. } => host.parse::<IpAddr>().is_ok().then_some(address),
            StreamAddress::Unix(_) => Some(address),
        }
    }

    fn placeholder(&self) -> &'static str {
        "SOCKET"
    }

    fn expected(&self) -> String {
        "inet: and an IP address and port, such as inet:127.0.0.1:2528, or unix: and a path".to_owned()
    }
}

/// A network, or a single address.
#[derive(Debug)]
pub struct Network;

impl Kind for Network {
    type Value = IpNet;

    fn parse(&self, text: &str) -> Option<IpNet> {
        let with_mask = || masked(text)?.ok();
        let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse().ok().or_else(with_mask).or_else(one);
        network.map(|network: IpNet| unmapped(network.trunc()))
    }

    fn placeholder(&self) -> &'static str {
        "NETWORK"
    }

    fn expected(&self) -> String {
        "a network or an address, such as 10.0.0.0/8, 10.0.0.0/255.0.0.0, 192.0.2.7 or 2001:db8::/32"
            .to_owned()
    }

    fn fault(&self, text: &str) -> Option<String> {
        masked(text)?.err()
    }
}

/// A network as Exchange wrote it, an address and a mask; nothing if it is not written so.
fn masked(text: &str) -> Option<Result<IpNet, String>> {
    let (address, mask) = text.split_once('/')?;
    let (address, mask) = (address.parse::<Ipv4Addr>().ok()?, mask.parse::<Ipv4Addr>().ok()?);
    let network = Ipv4Net::with_netmask(address, mask).map(IpNet::V4);
    Some(network.map_err(|_| {
        format!("{mask} is no mask: its ones must stand together at its beginning, as in 255.255.255.0")
    }))
}

/// An IPv4 network that was written as a mapped one (RFC 4291 section 2.5.5.2) is that IPv4 network: peers are compared
/// as what they are.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let length = v6.prefix_len().checked_sub(96);
    let mapped = v6.network().to_ipv4_mapped().zip(length);
    mapped.and_then(|(v4, length)| Ipv4Net::new(v4, length).ok()).map_or(network, IpNet::V4)
}

/// The backend.
#[derive(Debug)]
pub struct Backend;

impl Kind for Backend {
    type Value = BackendAddress;

    fn parse(&self, text: &str) -> Option<BackendAddress> {
        if text == "sink:" {
            return Some(BackendAddress::Sink);
        }
        let (host, port) = host_and_port(text, None)?;
        Some(BackendAddress::Host { host, port })
    }

    fn placeholder(&self) -> &'static str {
        "HOST:PORT"
    }

    fn expected(&self) -> String {
        "host:port, such as 127.0.0.1:2526, mail.example.org:25 or [2001:db8::1]:25, or sink: for the built-in server \
         that throws all away"
            .to_owned()
    }
}

/// `host:port`, or where there is a port to assume, `host` alone; an IPv6 address in brackets.
pub(super) fn host_and_port(text: &str, assumed: Option<u16>) -> Option<(String, u16)> {
    let bracket = text.rfind(']').unwrap_or_default();
    let (host, port) = match text[bracket..].rfind(':') {
        Some(colon) => {
            let (host, port) = text.split_at(bracket + colon);
            (host, port[1..].parse().ok().filter(|port| *port != 0)?)
        }
        None => (text, assumed?),
    };
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => literal.parse::<Ipv6Addr>().ok()?.to_string(),
        None if is_host(host) => host.to_owned(),
        None => return None,
    };
    Some((host, port))
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// A domain name; becomes A-labels in lower case.
#[derive(Debug)]
pub struct DomainName;

impl Kind for DomainName {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        let ascii = idna::domain_to_ascii_strict(text).ok()?;
        // No top-level domain is a number (RFC 3696 section 2): it is an address, which is never a local domain.
        let last = ascii.rsplit('.').next().unwrap_or_default();
        let all_digits = last.bytes().all(|byte| byte.is_ascii_digit());
        (!all_digits && !ascii.ends_with('.')).then_some(ascii)
    }

    fn placeholder(&self) -> &'static str {
        "DOMAIN"
    }

    fn expected(&self) -> String {
        "a domain name without a dot at its end, such as example.org or m\u{fc}ller.example".to_owned()
    }
}
