//! Why a session may relay: a value that only a restriction which matched can make.

use std::fmt;

/// The restriction that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantReason {
    /// The peer is in one of the client networks.
    ClientNetwork,
}

impl GrantReason {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientNetwork => "client network",
        }
    }
}

impl fmt::Display for GrantReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a session may relay. Made where a restriction matched, and nowhere else: who holds one has been let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant(GrantReason);

impl Grant {
    /// Which restriction matched.
    #[must_use]
    pub const fn reason(self) -> GrantReason {
        self.0
    }

    pub(super) const fn new(reason: GrantReason) -> Self {
        Self(reason)
    }
}
