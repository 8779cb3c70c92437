//! The lines of a state file. All that is known of a peer is one line; what is as for a peer of which nothing is known, is
//! left out. Whoever reads passes over keys that it does not know, so a key more needs no new format; another meaning does.

use std::net::IpAddr;

use filter_common::{PeerKey, PrefixLengths, Sanction, Timestamp};
use serde::{Deserialize, Serialize};

use super::by_hand::{Allowed, Ordered};
use super::moment::{Moment, Passed};
use crate::peers::{Allowance, Held, LastStrike, Order, Remembered, Strike};

/// The format that is written.
pub(super) const FORMAT: u32 = 1;

/// Peers are written whole: how much of an address is one was decided when they became known.
pub(super) const WHOLE: PrefixLengths = PrefixLengths { ipv4: 32, ipv6: 128 };

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// The format.
    pub(super) relaygate_state: u32,
    /// Who has written it, for people.
    pub(super) version: String,
    /// Which boot.
    pub(super) boot_id: String,
    /// Time since then, in nanoseconds.
    pub(super) boot_ns: u64,
    /// Since 1970, in milliseconds.
    pub(super) wall_ms: u64,
}

impl Header {
    pub(super) fn of(moment: &Moment) -> Self {
        Self {
            relaygate_state: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: moment.boot_id.clone(),
            boot_ns: moment.boot.0,
            wall_ms: moment.wall,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { boot_id: self.boot_id.clone(), boot: Timestamp(self.boot_ns), wall: self.wall_ms }
    }
}

/// Every other line: of a peer, of what was done by hand, or the end. Times are milliseconds from the header's moment, less than nothing before it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) peer: Option<IpAddr>,
    /// When its strikes will have leaked away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) strikes_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(super) blocks: u32,
    /// When its last block ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) blocked_ms: Option<i64>,
    /// It has come back after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) resumed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authenticated_ms: Option<i64>,
    /// What it was struck for last, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) struck: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) struck_ms: Option<i64>,
    /// What is in force for it, where the rest does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) in_force: Option<InForce>,
    /// What an operator has ordered for a peer: a line of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ordered: Option<Ordered>,
    /// A network that an operator has allowed: a line of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) allowed: Option<Allowed>,
    /// How many lines there are between the first and this: the last line, alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<u64>,
}

/// What is in force for a peer.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InForce {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limited_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) blocked_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authenticated_ms: Option<i64>,
}

/// What serde calls for a number that is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_nothing(number: &u32) -> bool {
    *number == 0
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// What is known of a peer.
    Peer(Known),
    /// What an operator has ordered for one.
    Order(PeerKey, Order),
    /// Whom an operator has allowed.
    Allowance(Allowance),
}

impl Entry {
    /// As it is written at a moment; nothing where it says nothing.
    pub(super) fn line(&self, moment: &Moment) -> Option<Line> {
        match self {
            Self::Peer(known) => known.line(moment),
            Self::Order(peer, order) => {
                Some(Line { ordered: Some(Ordered::of(*peer, order, moment)), ..Line::default() })
            }
            Self::Allowance(allowance) => {
                Some(Line { allowed: Some(Allowed::of(allowance, moment)), ..Line::default() })
            }
        }
    }

    /// As a line means it now; nothing where it is none that could be written.
    pub(super) fn of(line: &Line, now: &Moment, passed: Passed) -> Option<Self> {
        match (&line.ordered, &line.allowed) {
            (Some(ordered), _) => {
                let (peer, order) = ordered.order(now, passed);
                Some(Self::Order(peer, order))
            }
            (None, Some(allowed)) => allowed.allowance(now, passed).map(Self::Allowance),
            (None, None) => Known::of(line, now, passed).map(Self::Peer),
        }
    }
}

/// All that is known of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// What is remembered of it.
    pub(super) remembered: Option<Remembered>,
    /// What is in force for it.
    pub(super) held: Option<Held>,
}

impl Known {
    /// Of whom.
    pub(super) fn peer(&self) -> Option<PeerKey> {
        self.remembered.map(|known| known.peer).or(self.held.map(|held| held.peer))
    }

    /// As it is written at a moment; nothing where nothing is known.
    pub(super) fn line(&self, moment: &Moment) -> Option<Line> {
        let peer = self.peer()?;
        let ahead = |time: Timestamp| (time > Timestamp::default()).then(|| moment.ahead(time));
        let mut line = Line { peer: Some(peer.address()), ..Line::default() };
        if let Some(known) = &self.remembered {
            line.strikes_ms = ahead(known.strikes_until);
            line.blocks = known.blocks;
            line.blocked_ms = ahead(known.blocked_until);
            line.resumed = known.has_resumed && known.blocked_until > Timestamp::default();
            line.authenticated_ms = ahead(known.authenticated_until);
            line.struck = known.last_strike.map(|strike| strike.kind.name().to_owned());
            line.struck_ms = known.last_strike.map(|strike| moment.ahead(strike.at));
        }
        line.in_force = self.held.and_then(|held| {
            let mut in_force =
                InForce { authenticated_ms: ahead(held.authenticated_until), ..InForce::default() };
            match held.sanction {
                Sanction::None => {}
                Sanction::Limited { until } => in_force.limited_ms = ahead(until),
                Sanction::Blocked { until } => in_force.blocked_ms = ahead(until),
            }
            let is_implied = in_force.limited_ms.is_none()
                && (in_force.blocked_ms.is_none() || in_force.blocked_ms == line.blocked_ms)
                && (in_force.authenticated_ms.is_none()
                    || in_force.authenticated_ms == line.authenticated_ms);
            (!is_implied).then_some(in_force)
        });
        Some(line)
    }

