//! Settings that are quantities: numbers, times, octets, rates; each with its bounds and its unit.

use std::time::Duration;

use super::Kind;

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
