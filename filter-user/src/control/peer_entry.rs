//! How peers stand, and why: for people, for `--json` and for the control socket, all made from this. Decides nothing.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use filter_common::{Sanction, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::peers::{Allowance, Allowed, Hand, Order, Standing};

/// This moment by both clocks: sanctions count since boot, people in Unix time.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Since boot.
    pub boot: Timestamp,
    /// As people read it.
    pub wall: SystemTime,
}

impl Clocks {
    /// A moment in seconds of Unix time; nothing for the end of time.
    fn unix(self, at: Timestamp) -> Option<i64> {
        if at == Timestamp::NEVER {
            return None;
        }
        let now = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let then = (now + at.since(self.boot)).checked_sub(self.boot.since(at)).unwrap_or_default();
        // To the nearest second, so that one moment is the same whenever it is asked for.
        i64::try_from((then + Duration::from_millis(500)).as_secs()).ok()
    }
}

/// How one peer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerEntry {
    /// Its address, or the network that it is.
    pub peer: String,
    /// What is in force: `none`, `limited`, `blocked`.
    pub sanction: String,
    /// Until when, in seconds of Unix time; nothing for no sanction, and for one without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// How long that is from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
    /// Strikes that stand.
    pub strikes: u32,
    /// How often it was blocked for its strikes.
    pub blocks: u32,
    /// The offence that it was struck for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_strike: Option<StrikeEntry>,
    /// What was ordered by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<OrderEntry>,
    /// Until when it counts as authenticated, in seconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_until: Option<i64>,
    /// Why it is never sanctioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<AllowedEntry>,
    /// What it has lost to its sanctions in the kernel.
    pub dropped: DroppedEntry,
    /// Whether the kernel has what is in force.
    pub installed: bool,
    /// The network that it is in, where all of that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_network: Option<IpNet>,
}

/// An offence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrikeEntry {
    /// Its kind, as in metrics and logs.
    pub kind: String,
    /// When, in seconds of Unix time.
    pub at: i64,
}

/// An order by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEntry {
    /// What: `limited`, `blocked`.
    pub sanction: String,
    /// Until when, in seconds of Unix time; nothing for one without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Who, when, why.
    #[serde(flatten)]
    pub hand: HandEntry,
}

/// Who has ordered something, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandEntry {
    /// The user's number.
    pub by: u32,
    /// When, in seconds of Unix time.
    pub since: i64,
    /// In their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Why somebody is never sanctioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedEntry {
    /// The network that is on the list.
    pub network: String,
    /// Until when, in seconds of Unix time; nothing for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Who has put it there by hand; nothing where the setting `allow` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<HandEntry>,
}

/// What was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedEntry {
    /// Packets.
    pub packets: u64,
    /// Octets of them.
    pub octets: u64,
    /// The first, in seconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// The last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
}

const fn name(sanction: Sanction) -> (&'static str, Option<Timestamp>) {
    match sanction {
        Sanction::None => ("none", None),
        Sanction::Limited { until } => ("limited", Some(until)),
        Sanction::Blocked { until } => ("blocked", Some(until)),
    }
}

impl PeerEntry {
    /// Of a peer that is this network.
    #[must_use]
    pub fn new(standing: &Standing, network: IpNet, now: Clocks) -> Self {
        let unix = |at: Timestamp| now.unix(at);
        let (sanction, until) = name(standing.sanction);
        let finite = until.filter(|until| *until != Timestamp::NEVER);
        let dropped = standing.dropped;
        Self {
            peer: shown_network(network),
            sanction: sanction.to_owned(),
            until: until.and_then(unix),
            seconds_left: finite.map(|until| until.since(now.boot).as_secs()),
            strikes: standing.strikes,
            blocks: standing.blocks,
            last_strike: standing.last_strike.and_then(|strike| {
                Some(StrikeEntry { kind: strike.kind.name().to_owned(), at: unix(strike.at)? })
            }),
            by_hand: standing.order.as_ref().map(|order| OrderEntry::new(order, now)),
            authenticated_until: standing.authenticated_until.and_then(unix),
            allowed: standing.allowed.as_ref().map(|allowed| AllowedEntry::new(allowed, now)),
            dropped: DroppedEntry {
                packets: dropped.packets,
                octets: dropped.octets,
                first: dropped.first.and_then(unix),
                last: dropped.last.and_then(unix),
            },
            installed: standing.is_installed,
            limited_network: standing.limited_network,
        }
    }
}

