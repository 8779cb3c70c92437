//! The values of a scenario, read into types that cannot be wrong; so the reader of the file tells line and key.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Within<const MIN: u64, const MAX: u64>(pub(super) u64);

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u64::deserialize(deserializer)?;
        if (MIN..=MAX).contains(&value) {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format!("{value} is not from {MIN} to {MAX}")))
        }
    }
}

/// Sessions a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(pub(super) f64);

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is no number")).and_then(Self::checked)
    }
}

impl Rate {
    fn checked(rate: f64) -> Result<Self, String> {
        if (0.01..=1_000_000.0).contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(format!("{rate} is not from 0.01 to 1000000 a second"))
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A time such as `10s` or `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LONGEST: Duration = Duration::from_secs(24 * 3600);
        match humantime::parse_duration(text) {
            Ok(span) if span <= LONGEST => Ok(Self(span)),
            Ok(_) => Err(format!("{text} is longer than a day")),
            Err(error) => Err(format!("{text:?} is no time such as \"10s\" or \"2m\": {error}")),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
