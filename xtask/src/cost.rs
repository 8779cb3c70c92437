//! What a refused session costs: relaygate's CPU time against that of the least a server can do, in the same run.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, cargo};
use crate::tree;

/// The gate's bound. What is aimed at is 1.25, and `bench/record` has what was measured on quiet machines; on a busy one a
/// run is off by a twentieth, and the gate is there to see a cost that has grown, not to measure one.
const AT_MOST: &str = "1.35";

/// Builds both and compares them.
pub(crate) fn run() -> anyhow::Result<()> {
    process::run(&mut cargo(&["build", "--quiet", "--release", "-p", "filter-user", "-p", "bench"]))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), PathBuf::from);
    let mut ratio = Command::new(target.join("release/bench"));
    ratio.arg("ratio").arg("--relaygate").arg(target.join("release/relaygate"));
    ratio.args(["--rounds", "21", "--sessions", "4000", "--max", AT_MOST]);
    process::run(&mut ratio)
}