impl OrderEntry {
    fn new(order: &Order, now: Clocks) -> Self {
        let (sanction, until) = name(order.sanction);
        Self {
            sanction: sanction.to_owned(),
            until: until.and_then(|until| now.unix(until)),
            hand: HandEntry::new(&order.hand, now),
        }
    }
}

impl HandEntry {
    fn new(hand: &Hand, now: Clocks) -> Self {
        Self { by: hand.by, since: now.unix(hand.since).unwrap_or_default(), reason: hand.reason.to_string() }
    }
}

impl AllowedEntry {
    fn new(allowed: &Allowed, now: Clocks) -> Self {
        match allowed {
            Allowed::BySetting(network) => {
                Self { network: shown_network(*network), until: None, by_hand: None }
            }
            Allowed::ByHand(allowance) => Self::by_hand(allowance, now),
        }
    }

    /// Of a network that was allowed by hand.
    #[must_use]
    pub fn by_hand(allowance: &Allowance, now: Clocks) -> Self {
        Self {
            network: shown_network(allowance.network),
            until: now.unix(allowance.until),
            by_hand: Some(HandEntry::new(&allowance.hand, now)),
        }
    }
}

/// A network, or the address that it is.
pub(super) fn shown_network(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        return network.addr().to_string();
    }
    network.to_string()
}

/// A moment as people read it.
pub(super) fn moment(unix: i64) -> String {
    let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(unix).unwrap_or(0));
    humantime::format_rfc3339_seconds(at).to_string()
}

impl fmt::Display for HandEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by user {} at {}", self.by, moment(self.since))?;
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

impl fmt::Display for AllowedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.network)?;
        match &self.by_hand {
            None => f.write_str("by the setting allow"),
            Some(hand) => {
                match self.until {
                    Some(until) => write!(f, "until {}, ", moment(until))?,
                    None => f.write_str("for good, ")?,
                }
                hand.fmt(f)
            }
        }
    }
}

impl fmt::Display for PeerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "peer           {}", self.peer)?;
        write!(f, "sanction       {}", self.sanction)?;
        match (self.until, self.seconds_left) {
            (Some(until), Some(left)) => {
                let left = humantime::format_duration(Duration::from_secs(left));
                writeln!(f, " until {}, for {left} from now", moment(until))?;
            }
            _ if self.sanction == "none" => writeln!(f)?,
            _ => writeln!(f, " for good")?,
        }
        writeln!(f, "why            {}", self.why())?;
        writeln!(f, "strikes        {}", self.strikes)?;
        writeln!(f, "blocks         {} so far", self.blocks)?;
        match self.authenticated_until {
            Some(until) => writeln!(f, "authenticated  until {}", moment(until))?,
            None => writeln!(f, "authenticated  no")?,
        }
        match &self.allowed {
            Some(allowed) => writeln!(f, "allowed        {allowed}")?,
            None => writeln!(f, "allowed        no")?,
        }
        write!(f, "dropped        {} packets, {} octets", self.dropped.packets, self.dropped.octets)?;
        if let (Some(first), Some(last)) = (self.dropped.first, self.dropped.last) {
            write!(f, ", from {} to {}", moment(first), moment(last))?;
        }
        let place = if self.installed { "in the kernel" } else { "not in the kernel" };
        write!(f, "\ninstalled      {place}")?;
        let Some(network) = self.limited_network else { return Ok(()) };
        write!(f, "\nnetwork        {network} is limited: too many of its peers are blocked")
    }
}

