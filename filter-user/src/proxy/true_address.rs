//! Tells the backend who the client really is: Postfix's XCLIENT (XCLIENT_README), or a PROXY protocol v2 header.

use std::net::{IpAddr, SocketAddr};

use ppp::v2;

use super::capabilities::Capabilities;
use crate::smtp::xtext;

/// Who the client is, as far as we know.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueClient<'a> {
    /// Its address and port.
    pub address: SocketAddr,
    /// Where it connected to.
    pub local: Option<SocketAddr>,
    /// How it introduced itself.
    pub helo: &'a str,
    /// By EHLO, not HELO.
    pub extended: bool,
    /// Who it has authenticated as, with us.
    pub login: Option<&'a str>,
}

impl TrueClient<'_> {
    /// The XCLIENT command with the attributes that the backend takes; nothing where it would not take the address.
    #[must_use]
    pub(super) fn xclient_command(&self, backend: &Capabilities) -> Option<String> {
        if !backend.takes("ADDR") {
            return None;
        }
        let mut command = format!("XCLIENT ADDR={}", xclient_address(self.address.ip()));
        let mut attribute = |name: &str, value: &str| {
            if backend.takes(name) {
                command.push_str(&format!(" {name}={value}"));
            }
        };
        // We look up no names; Postfix then says "unknown", and trusts no name that a forger could have set.
        attribute("NAME", "[UNAVAILABLE]");
        attribute("PORT", &self.address.port().to_string());
        attribute("PROTO", if self.extended { "ESMTP" } else { "SMTP" });
        attribute("HELO", &xtext::encode(self.helo));
        if let Some(login) = self.login {
            attribute("LOGIN", &xtext::encode(login));
        }
        if let Some(local) = self.local {
            attribute("DESTADDR", &xclient_address(local.ip()));
            attribute("DESTPORT", &local.port().to_string());
        }
        command.push_str("\r\n");
        Some(command)
    }

    /// The PROXY protocol v2 header; LOCAL where the two addresses are not of one family.
    pub(super) fn proxy_header(&self) -> std::io::Result<Vec<u8>> {
        let local = self.local.unwrap_or_else(|| match self.address {
            SocketAddr::V4(_) => SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 25),
            SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 25),
        });
        let (client, local) = (canonical(self.address), canonical(local));
        v2::Builder::with_addresses(
            v2::Version::Two | v2::Command::Proxy,
            v2::Protocol::Stream,
            v2::Addresses::from((client, local)),
        )
        .build()
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// As XCLIENT writes addresses: IPv6 with a tag.
fn xclient_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("IPV6:{v6}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> TrueClient<'static> {
        TrueClient {
            address: address.parse().unwrap(),
            local: Some("192.0.2.1:25".parse().unwrap()),
            helo: "host+1 x",
            extended: true,
            login: None,
        }
    }

    fn takes(attributes: &[&str]) -> Capabilities {
        Capabilities {
            xclient: attributes.iter().map(|name| (*name).to_owned()).collect(),
            ..Capabilities::default()
        }
    }

    #[test]
    fn only_attributes_that_the_backend_takes() {
        let command = client("198.51.100.7:4711").xclient_command(&takes(&["NAME", "ADDR", "HELO", "PORT"]));
        assert_eq!(
            command.as_deref(),
            Some("XCLIENT ADDR=198.51.100.7 NAME=[UNAVAILABLE] PORT=4711 HELO=host+2B1+20x\r\n")
        );
        assert_eq!(client("198.51.100.7:4711").xclient_command(&takes(&["NAME"])), None);
        assert_eq!(client("198.51.100.7:4711").xclient_command(&takes(&[])), None);
    }

    #[test]
    fn ipv6_is_tagged_and_mapped_ipv4_is_ipv4() {
        let address = |client: &str| self::client(client).xclient_command(&takes(&["ADDR"])).unwrap();
        assert_eq!(address("[2001:db8::7]:1"), "XCLIENT ADDR=IPV6:2001:db8::7\r\n");
        assert_eq!(address("[::ffff:192.0.2.9]:1"), "XCLIENT ADDR=192.0.2.9\r\n");
    }

    #[test]
    fn a_proxy_header_is_read_back_as_what_was_meant() {
        let bytes = client("198.51.100.7:4711").proxy_header().unwrap();
        let header = v2::Header::try_from(bytes.as_slice()).unwrap();
        assert_eq!(
            header.addresses,
            v2::Addresses::from((
                "198.51.100.7:4711".parse::<SocketAddr>().unwrap(),
                "192.0.2.1:25".parse::<SocketAddr>().unwrap()
            ))
        );
    }
}
