//! One thing that was looked at: how it is, and what to do where it should be otherwise.

use std::fmt;

use serde::Serialize;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and could be better; or could not be looked at.
    Warning,
    /// Without it the kernel does not help.
    Missing,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// About what.
    pub about: &'static str,
    /// How it is.
    pub level: Level,
    /// What was seen, and what follows.
    pub says: String,
}

impl Finding {
    pub(super) fn new(about: &'static str, level: Level, says: impl Into<String>) -> Self {
        Self { about, level, says: says.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Missing => "MISSING",
        };
        write!(f, "{level:<8} {:<13} {}", self.about, self.says)
    }
}
