//! What is wanted of a figure: of its value, or of its ratio to another's. Measures nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Of the ratio to the other.
    RatioAtMost(f64),
    /// Of the ratio to the other.
    RatioBelow(f64),
    /// Of the figure itself.
    AtMost(f64),
    /// Of the figure itself.
    Below(f64),
    /// Of the figure itself.
    Above(f64),
    /// Of the figure itself; or of the ratio to the other, where that asks for less.
    AtLeastOrRatio {
        /// Of the figure.
        least: f64,
        /// Of the ratio.
        ratio: f64,
    },
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::RatioAtMost(most) => format!("ratio <= {most:.3}").trim_end_matches('0').to_owned(),
            Self::RatioBelow(limit) => format!("ratio < {limit}"),
            Self::AtMost(most) => format!("<= {most}"),
            Self::Below(limit) => format!("< {limit}"),
            Self::Above(limit) => format!("> {limit}"),
            Self::AtLeastOrRatio { least, ratio } => format!(">= {least} or ratio >= {ratio}"),
        })
    }
}