impl PeerEntry {
    /// Why it stands as it does, in a line.
    #[must_use]
    pub fn why(&self) -> String {
        if let Some(allowed) = &self.allowed {
            return format!("never sanctioned: {} is on the allow-list", allowed.network);
        }
        if self.authenticated_until.is_some() {
            return "never sanctioned as long as it counts as authenticated".to_owned();
        }
        if let Some(order) = &self.by_hand
            && order.sanction == self.sanction
            && order.until == self.until
        {
            return order.hand.to_string();
        }
        match (&self.last_strike, self.sanction.as_str()) {
            (None, "none") => "nothing stands against it".to_owned(),
            (None, _) => "what an earlier relaygate has left in force".to_owned(),
            (Some(strike), "none") => {
                format!("its strikes are too few; the last was for {} at {}", strike.kind, moment(strike.at))
            }
            (Some(strike), _) => format!("strikes, the last for {} at {}", strike.kind, moment(strike.at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use filter_common::PeerKey;

    use super::*;
    use crate::peers::{Dropped, LastStrike, Strike};

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    fn standing() -> Standing {
        Standing {
            peer: PeerKey::from(Ipv4Addr::new(192, 0, 2, 7)),
            sanction: Sanction::Blocked { until: at(1300) },
            order: None,
            strikes: 12,
            last_strike: Some(LastStrike { kind: Strike::RelayAttempt, at: at(990) }),
            blocks: 2,
            authenticated_until: None,
            allowed: None,
            dropped: Dropped { packets: 90, octets: 5400, first: Some(at(991)), last: Some(at(999)) },
            is_installed: true,
            limited_network: None,
        }
    }

    fn entry(standing: &Standing) -> PeerEntry {
        // 2026-11-25T00:00:00Z, a thousand seconds after boot.
        let wall = UNIX_EPOCH + Duration::from_secs(1_795_564_800);
        PeerEntry::new(standing, "192.0.2.7/32".parse().unwrap(), Clocks { boot: at(1000), wall })
    }

    #[test]
    fn a_blocked_peer_is_told_why_and_for_how_long() {
        let shown = "peer           192.0.2.7\n\
                     sanction       blocked until 2026-11-25T00:05:00Z, for 5m from now\n\
                     why            strikes, the last for relay_attempt at 2026-11-24T23:59:50Z\n\
                     strikes        12\n\
                     blocks         2 so far\n\
                     authenticated  no\n\
                     allowed        no\n\
                     dropped        90 packets, 5400 octets, from 2026-11-24T23:59:51Z to 2026-11-24T23:59:59Z\n\
                     installed      in the kernel";
        assert_eq!(entry(&standing()).to_string(), shown);
        let text = serde_json::to_string(&entry(&standing())).unwrap();
        assert_eq!(serde_json::from_str::<PeerEntry>(&text).unwrap(), entry(&standing()));
    }

    #[test]
    fn each_reason_has_its_words() {
        let hand = Hand { by: 1000, since: at(900), reason: "asked for by phone".into() };
        let forever = Sanction::Blocked { until: Timestamp::NEVER };
        let order = Order { sanction: forever, hand: hand.clone() };
        let allowance = Allowance { network: "192.0.2.0/24".parse().unwrap(), until: Timestamp::NEVER, hand };
        let none = Standing { sanction: Sanction::None, last_strike: None, ..standing() };
        for (standing, why) in [
            (
                Standing { sanction: forever, order: Some(order), ..standing() },
                "by user 1000 at 2026-11-24T23:58:20Z: asked for by phone",
            ),
            (none.clone(), "nothing stands against it"),
            (Standing { last_strike: None, ..standing() }, "what an earlier relaygate has left in force"),
            (
                Standing { sanction: Sanction::None, ..standing() },
                "its strikes are too few; the last was for relay_attempt at 2026-11-24T23:59:50Z",
            ),
            (
                Standing { authenticated_until: Some(at(2000)), ..none.clone() },
                "never sanctioned as long as it counts as authenticated",
            ),
            (
                Standing { allowed: Some(Allowed::ByHand(allowance)), ..none },
                "never sanctioned: 192.0.2.0/24 is on the allow-list",
            ),
        ] {
            assert_eq!(entry(&standing).why(), why);
        }
    }
}
