//! Reads the packet table: `name | packet | what is known | time | verdict counter [-> answer]`, one row a line; `#` begins
//! a comment.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use filter_common::{BlockAction, Counter, PrefixLengths, Verdict};
use ipnet::IpNet;

use super::builder;

/// What is known of one host or network, put there at the row's time 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    Authenticated {
        host: IpAddr,
        until: Duration,
    },
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
    /// A limited network, since more than one peer in it is blocked.
    Network {
        network: IpNet,
        until: Duration,
    },
}

/// Everything that a packet is judged by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    pub(super) known: Vec<Known>,
    pub(super) allow: Vec<IpNet>,
    pub(super) prefixes: PrefixLengths,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) action: BlockAction,
    pub(super) has_syn_limit: bool,
}

impl World {
    /// Limits a network as it comes to be: two peers at its end, and not in any row, are blocked.
    pub(super) fn limit(&mut self, network: IpNet, until: Duration) {
        let last = match network {
            IpNet::V4(v4) => [1, 2].map(|n| IpAddr::from(Ipv4Addr::from(v4.broadcast().to_bits() - n))),
            IpNet::V6(v6) => {
                [0, 1].map(|n| IpAddr::from(Ipv6Addr::from(v6.broadcast().to_bits() - (n << 64))))
            }
        };
        self.known.extend(last.map(|host| Known::Blocked { host, until }));
        self.known.push(Known::Network { network, until });
    }
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) counter: Counter,
    /// The frame that goes back.
    pub(super) answer: Option<Vec<u8>>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.verdict, self.counter.name())?;
        match &self.answer {
            Some(answer) => write!(f, " {answer:02x?}"),
            None => Ok(()),
        }
    }
}

/// What the table says of an answer's TCP header; all else of an answer follows from the packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ExpectedAnswer {
    pub(super) flags: u8,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) window: u16,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) frame: Vec<u8>,
    /// How often the packet comes; the last one's outcome counts.
    pub(super) times: u32,
    pub(super) world: World,
    /// When the packet comes, after the hosts were put in.
    pub(super) at: Duration,
    pub(super) verdict: Verdict,
    pub(super) counter: Counter,
    pub(super) answer: Option<ExpectedAnswer>,
}

pub(super) fn parse(table: &str) -> impl Iterator<Item = Row> {
    let lines = table.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(number, line)| row(line).unwrap_or_else(|| panic!("line {} is no row: {line}", number + 1)))
}

fn row(line: &str) -> Option<Row> {
    let [name, packet, known, at, expected] =
        line.split('|').map(str::trim).collect::<Vec<_>>().try_into().ok()?;
    let (packet, times) = match packet.rsplit_once(" x") {
        Some((packet, times)) => (packet, times.parse().ok()?),
        None => (packet, 1),
    };
    let mut world = World::default();
    for part in known.split(',').map(str::trim).filter(|part| *part != "-") {
        add(part, &mut world)?;
    }
    let (expected, answer) = match expected.split_once(" -> ") {
        Some((expected, answer)) => (expected, Some(answered(answer)?)),
        None => (expected, None),
    };
    let (verdict, counter) = expected.split_once(' ')?;
    let verdict = match verdict {
        "pass" => Verdict::Pass,
        "drop" => Verdict::Drop,
        "reset" => Verdict::Reset,
        "tarpit" => Verdict::Tarpit,
        _ => return None,
    };
    if answer.is_some() != matches!(verdict, Verdict::Reset | Verdict::Tarpit) {
        return None;
    }
    let counter = *Counter::ALL.iter().find(|known| known.name() == counter.trim())?;
    let (name, frame, at) = (name.to_owned(), builder::frame(packet)?, seconds(at)?);
    Some(Row { name, frame, times, world, at, verdict, counter, answer })
}

/// Adds one of the parts between commas to what is known.
fn add(part: &str, world: &mut World) -> Option<()> {
    match part.split_whitespace().collect::<Vec<_>>()[..] {
        ["prefix4", length] => world.prefixes.ipv4 = length.parse().ok()?,
        ["prefix6", length] => world.prefixes.ipv6 = length.parse().ok()?,
        ["allow", network] => world.allow.push(network.parse().ok()?),
        ["address", address] => world.addresses.push(address.parse().ok()?),
        ["action", "reset"] => world.action = BlockAction::Reset,
        ["action", "tarpit"] => world.action = BlockAction::Tarpit,
        ["syn-limit"] => world.has_syn_limit = true,
        ["lifted", host] => world.known.push(Known::Lifted(host.parse().ok()?)),
        [kind, whose, until] => {
            let until = seconds(until)?;
            if kind == "network" {
                world.limit(whose.parse().ok()?, until);
                return Some(());
            }
            world.known.push(match kind {
                "authenticated" => Known::Authenticated { host: whose.parse().ok()?, until },
                "limited" => Known::Limited { host: whose.parse().ok()?, until },
                "blocked" => Known::Blocked { host: whose.parse().ok()?, until },
                _ => return None,
            });
        }
        _ => return None,
    }
    Some(())
}

/// `FLAGS seq=N ack=N win=N`
fn answered(text: &str) -> Option<ExpectedAnswer> {
    let [flags, sequence, acknowledgement, window] = text.split_whitespace().collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(ExpectedAnswer {
        flags: builder::tcp_flags(flags)?,
        sequence: sequence.strip_prefix("seq=")?.parse().ok()?,
        acknowledgement: acknowledgement.strip_prefix("ack=")?.parse().ok()?,
        window: window.strip_prefix("win=")?.parse().ok()?,
    })
}

fn seconds(text: &str) -> Option<Duration> {
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}
