//! What deciding costs with a large configuration, against a small one, in the same run.

use crate::built::Built;
use crate::process;

/// With ten thousand rows in the routing table, a thousand networks and a million mailboxes a refused recipient may cost
/// so many times what it costs with one of each.
const AT_MOST: &str = "2";

/// Builds and measures.
pub(crate) fn run() -> anyhow::Result<()> {
    process::run(Built::to_measure()?.command("bench", "decide")?.args(["--max", AT_MOST]))
}
