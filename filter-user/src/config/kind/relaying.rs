//! Settings that say who may relay: networks with their senders, internal addresses, logins with their senders.

use std::net::{IpAddr, SocketAddr};

use super::{DomainName, Item, Kind, Network};
use crate::address::{Domain, ReversePath};
use crate::policy::{ClientNetwork, InternalAddress, SenderLogin, SenderPattern};

/// A network, and the sender domains that it may relay for.
#[derive(Debug)]
pub struct RelayNetwork;

impl Kind for RelayNetwork {
    type Value = ClientNetwork;

    fn parse(&self, text: &str) -> Option<ClientNetwork> {
        client_network(text).ok()
    }

    fn placeholder(&self) -> &'static str {
        "NETWORK"
    }

    fn expected(&self) -> String {
        format!(
            "{}; behind it, for senders of given domains alone, sender-domain=example.org, as often as needed, with \
             sender-domain=<> for the null sender",
            Network.expected()
        )
    }

    fn fault(&self, text: &str) -> Option<String> {
        client_network(text).err()
    }
}

fn client_network(text: &str) -> Result<ClientNetwork, String> {
    let mut item = Item::parse(text)?;
    let network = item.word().ok_or("no network is given")?;
    let network = Network.parse(&network).ok_or_else(|| {
        Network.fault(&network).unwrap_or_else(|| format!("{network:?} is neither a network nor an address"))
    })?;
    let senders =
        item.options("sender-domain").iter().map(|domain| sender_domain(domain)).collect::<Result<_, _>>()?;
    item.end()?;
    Ok(ClientNetwork { network, senders })
}

fn sender_domain(text: &str) -> Result<SenderPattern, String> {
    if text == "<>" {
        return Ok(SenderPattern::Null);
    }
    let domain = DomainName.parse(text).ok_or_else(|| format!("{text:?} is no domain name"))?;
    Ok(SenderPattern::Domain(domain))
}

/// An address of this host, with or without a port.
#[derive(Debug)]
pub struct LocalAddress;

impl Kind for LocalAddress {
    type Value = InternalAddress;

    fn parse(&self, text: &str) -> Option<InternalAddress> {
        let (address, port) = match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => return None,
            Ok(address) => (address.ip(), Some(address.port())),
            Err(_) => (text.parse::<IpAddr>().ok()?, None),
        };
        let address = address.to_canonical();
        // Nobody connects to the wildcard: it is an address to listen on.
        (!address.is_unspecified()).then_some(InternalAddress { address, port })
    }

    fn placeholder(&self) -> &'static str {
        "ADDRESS[:PORT]"
    }

    fn expected(&self) -> String {
        "an address of this host, with or without a port, such as 10.0.0.1, 10.0.0.1:25, fd00::1 or [fd00::1]:25"
            .to_owned()
    }
}

/// A login, and whom it may send as.
#[derive(Debug)]
pub struct LoginSenders;

impl Kind for LoginSenders {
    type Value = SenderLogin;

    fn parse(&self, text: &str) -> Option<SenderLogin> {
        sender_login(text).ok()
    }

    fn placeholder(&self) -> &'static str {
        "LOGIN SENDER…"
    }

    fn expected(&self) -> String {
        "a login, then its senders: addresses, @domain for all of a domain, <> for the null sender, such as alice \
         alice@example.org sales@example.org"
            .to_owned()
    }

    fn fault(&self, text: &str) -> Option<String> {
        sender_login(text).err()
    }
}

/// A login and its senders; also a line of the file of them.
pub(in crate::config) fn sender_login(text: &str) -> Result<SenderLogin, String> {
    let mut item = Item::parse(text)?;
    let login = item.word().filter(|login| !login.is_empty()).ok_or("no login is given")?;
    let mut senders = Vec::new();
    while let Some(word) = item.word() {
        senders.push(sender(&word)?);
    }
    item.end()?;
    if senders.is_empty() {
        return Err(format!("no sender stands behind the login {login}"));
    }
    Ok(SenderLogin { login, senders })
}

