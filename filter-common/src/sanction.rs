//! What a peer's strikes earned it: none, limited, blocked; until when.

use crate::Timestamp;

/// What is done with a peer. Ordered by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sanction {
    /// Nothing: most peers, always.
    #[default]
    None,
    /// New connections pass at a rate, until then.
    Limited {
        /// When it ends by itself.
        until: Timestamp,
    },
    /// Everything to the protected ports is dropped, until then.
    Blocked {
        /// When it ends by itself.
        until: Timestamp,
    },
}

impl Sanction {
    /// The sanction as it stands at `now`: one whose time is over is none.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Limited { until } | Self::Blocked { until } if until <= now => Self::None,
            other => other,
        }
    }
}
