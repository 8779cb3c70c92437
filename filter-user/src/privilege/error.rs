//! What can go wrong when privileges are given up, and what to do about it.

use std::io;

/// Why the process is not what it should be. Each of these ends the start: a daemon that has more privileges than it says
/// would be worse than none.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Nobody is called so.
    #[error(
        "user = {name:?}: this host has no such user; make one (`useradd --system {name}`), or name another"
    )]
    Unknown {
        /// As it was given.
        name: String,
    },
    /// The system's list of users cannot be read.
    #[error("user = {name:?}: this host's users cannot be looked up: {source}")]
    LookUp {
        /// As it was given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Only who may become anyone can become another.
    #[error(
        "user = {name:?}: cannot become it without {missing}: start as root, or leave `user` out and let what starts \
         relaygate choose its user (systemd: User=)"
    )]
    MayNotBecome {
        /// As it was given.
        name: String,
        /// The capabilities that it takes.
        missing: String,
    },
    /// The kernel refused a step.
    #[error("cannot {step}: {source}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What the kernel says of a thread afterwards is not what was asked for.
    #[error("thread {thread} still has {what} after privileges were given up; please report this")]
    NotGivenUp {
        /// Its id.
        thread: String,
        /// What it has and should not, or has not and should.
        what: String,
    },
}

impl PrivilegeError {
    /// A step that the kernel refused.
    pub(super) fn refused<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Refused { step, source: source.into() }
    }
}
