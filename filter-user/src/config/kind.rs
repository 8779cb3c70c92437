//! The kinds of values that settings take: how each is written, its bounds and its unit. Knows no setting by name and
//! no source.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::checked::BackendAddress;

/// What one text of a setting means.
pub trait Kind: Sync {
    /// What it becomes.
    type Value;
    /// Reads it; `None` where it is written wrong or lies outside the bounds.
    fn parse(&self, text: &str) -> Option<Self::Value>;
    /// How it is called in `--help`.
    fn placeholder(&self) -> &'static str;
    /// What is counted, and how it is written, with an example; in error messages behind "expected".
    fn expected(&self) -> String;
    /// The texts that are allowed, where these are few.
    fn choices(&self) -> &'static [&'static str] {
        &[]
    }
}

/// A number of things.
#[derive(Debug)]
pub struct Count {
    /// What is counted: the unit.
    pub of: &'static str,
    /// The least.
    pub from: u64,
    /// The most.
    pub to: u64,
}

impl Kind for Count {
    type Value = u64;

    fn parse(&self, text: &str) -> Option<u64> {
        text.parse().ok().filter(|n| (self.from..=self.to).contains(n))
    }

    fn placeholder(&self) -> &'static str {
        "NUMBER"
    }

    fn expected(&self) -> String {
        format!("a number of {} from {} to {}", self.of, self.from, self.to)
    }
}

/// A length of time.
#[derive(Debug)]
pub struct Time {
    /// The shortest.
    pub from: Duration,
    /// The longest.
    pub to: Duration,
}

impl Kind for Time {
    type Value = Duration;

    fn parse(&self, text: &str) -> Option<Duration> {
        humantime::parse_duration(text).ok().filter(|time| (self.from..=self.to).contains(time))
    }

    fn placeholder(&self) -> &'static str {
        "TIME"
    }

    fn expected(&self) -> String {
        let (from, to) = (humantime::format_duration(self.from), humantime::format_duration(self.to));
        format!("a time with its unit, such as 5s, 10m or 24h, from {from} to {to}")
    }
}

/// Octets, plain or in K, M or G (powers of 1024).
#[derive(Debug)]
pub struct Octets {
    /// The least.
    pub from: u64,
    /// The most.
    pub to: u64,
}

impl Kind for Octets {
    type Value = u64;

    fn parse(&self, text: &str) -> Option<u64> {
        let (digits, shift) = match text.as_bytes().last()? {
            b'K' | b'k' => (&text[..text.len() - 1], 10),
            b'M' | b'm' => (&text[..text.len() - 1], 20),
            b'G' | b'g' => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        let octets = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
        (self.from..=self.to).contains(&octets).then_some(octets)
    }

    fn placeholder(&self) -> &'static str {
        "OCTETS"
    }

    fn expected(&self) -> String {
        format!("octets, such as 65536 or 25M, from {} to {}", self.from, self.to)
    }
}

/// So many in a second, minute, hour or day.
#[derive(Debug)]
pub struct PerTime {
    /// What is counted.
    pub of: &'static str,
}

impl Kind for PerTime {
    type Value = (u32, Duration);

    fn parse(&self, text: &str) -> Option<(u32, Duration)> {
        let (events, period) = text.split_once('/')?;
        let period = match period {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        let events = events.parse().ok().filter(|events| (1..=1_000_000).contains(events))?;
        Some((events, Duration::from_secs(period)))
    }

    fn placeholder(&self) -> &'static str {
        "RATE"
    }

    fn expected(&self) -> String {
        format!("{} in a time, such as 2/s, 6/m, 100/h or 500/d, from 1 to 1000000", self.of)
    }
}

/// Yes or no.
#[derive(Debug)]
pub struct Truth;

impl Kind for Truth {
    type Value = bool;

    fn parse(&self, text: &str) -> Option<bool> {
        text.parse().ok()
    }

    fn placeholder(&self) -> &'static str {
        "BOOL"
    }

    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn choices(&self) -> &'static [&'static str] {
        &["true", "false"]
    }
}

/// One of a few words, each with what it means.
#[derive(Debug)]
pub struct Choice<T: 'static> {
    /// How it is called in `--help`.
    pub placeholder: &'static str,
    /// The words.
    pub words: &'static [&'static str],
    /// What each means, in the same order.
    pub values: &'static [T],
}

impl<T: Copy + Sync> Kind for Choice<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Option<T> {
        let index = self.words.iter().position(|word| *word == text)?;
        self.values.get(index).copied()
    }

    fn placeholder(&self) -> &'static str {
        self.placeholder
    }

    fn expected(&self) -> String {
        format!("one of {}", self.words.join(", "))
    }

    fn choices(&self) -> &'static [&'static str] {
        self.words
    }
}

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

/// A network, or a single address.
#[derive(Debug)]
pub struct Network;

impl Kind for Network {
    type Value = IpNet;

    fn parse(&self, text: &str) -> Option<IpNet> {
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.map(|network: IpNet| network.trunc())
    }

    fn placeholder(&self) -> &'static str {
        "NETWORK"
    }

    fn expected(&self) -> String {
        "a network or an address, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32".to_owned()
    }
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
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(literal) => literal.parse::<Ipv6Addr>().ok()?.to_string(),
            None if is_host(host) => host.to_owned(),
            None => return None,
        };
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

