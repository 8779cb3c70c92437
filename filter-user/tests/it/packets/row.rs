//! Reads the packet table: `name | packet | hosts | time | verdict counter`, one row a line; `#` begins a comment.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use filter_common::{Counter, PrefixLengths, Verdict};
use ipnet::IpNet;

use super::builder;

/// What is known of one host, put there at the row's time 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    Authenticated {
        host: IpAddr,
        until: Duration,
    },
    Allowed(IpNet),
    Limited {
        host: IpAddr,
        until: Duration,
    },
    Blocked {
        host: IpAddr,
        until: Duration,
    },
    /// A sanction that was lifted again.
    Lifted(IpAddr),
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) counter: Counter,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Drop => "drop",
        };
        write!(f, "{verdict} {}", self.counter.name())
    }
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) frame: Vec<u8>,
    /// How often the packet comes; the last one's outcome counts.
    pub(super) times: u32,
    pub(super) known: Vec<Known>,
    pub(super) prefixes: PrefixLengths,
    /// When the packet comes, after the hosts were put in.
    pub(super) at: Duration,
    pub(super) expected: Outcome,
}

impl Row {
    pub(super) fn has_limited(&self) -> bool {
        self.known.iter().any(|known| matches!(known, Known::Limited { .. }))
    }
}

pub(super) fn parse(table: &str) -> impl Iterator<Item = Row> {
    let lines = table.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(number, line)| row(line).unwrap_or_else(|| panic!("line {} is no row: {line}", number + 1)))
}

fn row(line: &str) -> Option<Row> {
    let [name, packet, hosts, at, expected] =
        line.split('|').map(str::trim).collect::<Vec<_>>().try_into().ok()?;
    let (packet, times) = match packet.rsplit_once(" x") {
        Some((packet, times)) => (packet, times.parse().ok()?),
        None => (packet, 1),
    };
    let mut prefixes = PrefixLengths::default();
    let mut known = Vec::new();
    for host in hosts.split(',').map(str::trim).filter(|host| *host != "-") {
        match host.split_whitespace().collect::<Vec<_>>()[..] {
            ["prefix4", length] => prefixes.ipv4 = length.parse().ok()?,
            ["prefix6", length] => prefixes.ipv6 = length.parse().ok()?,
            ["allow", network] => known.push(Known::Allowed(network.parse().ok()?)),
            ["lifted", host] => known.push(Known::Lifted(host.parse().ok()?)),
            ["authenticated", host, until] => {
                known.push(Known::Authenticated { host: host.parse().ok()?, until: seconds(until)? });
            }
            ["limited", host, until] => {
                known.push(Known::Limited { host: host.parse().ok()?, until: seconds(until)? });
            }
            ["blocked", host, until] => {
                known.push(Known::Blocked { host: host.parse().ok()?, until: seconds(until)? });
            }
            _ => return None,
        }
    }
    let (verdict, counter) = expected.split_once(' ')?;
    let expected = Outcome {
        verdict: match verdict {
            "pass" => Verdict::Pass,
            "drop" => Verdict::Drop,
            _ => return None,
        },
        counter: *Counter::ALL.iter().find(|known| known.name() == counter.trim())?,
    };
    let (name, frame, at) = (name.to_owned(), builder::frame(packet)?, seconds(at)?);
    Some(Row { name, frame, times, known, prefixes, at, expected })
}

fn seconds(text: &str) -> Option<Duration> {
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}