fn sender(text: &str) -> Result<SenderPattern, String> {
    if let Some(domain) = text.strip_prefix('@') {
        return sender_domain(domain);
    }
    if text == "<>" {
        return Ok(SenderPattern::Null);
    }
    let path = format!("<{text}>");
    match ReversePath::parse(path.as_bytes(), true) {
        Ok((ReversePath::Mailbox(mailbox), b"")) => match mailbox.domain {
            Domain::Name(domain) if mailbox.text == text => Ok(SenderPattern::Mailbox {
                local_part: mailbox.local_part.to_owned(),
                domain: domain.to_owned(),
            }),
            _ => Err(format!("{text:?} is no address of a domain")),
        },
        Ok(_) => Err(format!("{text:?} is no address")),
        Err(error) => Err(format!("{text:?} is no address: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_written_with_a_length_or_a_mask_and_with_their_senders() {
        let shown = |text: &str| match client_network(text) {
            Ok(ClientNetwork { network, senders }) => format!("{network} {senders:?}"),
            Err(fault) => fault,
        };
        for (text, wanted) in [
            ("10.1.2.3/8", "10.0.0.0/8 []"),
            ("10.1.2.3/255.0.0.0", "10.0.0.0/8 []"),
            ("192.0.2.7/255.255.255.255", "192.0.2.7/32 []"),
            ("192.0.2.7/0.0.0.0", "0.0.0.0/0 []"),
            ("192.0.2.7", "192.0.2.7/32 []"),
            (
                "fd00::/8 sender-domain=Example.ORG sender-domain=<>",
                r#"fd00::/8 [Domain("example.org"), Null]"#,
            ),
            (
                "10.0.0.0/255.0.255.0",
                "255.0.255.0 is no mask: its ones must stand together at its beginning, as in 255.255.255.0",
            ),
            (
                "10.0.0.0/0.0.0.255",
                "0.0.0.255 is no mask: its ones must stand together at its beginning, as in 255.255.255.0",
            ),
            ("10.0.0.0/33", r#""10.0.0.0/33" is neither a network nor an address"#),
            ("10.0.0.0/255.0.0", r#""10.0.0.0/255.0.0" is neither a network nor an address"#),
            ("", "no network is given"),
            ("10.0.0.0/8 sender-domain=a@b", r#""a@b" is no domain name"#),
            ("10.0.0.0/8 sender=a", r#"there is no option "sender" here"#),
            ("10.0.0.0/8 192.0.2.0/24", r#""192.0.2.0/24" is one word too many"#),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn internal_addresses_have_a_port_or_not() {
        let shown =
            |text: &str| LocalAddress.parse(text).map_or("-".to_owned(), |address| address.to_string());
        for (text, wanted) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:25", "10.0.0.1:25"),
            ("fd00::1", "fd00::1"),
            ("[fd00::1]:25", "[fd00::1]:25"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("0.0.0.0", "-"),
            ("[::]:25", "-"),
            ("10.0.0.1:0", "-"),
            ("10.0.0.0/8", "-"),
            ("localhost", "-"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_login_has_senders() {
        let shown = |text: &str| match sender_login(text) {
            Ok(SenderLogin { login, senders }) => format!("{login} {senders:?}"),
            Err(fault) => fault,
        };
        for (text, wanted) in [
            (
                "alice alice@example.org @Alice.example <>",
                r#"alice [Mailbox { local_part: "alice", domain: "example.org" }, Domain("alice.example"), Null]"#,
            ),
            (
                r#""cn=a b" "\"a b\"@example.org""#,
                r#"cn=a b [Mailbox { local_part: "\"a b\"", domain: "example.org" }]"#,
            ),
            ("", "no login is given"),
            ("alice", "no sender stands behind the login alice"),
            ("alice alice", r#""alice" is no address: domain is missing"#),
            ("alice alice@example.org.", r#""alice@example.org." is no address: domain ends with a dot"#),
            ("alice alice@[192.0.2.1]", r#""alice@[192.0.2.1]" is no address of a domain"#),
            ("alice @hop.example:a@b.example", r#""hop.example:a@b.example" is no domain name"#),
            ("alice a@b.example> c@d.example", r#""a@b.example>" is no address"#),
            (
                r#"alice "a b"@example.org"#,
                r#""a b" is no address: local-part has a character that it may not have outside quotes"#,
            ),
            ("alice @", r#""" is no domain name"#),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }
}
