//! What an operator has done by hand, as lines have it: with who has, when and why.

use std::net::IpAddr;

use filter_common::{PeerKey, Sanction, Timestamp};
use serde::{Deserialize, Serialize};

use super::line::WHOLE;
use super::moment::{Moment, Passed};
use crate::peers::{Allowance, Hand, Order};

/// A sanction that was ordered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ordered {
    peer: IpAddr,
    sanction: Word,
    /// Not there: until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
    #[serde(flatten)]
    hand: HandLine,
}

/// A network that was allowed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Allowed {
    network: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
    #[serde(flatten)]
    hand: HandLine,
}

/// Whose work it is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HandLine {
    by: u32,
    since_ms: i64,
    reason: String,
}

/// A sanction's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Limited,
    Blocked,
}

impl Ordered {
    pub(super) fn of(peer: PeerKey, order: &Order, moment: &Moment) -> Self {
        let (sanction, until) = match order.sanction {
            Sanction::Blocked { until } => (Word::Blocked, until),
            Sanction::Limited { until } => (Word::Limited, until),
            // That is over.
            Sanction::None => (Word::Limited, Timestamp::default()),
        };
        let (until_ms, hand) = (end(until, moment), HandLine::of(&order.hand, moment));
        Self { peer: peer.address(), sanction, until_ms, hand }
    }

    pub(super) fn order(&self, now: &Moment, passed: Passed) -> (PeerKey, Order) {
        let until = time(self.until_ms, now, passed);
        let sanction = match self.sanction {
            Word::Blocked => Sanction::Blocked { until },
            Word::Limited => Sanction::Limited { until },
        };
        let hand = self.hand.hand(now, passed);
        (PeerKey::from_ip(self.peer, WHOLE), Order { sanction, hand })
    }
}

impl Allowed {
    pub(super) fn of(allowance: &Allowance, moment: &Moment) -> Self {
        Self {
            network: allowance.network.to_string(),
            until_ms: end(allowance.until, moment),
            hand: HandLine::of(&allowance.hand, moment),
        }
    }

    /// Nothing where that is no network.
    pub(super) fn allowance(&self, now: &Moment, passed: Passed) -> Option<Allowance> {
        Some(Allowance {
            network: self.network.parse().ok()?,
            until: time(self.until_ms, now, passed),
            hand: self.hand.hand(now, passed),
        })
    }
}

impl HandLine {
    fn of(hand: &Hand, moment: &Moment) -> Self {
        Self { by: hand.by, since_ms: moment.ahead(hand.since), reason: hand.reason.to_string() }
    }

    fn hand(&self, now: &Moment, passed: Passed) -> Hand {
        let since = now.carried(self.since_ms, passed);
        Hand { by: self.by, since, reason: self.reason.as_str().into() }
    }
}

/// How far ahead an end is; nothing where there is none.
fn end(until: Timestamp, moment: &Moment) -> Option<i64> {
    (until != Timestamp::NEVER).then(|| moment.ahead(until))
}

fn time(until_ms: Option<i64>, now: &Moment, passed: Passed) -> Timestamp {
    until_ms.map_or(Timestamp::NEVER, |ahead| now.carried(ahead, passed))
}

#[cfg(test)]
mod tests {
    use super::super::line::{Entry, Line};
    use super::*;

    const MILLI: u64 = 1_000_000;

    #[test]
    fn what_was_done_by_hand_is_a_line_and_means_the_same_when_it_is_read() {
        let now = Moment { boot_id: "a".to_owned(), boot: Timestamp(1000 * MILLI), wall: 1_790_000_000_000 };
        let hand = Hand { by: 1000, since: Timestamp(400 * MILLI), reason: "a \"nuisance\"".into() };
        let peer = PeerKey::from_ip("192.0.2.7".parse().unwrap(), WHOLE);
        let order = |sanction| Entry::Order(peer, Order { sanction, hand: hand.clone() });
        let allowance = |network: &str, until| {
            Entry::Allowance(Allowance { network: network.parse().unwrap(), until, hand: hand.clone() })
        };
        let rows = [
            (
                order(Sanction::Blocked { until: Timestamp::NEVER }),
                r#"{"ordered":{"peer":"192.0.2.7","sanction":"blocked","by":1000,"since_ms":-600,"reason":"a \"nuisance\""}}"#,
            ),
            (
                order(Sanction::Limited { until: Timestamp(3000 * MILLI) }),
                r#"{"ordered":{"peer":"192.0.2.7","sanction":"limited","until_ms":2000,"by":1000,"since_ms":-600,"reason":"a \"nuisance\""}}"#,
            ),
            (
                allowance("198.51.100.0/24", Timestamp::NEVER),
                r#"{"allowed":{"network":"198.51.100.0/24","by":1000,"since_ms":-600,"reason":"a \"nuisance\""}}"#,
            ),
            (
                allowance("2001:db8::/32", Timestamp(2000 * MILLI)),
                r#"{"allowed":{"network":"2001:db8::/32","until_ms":1000,"by":1000,"since_ms":-600,"reason":"a \"nuisance\""}}"#,
            ),
        ];
        for (entry, text) in rows {
            assert_eq!(serde_json::to_string(&entry.line(&now).unwrap()).unwrap(), text);
            let line: Line = serde_json::from_str(text).unwrap();
            assert_eq!(Entry::of(&line, &now, now.since(&now)), Some(entry));
        }
        let no_network = r#"{"allowed":{"network":"everywhere","by":0,"since_ms":0,"reason":""}}"#;
        let line: Line = serde_json::from_str(no_network).unwrap();
        assert_eq!(Entry::of(&line, &now, now.since(&now)), None);
    }
}
