//! A row of the routing table as it is written: `SENT-TO = ROUTED-TO`. Resolves no name.

use super::place::host_and_port;
use super::{DomainName, Item, Kind};
use crate::config::TlsLevel;
use crate::config::backend::ClientAddress;
use crate::config::routing::{Destination, HostPort, Hosts, RouteAnswer, WrittenRoute, WrittenTarget};
use crate::policy::SentTo;

/// Where mail goes in the world, and where in the routing table nothing else is said.
const SMTP: u16 = 25;

/// RFC 5321 section 4.5.3.1.5, without the CR LF.
const REPLY_LIMIT: usize = 510;

/// A row of the routing table.
#[derive(Debug)]
pub struct RouteRow;

impl Kind for RouteRow {
    type Value = WrittenRoute;

    fn parse(&self, text: &str) -> Option<WrittenRoute> {
        read(text).ok()
    }

    fn placeholder(&self) -> &'static str {
        "SENT-TO = ROUTED-TO"
    }

    fn expected(&self) -> String {
        "`SENT-TO = ROUTED-TO`: on the left example.net (and all domains below it), #example.net (it alone) or * (the \
         rest), on the right `inbound [HOST:PORT …]`, `host HOST[:PORT] …`, `mx NAME` or `reply 550 5.1.2 TEXT`; behind \
         hosts the options tls=none|may|encrypt|verify, ca=FILE, credentials=FILE and \
         client-address=xclient|proxy|transparent|none"
            .to_owned()
    }

    fn fault(&self, text: &str) -> Option<String> {
        read(text).err()
    }
}

fn read(text: &str) -> Result<WrittenRoute, String> {
    let (left, right) = text.split_once('=').ok_or("there is no = between sent to and routed to")?;
    let sent_to = sent_to(left.trim())?;
    let right = right.trim();
    let routed_to =
        match right.strip_prefix("reply").filter(|rest| !rest.starts_with(|c: char| !c.is_whitespace())) {
            Some(rest) => WrittenTarget::Answer(answer(rest.trim())?),
            None => target(Item::parse(right)?)?,
        };
    match (&sent_to, &routed_to) {
        (SentTo::Rest, WrittenTarget::Inbound(_)) => {
            Err("* cannot be inbound: every domain of the world would be ours".to_owned())
        }
        (SentTo::Rest, WrittenTarget::Answer(_)) => Err(
            "* cannot be answered: every relay attempt would get that answer, and none would count as one; \
             reroute = false prohibits relaying"
                .to_owned(),
        ),
        _ => Ok(WrittenRoute { sent_to, routed_to }),
    }
}

fn sent_to(text: &str) -> Result<SentTo, String> {
    if text == "*" {
        return Ok(SentTo::Rest);
    }
    let (domain, exactly) = text.strip_prefix('#').map_or((text, false), |domain| (domain, true));
    let domain = DomainName.parse(domain).ok_or_else(|| format!("{domain:?} is no domain name"))?;
    Ok(if exactly { SentTo::Exactly(domain) } else { SentTo::AndBelow(domain) })
}

fn target(mut item: Item) -> Result<WrittenTarget, String> {
    let kind = item.word().ok_or("nothing stands behind the =")?;
    match kind.as_str() {
        "inbound" => {
            let hosts = hosts(&mut item)?;
            if hosts.is_empty() {
                item.end()?;
                return Ok(WrittenTarget::Inbound(None));
            }
            Ok(WrittenTarget::Inbound(Some(destination(item, Hosts::Listed(hosts))?)))
        }
        "host" => {
            let hosts = hosts(&mut item)?;
            if hosts.is_empty() {
                return Err("no host stands behind host".to_owned());
            }
            Ok(WrittenTarget::Host(elsewhere(destination(item, Hosts::Listed(hosts))?)))
        }
        "mx" => {
            let name = item.word().ok_or("no domain stands behind mx")?;
            let name = DomainName.parse(&name).ok_or_else(|| format!("{name:?} is no domain name"))?;
            Ok(WrittenTarget::Host(elsewhere(destination(item, Hosts::Mx(name))?)))
        }
        other => Err(format!("{other:?} is none of inbound, host, mx and reply")),
    }
}

