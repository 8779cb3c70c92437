//! Values of a scenario that may be one number, or be drawn anew for each host from a range: counts and times.

use std::time::Duration;

use serde::Deserialize;

/// A count from 1 to [`MOST`], or a range of which each host draws one, small ones more often than large ones: as many
/// hosts between 1 and 10 as between 10 and 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenCount")]
pub(super) struct Count {
    from: u32,
    to: u32,
}

/// The largest count: beyond any day's sessions of a host.
const MOST: u32 = 10_000_000;

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number, or { from = NUMBER, to = NUMBER }")]
enum WrittenCount {
    One(u32),
    Range(Range<u32>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range<T> {
    from: T,
    to: T,
}

impl TryFrom<WrittenCount> for Count {
    type Error = String;

    fn try_from(written: WrittenCount) -> Result<Self, String> {
        let (from, to) = match written {
            WrittenCount::One(count) => (count, count),
            WrittenCount::Range(Range { from, to }) => (from, to),
        };
        if from == 0 || to > MOST || from > to {
            return Err(format!("expected 1 to {MOST}, and `from` not above `to`"));
        }
        Ok(Self { from, to })
    }
}

impl Count {
    /// Always this one.
    pub(super) const fn of(count: u32) -> Self {
        Self { from: count, to: count }
    }

    /// One of them.
    pub(super) fn draw(self, random: &mut fastrand::Rng) -> u32 {
        let drawn = log_uniform(f64::from(self.from), f64::from(self.to), random);
        (drawn.round() as u32).clamp(self.from, self.to)
    }
}

/// A time with its unit, as in relaygate's settings, or a range of which each host draws one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenTime")]
pub(super) struct Time {
    from: Duration,
    to: Duration,
}

/// The longest time.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a time such as \"10m\", or { from = \"1m\", to = \"1h\" }")]
enum WrittenTime {
    One(String),
    Range(Range<String>),
}

impl TryFrom<WrittenTime> for Time {
    type Error = String;

    fn try_from(written: WrittenTime) -> Result<Self, String> {
        let read = |text: &str| {
            let time = humantime::parse_duration(text);
            time.map_err(|error| format!("`{text}` is not a time such as 10m or 24h: {error}"))
        };
        let (from, to) = match written {
            WrittenTime::One(text) => (read(&text)?, read(&text)?),
            WrittenTime::Range(Range { from, to }) => (read(&from)?, read(&to)?),
        };
        if to > LONGEST || from > to {
            return Err("expected at most 31 days, and `from` not above `to`".to_owned());
        }
        Ok(Self { from, to })
    }
}

impl Time {
    /// Always this one.
    pub(super) const fn of(time: Duration) -> Self {
        Self { from: time, to: time }
    }

    /// The longest of them.
    pub(super) const fn longest(self) -> Duration {
        self.to
    }

    /// One of them, each as likely as the others.
    pub(super) fn draw_evenly(self, random: &mut fastrand::Rng) -> Duration {
        self.from + (self.to - self.from).mul_f64(random.f64())
    }

    /// One of them, short ones more often than long ones; at least a millisecond.
    pub(super) fn draw(self, random: &mut fastrand::Rng) -> Duration {
        let least = Duration::from_millis(1);
        let (from, to) = (self.from.max(least), self.to.max(least));
        Duration::from_secs_f64(log_uniform(from.as_secs_f64(), to.as_secs_f64(), random))
    }
}

fn log_uniform(from: f64, to: f64, random: &mut fastrand::Rng) -> f64 {
    if from == to {
        return from;
    }
    (from.ln() + (to.ln() - from.ln()) * random.f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Read {
        count: Count,
        time: Time,
    }

    #[test]
    fn a_range_is_drawn_from_end_to_end_and_small_ones_more_often() {
        let read: Read =
            toml::from_str("count = { from = 1, to = 100 }\ntime = { from = \"1m\", to = \"1h\" }").unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let counts: Vec<u32> = (0..2000).map(|_| read.count.draw(&mut random)).collect();
        assert!(counts.contains(&1) && counts.iter().all(|count| (1..=100).contains(count)));
        let small = counts.iter().filter(|count| **count <= 10).count();
        assert!((850..1250).contains(&small), "{small}: as many up to 10 as above it");
        let minute = Duration::from_secs(60);
        for _ in 0..1000 {
            let time = read.time.draw(&mut random);
            assert!(time >= minute.mul_f64(0.999) && time <= minute.mul_f64(60.001), "{time:?}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_what_would_be_one() {
        let rows = [
            ("count = 0\ntime = \"1m\"", "expected 1 to"),
            ("count = { from = 5, to = 2 }\ntime = \"1m\"", "not above"),
            ("count = \"five\"\ntime = \"1m\"", "expected a number"),
            ("count = { from = 1, to = 2, step = 1 }\ntime = \"1m\"", "expected a number"),
            ("count = 1\ntime = \"soon\"", "`soon` is not a time"),
            ("count = 1\ntime = \"1000d\"", "at most 31 days"),
            ("count = 1\ntime = 60", "expected a time such as"),
        ];
        for (text, expected) in rows {
            let error = toml::from_str::<Read>(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("line "), "{text}: {error}");
        }
    }
}
