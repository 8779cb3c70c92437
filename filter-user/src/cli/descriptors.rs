//! File descriptors: every session has one, and another towards the backend while it delivers. Raises the limit as far as
//! it goes, and says where that is not far enough.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Descriptors besides those of sessions: listeners, maps, logs.
const OTHERS: u64 = 100;

/// Raises the soft limit to the hard one.
pub(super) fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused only where it is there already.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// What is to be said of the limit, if it is too low for the sessions that may be open.
pub(super) fn shortage(config: &Config) -> Option<String> {
    let needed =
        u64::try_from(config.max_sessions).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(OTHERS);
    let limit = getrlimit(Resource::Nofile).maximum.filter(|limit| *limit < needed)?;
    Some(format!(
        "max-sessions = {}: may need {needed} file descriptors, and the limit is {limit}; raise it (systemd: \
         LimitNOFILE={needed}) or lower max-sessions",
        config.max_sessions
    ))
}
