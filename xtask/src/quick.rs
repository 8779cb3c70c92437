//! What relaygate costs beside the least that a server can do, and beside a plain proxy: `bench quick`, whose bounds only a
//! loss of speed breaks, not a machine that does other things too.

use crate::built::Built;
use crate::{process, tree};

/// Builds both and compares them.
pub(crate) fn run() -> anyhow::Result<()> {
    let built = Built::to_measure()?;
    let mut quick = built.command("bin", "bench")?;
    quick.arg("quick").arg("--relaygate").arg(built.path("bin", "relaygate")?);
    // Packages of what is compared are kept in `target` there.
    process::run(quick.current_dir(tree::root()))
}
