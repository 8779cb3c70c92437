//! Why a session may relay: a value that only a restriction which matched can make.

use std::fmt;

/// The restriction that matched. Where several do, the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantReason {
    /// The client has authenticated.
    Authenticated,
    /// The client has shown a certificate that an authority which we trust has signed.
    ClientCertificate,
    /// The client has connected to one of the internal addresses.
    InternalAddress,
    /// The peer is in one of the client networks.
    ClientNetwork,
}

impl GrantReason {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::ClientCertificate => "client certificate",
            Self::InternalAddress => "internal address",
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
