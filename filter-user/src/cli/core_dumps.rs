//! Keeps passwords out of files: a process that hears them writes no core dump, and no other process of its user reads
//! its memory.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use crate::telemetry::field;

/// From here on, no core dump. Both ways are taken: the limit is passed on to whatever is started from here, and the
/// attribute also holds where a core pattern is a pipe, which no limit stops.
pub(super) fn forbid() {
    let no_core = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    let forbidden = setrlimit(Resource::Core, no_core)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = forbidden {
        tracing::warn!({ field::ERROR } = %error, "core dumps cannot be forbidden: one would hold passwords");
    }
}
