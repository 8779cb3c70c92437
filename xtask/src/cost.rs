//! What a refused session costs: relaygate's CPU time against that of the least a server can do, in the same run.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::process::{self, cargo};
use crate::tree;

/// relaygate may cost at most so many times what the responder does.
const AT_MOST: &str = "1.25";
/// Runs before the machine is believed to be too slow and not too busy: whatever else runs can only add to a ratio.
const RUNS: u32 = 3;

/// Builds both and compares them.
pub(crate) fn run() -> anyhow::Result<()> {
    process::run(&mut cargo(&["build", "--quiet", "--release", "-p", "filter-user", "-p", "bench"]))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), PathBuf::from);
    let relaygate = target.join("release/relaygate");
    for number in 1..=RUNS {
        let mut ratio = Command::new(target.join("release/bench"));
        ratio.arg("ratio").arg("--relaygate").arg(&relaygate);
        ratio.args(["--rounds", "11", "--sessions", "4000", "--max", AT_MOST]);
        match process::run(&mut ratio) {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("run {number} of {RUNS}: {error:#}"),
        }
    }
    bail!("a refused session costs more than {AT_MOST} times the least, in each of {RUNS} runs")
}