    /// As a line means it now; nothing where it is of no peer.
    pub(super) fn of(line: &Line, now: &Moment, passed: Passed) -> Option<Self> {
        let peer = PeerKey::from_ip(line.peer?, WHOLE);
        let time =
            |ahead: Option<i64>| ahead.map_or(Timestamp::default(), |ahead| now.carried(ahead, passed));
        let remembered = Remembered {
            peer,
            strikes_until: time(line.strikes_ms),
            blocks: line.blocks,
            blocked_until: time(line.blocked_ms),
            has_resumed: line.resumed || line.blocked_ms.is_none(),
            authenticated_until: time(line.authenticated_ms),
            // A kind of another version is none.
            last_strike: line
                .struck
                .as_deref()
                .and_then(Strike::of_name)
                .map(|kind| LastStrike { kind, at: time(line.struck_ms) }),
        };
        let held = line.in_force.as_ref().map(|in_force| {
            let sanction = match (in_force.blocked_ms, in_force.limited_ms) {
                (blocked @ Some(_), _) => Sanction::Blocked { until: time(blocked) },
                (None, limited @ Some(_)) => Sanction::Limited { until: time(limited) },
                (None, None) => Sanction::None,
            };
            Held { peer, sanction, authenticated_until: time(in_force.authenticated_ms) }
        });
        let says_something =
            line.strikes_ms.or(line.blocked_ms).or(line.authenticated_ms).is_some() || line.blocks > 0;
        Some(Self { remembered: says_something.then_some(remembered), held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;

    fn moment() -> Moment {
        Moment { boot_id: "a".to_owned(), boot: Timestamp(1000 * MILLI), wall: 1_790_000_000_000 }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp(millis * MILLI)
    }

    /// The line as text, and what it is read as at the same moment.
    fn through(known: Known) -> (String, Option<Known>) {
        let now = moment();
        let text = serde_json::to_string(&known.line(&now).unwrap()).unwrap();
        let line: Line = serde_json::from_str(&text).unwrap();
        (text, Known::of(&line, &now, now.since(&now)))
    }

    #[test]
    fn a_peer_is_one_short_line_and_means_the_same_when_it_is_read() {
        let peer = PeerKey::from_ip("192.0.2.7".parse().unwrap(), PrefixLengths::default());
        let network = PeerKey::from_ip("2001:db8:1:2::9".parse().unwrap(), PrefixLengths::default());
        let remembered = Remembered {
            peer,
            strikes_until: at(5000),
            blocks: 2,
            blocked_until: at(3000),
            has_resumed: false,
            authenticated_until: Timestamp::default(),
            last_strike: Some(LastStrike { kind: Strike::UnknownRecipient, at: at(700) }),
        };
        let over = Remembered { blocked_until: at(400), has_resumed: true, ..remembered };
        let only = Remembered {
            peer: network,
            strikes_until: Timestamp::default(),
            blocks: 0,
            blocked_until: Timestamp::default(),
            has_resumed: true,
            authenticated_until: at(9000),
            last_strike: None,
        };
        let held = |sanction, authenticated_until| Held { peer, sanction, authenticated_until };
        let never = Timestamp::default();
        let rows = [
            (
                Some(remembered),
                Some(held(Sanction::Blocked { until: at(3000) }, never)),
                r#"{"peer":"192.0.2.7","strikes_ms":4000,"blocks":2,"blocked_ms":2000,"struck":"unknown_recipient","struck_ms":-300}"#,
            ),
            (
                Some(over),
                Some(held(Sanction::Limited { until: at(2000) }, never)),
                r#"{"peer":"192.0.2.7","strikes_ms":4000,"blocks":2,"blocked_ms":-600,"resumed":true,"struck":"unknown_recipient","struck_ms":-300,"in_force":{"limited_ms":1000}}"#,
            ),
            (Some(only), None, r#"{"peer":"2001:db8:1:2::","authenticated_ms":8000}"#),
            (
                None,
                Some(held(Sanction::Blocked { until: at(1500) }, at(1200))),
                r#"{"peer":"192.0.2.7","in_force":{"blocked_ms":500,"authenticated_ms":200}}"#,
            ),
        ];
        for (remembered, held, wanted) in rows {
            let known = Known { remembered, held };
            let (text, read) = through(known);
            assert_eq!(text, wanted);
            // What follows from the rest is not written, and is not needed.
            let held = held.filter(|_| wanted.contains("in_force"));
            assert_eq!(read, Some(Known { remembered, held }));
        }
        assert_eq!(Known { remembered: None, held: None }.line(&moment()), None);
    }

    #[test]
    fn keys_of_another_version_are_passed_over() {
        let text = r#"{"peer":"192.0.2.7","blocks":1,"blocked_ms":5,"strength":"strong"}"#;
        let line: Line = serde_json::from_str(text).unwrap();
        assert_eq!((line.blocks, line.blocked_ms), (1, Some(5)));
    }
}