/// A file.
#[derive(Debug)]
pub struct File;

impl Kind for File {
    type Value = PathBuf;

    fn parse(&self, text: &str) -> Option<PathBuf> {
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn placeholder(&self) -> &'static str {
        "FILE"
    }

    fn expected(&self) -> String {
        "the path of a file".to_owned()
    }
}

/// A network interface of this host.
#[derive(Debug)]
pub struct Interface;

impl Kind for Interface {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        // What the kernel takes for a name (dev_valid_name): at most 15 octets, no slash, no colon, no space.
        let valid = (1..=15).contains(&text.len())
            && text != "."
            && text != ".."
            && !text.bytes().any(|byte| byte == b'/' || byte == b':' || byte.is_ascii_whitespace());
        valid.then(|| text.to_owned())
    }

    fn placeholder(&self) -> &'static str {
        "INTERFACE"
    }

    fn expected(&self) -> String {
        "the name of a network interface, such as eth0".to_owned()
    }
}

/// A filter of `tracing`.
#[derive(Debug)]
pub struct LogFilter;

impl Kind for LogFilter {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        let valid = !text.trim().is_empty() && tracing_subscriber::EnvFilter::try_new(text).is_ok();
        valid.then(|| text.to_owned())
    }

    fn placeholder(&self) -> &'static str {
        "FILTER"
    }

    fn expected(&self) -> String {
        "error, warn, info, debug or trace, or a filter such as info,filter_user::proxy=debug".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show<K: Kind<Value: std::fmt::Debug>>(kind: &K, text: &str) -> String {
        kind.parse(text).map_or("-".to_owned(), |value| format!("{value:?}"))
    }

    #[test]
    fn each_kind_reads_what_it_says_and_nothing_else() {
        let count = Count { of: "things", from: 1, to: 10 };
        let time = Time { from: Duration::from_secs(1), to: Duration::from_secs(86_400) };
        let octets = Octets { from: 512, to: 1 << 30 };
        let rate = PerTime { of: "connections" };
        let rows = [
            (show(&count, "10"), "10"),
            (show(&count, "11"), "-"),
            (show(&count, "0"), "-"),
            (show(&count, "-1"), "-"),
            (show(&count, ""), "-"),
            (show(&time, "10m"), "600s"),
            (show(&time, "1h 30m"), "5400s"),
            (show(&time, "24h"), "86400s"),
            (show(&time, "25h"), "-"),
            (show(&time, "10"), "-"),
            (show(&time, "1ms"), "-"),
            (show(&octets, "65536"), "65536"),
            (show(&octets, "25M"), "26214400"),
            (show(&octets, "1k"), "1024"),
            (show(&octets, "25MB"), "-"),
            (show(&octets, "999999999999G"), "-"),
            (show(&octets, "é"), "-"),
            (show(&rate, "6/m"), "(6, 60s)"),
            (show(&rate, "2/s"), "(2, 1s)"),
            (show(&rate, "0/s"), "-"),
            (show(&rate, "6"), "-"),
            (show(&rate, "6/w"), "-"),
            (show(&Truth, "true"), "true"),
            (show(&Truth, "yes"), "-"),
            (show(&Endpoint, "[::]:25"), "[::]:25"),
            (show(&Endpoint, "localhost:25"), "-"),
            (show(&Network, "10.1.2.3/8"), "10.0.0.0/8"),
            (show(&Network, "192.0.2.7"), "192.0.2.7/32"),
            (show(&Network, "2001:db8::1"), "2001:db8::1/128"),
            (show(&Network, "10.0.0.0/33"), "-"),
            (show(&Backend, "sink:"), "Sink"),
            (show(&Backend, "mail.example:25"), r#"Host { host: "mail.example", port: 25 }"#),
            (show(&Backend, "[::1]:25"), r#"Host { host: "::1", port: 25 }"#),
            (show(&Backend, "::1:25"), "-"),
            (show(&Backend, "/run/lmtp.sock"), "-"),
            (show(&Backend, "unix:/run/lmtp.sock"), "-"),
            (show(&Backend, "mail.example"), "-"),
            (show(&Backend, "mail.example:0"), "-"),
            (show(&Backend, ":25"), "-"),
            (show(&DomainName, "Example.ORG"), r#""example.org""#),
            (show(&DomainName, "müller.example"), r#""xn--mller-kva.example""#),
            (show(&DomainName, "example.org."), "-"),
            (show(&DomainName, "a@example.org"), "-"),
            (show(&DomainName, "192.0.2.7"), "-"),
            (show(&DomainName, ""), "-"),
            (show(&DomainName, "two words"), "-"),
            (show(&Interface, "eth0"), r#""eth0""#),
            (show(&Interface, "an-interface-of-16"), "-"),
            (show(&Interface, "a/b"), "-"),
            (show(&LogFilter, "info,filter_user=debug"), r#""info,filter_user=debug""#),
            (show(&LogFilter, "loud=="), "-"),
            (show(&File, ""), "-"),
        ];
        for (number, (got, wanted)) in rows.iter().enumerate() {
            assert_eq!(got, wanted, "row {number}");
        }
    }
}
