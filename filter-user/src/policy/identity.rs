//! Who a session has proven to be: values that are made where something was proven, and nowhere else. Proves nothing
//! itself. `xtask layers` counts who makes them, as it counts who makes a grant.

use crate::address::fold_case;

/// A login that a client has authenticated as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    name: Box<str>,
    folded: Box<str>,
}

impl Login {
    /// The client has proven to be this one. Public for the tests alone, which stand outside of the crate.
    #[must_use]
    pub fn proven(name: &str) -> Self {
        Self { name: name.into(), folded: fold(name) }
    }

    /// The name, as it was proven.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name without regard to case.
    pub(super) fn folded(&self) -> &str {
        &self.folded
    }
}

/// A login as logins compare without regard to case.
pub(super) fn fold(login: &str) -> Box<str> {
    login.chars().map(fold_case).collect::<String>().into()
}

/// A certificate that a client has shown, with its key, and that an authority which we trust for clients has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    names: Vec<String>,
}

impl ClientCertificate {
    /// The signature, the key and the dates were found right. Public for the tests alone, which stand outside of the
    /// crate.
    #[must_use]
    pub fn verified(names: Vec<String>) -> Self {
        Self { names }
    }

    /// Whom it names: the names and addresses of its subject, as they stand in it.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}