/// All words that are left.
fn hosts(item: &mut Item) -> Result<Vec<HostPort>, String> {
    let mut hosts = Vec::new();
    while let Some(word) = item.word() {
        let (host, port) = host_and_port(&word, Some(SMTP)).ok_or_else(|| format!("{word:?} is no host"))?;
        let host = HostPort { host, port };
        if hosts.contains(&host) {
            return Err(format!("{host} stands twice"));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

fn destination(mut item: Item, hosts: Hosts) -> Result<Destination, String> {
    let tls = match item.option("tls")?.as_deref() {
        None => None,
        Some("none") => Some(TlsLevel::None),
        Some("may") => Some(TlsLevel::May),
        Some("encrypt") => Some(TlsLevel::Encrypt),
        Some("verify") => Some(TlsLevel::Verify),
        Some(other) => return Err(format!("tls={other} is none of none, may, encrypt and verify")),
    };
    let client_address = match item.option("client-address")?.as_deref() {
        None => None,
        Some("xclient") => Some(ClientAddress::Xclient),
        Some("proxy") => Some(ClientAddress::Proxy),
        Some("transparent") => Some(ClientAddress::Transparent),
        Some("none") => Some(ClientAddress::None),
        Some(other) => {
            return Err(format!("client-address={other} is none of xclient, proxy, transparent and none"));
        }
    };
    let ca = item.option("ca")?.map(Into::into);
    let credentials = item.option("credentials")?.map(Into::into);
    item.end()?;
    if ca.is_some() && tls != Some(TlsLevel::Verify) {
        return Err("ca= has a meaning with tls=verify alone".to_owned());
    }
    if credentials.is_some() && !matches!(tls, Some(TlsLevel::Encrypt | TlsLevel::Verify)) {
        return Err(
            "credentials= needs tls=encrypt or tls=verify: a password would go in the clear".to_owned()
        );
    }
    Ok(Destination { hosts, tls, ca, credentials, client_address })
}

/// A host that is not a backend of ours: encrypted where it can be, and not told of the client.
fn elsewhere(destination: Destination) -> Destination {
    Destination {
        tls: destination.tls.or(Some(TlsLevel::May)),
        client_address: destination.client_address.or(Some(ClientAddress::None)),
        ..destination
    }
}

/// `550 5.1.2 text`
fn answer(text: &str) -> Result<RouteAnswer, String> {
    let mut parts = text.splitn(3, ' ');
    let (code, enhanced, words) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let code = match code.parse::<u16>() {
        Ok(421) => return Err("421 would end the session".to_owned()),
        Ok(number @ 400..=599) => number,
        _ => return Err(format!("{code:?} is no code from 400 to 599")),
    };
    let class = code / 100;
    let enhanced = enhanced.unwrap_or_default();
    if !is_enhanced(enhanced, class) {
        return Err(format!(
            "{enhanced:?} is no enhanced code (RFC 3463) that fits {code}, such as {class}.1.2"
        ));
    }
    let words = words.unwrap_or_default().trim();
    if words.is_empty() || !words.bytes().all(|octet| (b' '..=b'~').contains(&octet)) {
        return Err("the text of a reply is printable ASCII, and not empty".to_owned());
    }
    let line = format!("{code} {enhanced} {words}");
    if line.len() > REPLY_LIMIT {
        return Err(format!("a reply has at most {REPLY_LIMIT} octets"));
    }
    Ok(RouteAnswer { code, line: line + "\r\n" })
}

fn is_enhanced(text: &str, class: u16) -> bool {
    let number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
    let parts: Vec<&str> = text.split('.').collect();
    matches!(parts[..], [first, subject, detail] if first == class.to_string() && number(subject) && number(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(hosts: &[(&str, u16)]) -> Hosts {
        let host = |(host, port): &(&str, u16)| HostPort { host: (*host).to_owned(), port: *port };
        Hosts::Listed(hosts.iter().map(host).collect())
    }

    fn plain(hosts: Hosts) -> Destination {
        Destination { hosts, tls: None, ca: None, credentials: None, client_address: None }
    }

    #[test]
    fn a_row_says_where_mail_goes() {
        let below = |domain: &str| SentTo::AndBelow(domain.to_owned());
        let rows = [
            ("example.net = inbound", below("example.net"), WrittenTarget::Inbound(None)),
            ("localnet=inbound", below("localnet"), WrittenTarget::Inbound(None)),
            (
                "#Example.NET = inbound mail.example.net:2525 [2001:db8::1]",
                SentTo::Exactly("example.net".to_owned()),
                WrittenTarget::Inbound(Some(plain(listed(&[
                    ("mail.example.net", 2525),
                    ("2001:db8::1", 25),
                ])))),
            ),
            (
                "b\u{fc}cher.example = host 192.0.2.1:587 tls=verify ca=/etc/ca.pem credentials=/etc/secret \
                 client-address=proxy",
                below("xn--bcher-kva.example"),
                WrittenTarget::Host(Destination {
                    tls: Some(TlsLevel::Verify),
                    ca: Some("/etc/ca.pem".into()),
                    credentials: Some("/etc/secret".into()),
                    client_address: Some(ClientAddress::Proxy),
                    ..plain(listed(&[("192.0.2.1", 587)]))
                }),
            ),
            (
                "* = mx isp.example",
                SentTo::Rest,
                WrittenTarget::Host(elsewhere(plain(Hosts::Mx("isp.example".to_owned())))),
            ),
            (
                "old.example = reply 550 5.1.10 a = \"b\", gone",
                below("old.example"),
                WrittenTarget::Answer(RouteAnswer {
                    code: 550,
                    line: "550 5.1.10 a = \"b\", gone\r\n".to_owned(),
                }),
            ),
        ];
        for (text, sent_to, routed_to) in rows {
            assert_eq!(read(text), Ok(WrittenRoute { sent_to, routed_to }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said() {
        for (text, fault) in [
            ("example.net", "there is no ="),
            ("example.net =", "nothing stands behind the ="),
            ("= inbound", "\"\" is no domain name"),
            ("example.net. = inbound", "\"example.net.\" is no domain name"),
            ("192.0.2.1 = inbound", "is no domain name"),
            ("*.example.net = inbound", "is no domain name"),
            ("#* = inbound", "\"*\" is no domain name"),
            ("* = inbound", "every domain of the world would be ours"),
            ("* = inbound mail.example:25", "every domain of the world would be ours"),
            ("* = reply 550 5.1.2 no", "none would count as one"),
            ("a.example = outbound", "\"outbound\" is none of"),
            ("a.example = replying 550 5.1.2 no", "\"replying\" is none of"),
            ("a.example = inbound tls=verify", "there is no option \"tls\" here"),
            ("a.example = host", "no host stands behind host"),
            ("a.example = host a:0", "\"a:0\" is no host"),
            ("a.example = host 2001:db8::1", "is no host"),
            ("a.example = host a a:25", "a:25 stands twice"),
            ("a.example = mx", "no domain stands behind mx"),
            ("a.example = mx a.example b.example", "one word too many"),
            ("a.example = host a tls=perhaps", "tls=perhaps is none of"),
            ("a.example = host a colour=red", "there is no option \"colour\" here"),
            ("a.example = host a ca=/x", "with tls=verify alone"),
            ("a.example = host a credentials=/x", "in the clear"),
            ("a.example = host a credentials=/x tls=may", "in the clear"),
            ("a.example = host a client-address=guess", "client-address=guess is none of"),
            ("a.example = reply", "is no code"),
            ("a.example = reply 250 2.0.0 yes", "is no code"),
            ("a.example = reply 421 4.3.2 bye", "would end the session"),
            ("a.example = reply 550 no", "\"no\" is no enhanced code"),
            ("a.example = reply 550 4.1.2 no", "that fits 550"),
            ("a.example = reply 550 5.1.2", "printable ASCII"),
            ("a.example = reply 550 5.1.2 n\u{f6}", "printable ASCII"),
        ] {
            let said = RouteRow.fault(text).unwrap_or_default();
            assert!(said.contains(fault) && RouteRow.parse(text).is_none(), "{text}: {said}");
        }
        let long = format!("a.example = reply 550 5.1.2 {}", "a".repeat(600));
        assert!(RouteRow.fault(&long).unwrap().contains("at most"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(#|\\*)?[a-z.]{0,9}( ?= ?)(inbound|host|mx|reply)?[ -~\u{e4}]{0,40}") {
            let _ = read(&text);
        }
    }
}
