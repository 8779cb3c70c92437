//! What is compared: each figure with its unit, in the order of the table.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::ratio::Dialogue;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Of refused sessions, each with one attempt.
    Refused(Dialogue, OfSessions),
    /// CPU time of one recipient of a thousand that are refused in one session.
    ManyRecipients,
    /// User memory of a session after EHLO.
    IdleMemory,
    /// User memory of a session within its message.
    BusyMemory,
    /// CPU time of a message of so many KiB to the sink.
    Honest(u32),
    /// Octets of a message that were taken before its relay attempt was refused.
    BodyTaken,
}

/// All of them, so that one can be found by its name.
const DIALOGUES: [Dialogue; 2] = [Dialogue::Plain, Dialogue::Pipelined];
const OTHERS: [Quantity; 6] = [
    Quantity::ManyRecipients,
    Quantity::IdleMemory,
    Quantity::BusyMemory,
    Quantity::Honest(1),
    Quantity::Honest(100),
    Quantity::BodyTaken,
];

/// What is counted of refused sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfSessions {
    /// CPU time, all of it.
    Cpu,
    /// In user mode.
    User,
    /// In the kernel.
    System,
    /// Sessions a second by the clock.
    Rate,
    /// From connecting to the answer to QUIT, of half of them.
    Median,
    /// Of 99 in a hundred.
    P99,
    /// Of 999 in a thousand.
    P999,
}

impl OfSessions {
    const ALL: [Self; 7] =
        [Self::Cpu, Self::User, Self::System, Self::Rate, Self::Median, Self::P99, Self::P999];
}

impl Quantity {
    /// All that are measured.
    fn all() -> impl Iterator<Item = Self> {
        let of = |dialogue| OfSessions::ALL.map(|of| Self::Refused(dialogue, of));
        DIALOGUES.into_iter().flat_map(of).chain(OTHERS)
    }

    /// What one of it is.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Refused(_, OfSessions::Rate) => "1/s",
            Self::Refused(_, OfSessions::Median | OfSessions::P99 | OfSessions::P999) => "ms",
            Self::Refused(..) | Self::ManyRecipients | Self::Honest(_) => "us",
            Self::IdleMemory | Self::BusyMemory => "KiB",
            Self::BodyTaken => "octets",
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(dialogue, of) => {
                let of = match of {
                    OfSessions::Cpu => "CPU",
                    OfSessions::User => "CPU in user mode",
                    OfSessions::System => "CPU in the kernel",
                    OfSessions::Rate => "sessions",
                    OfSessions::Median => "p50",
                    OfSessions::P99 => "p99",
                    OfSessions::P999 => "p99.9",
                };
                write!(f, "refused, {dialogue}: {of}")
            }
            Self::ManyRecipients => write!(f, "one of 1,000 refused recipients: CPU"),
            Self::IdleMemory => write!(f, "idle session: memory"),
            Self::BusyMemory => write!(f, "busy session: memory"),
            Self::Honest(kib) => write!(f, "honest message, {kib} KiB: CPU"),
            Self::BodyTaken => write!(f, "body taken from a spammer"),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = Self::all().find(|quantity| quantity.to_string() == name);
        found.ok_or_else(|| D::Error::custom(format!("nothing that is compared is called {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for quantity in Quantity::all() {
            let text = serde_json::to_string(&quantity).unwrap();
            assert_eq!(serde_json::from_str::<Quantity>(&text).unwrap(), quantity);
        }
        let error = serde_json::from_str::<Quantity>("\"speed\"").unwrap_err();
        assert!(error.to_string().contains("called \"speed\""), "{error}");
    }
}
