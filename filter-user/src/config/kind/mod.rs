//! The kinds of values that settings take: how each is written, its bounds and its unit. Knows no setting by name and
//! no source.

mod auth;
mod certificate;
mod control;
mod directory;
mod item;
mod kernel;
mod listener;
mod place;
mod quantity;
mod relaying;
mod route;
mod word;

pub use auth::{Knower, MechanismName};
pub use certificate::{Certificate, CertificateName};
pub use control::ControlPath;
pub use directory::{Delimiters, Directory};
pub use item::Item;
pub use kernel::{OwnAddress, PinFolder, SystemUser};
pub use listener::Listener;
pub use place::{Backend, DomainName, Endpoint, Network, PolicySocket};
pub use quantity::{Count, Octets, PerTime, Time};
pub(super) use relaying::sender_login;
pub use relaying::{LocalAddress, LoginSenders, RelayNetwork};
pub use route::RouteRow;
pub use word::{Choice, File, Interface, LogFilter, Truth};

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
    /// What is wrong with a text that `parse` does not take, where more can be said than what was expected.
    fn fault(&self, _text: &str) -> Option<String> {
        None
    }
    /// The texts that are allowed, where these are few.
    fn choices(&self) -> &'static [&'static str] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
