//! `cargo xtask kernels`: other kernels than the one that runs here verify and run the kernel program. Each of Debian's
//! kernels is booted in an emulated machine, which runs the tests of packets that also run here: the same object, loaded
//! by the same code. Installs nothing: the kernels are unpacked under `target`, and `doctor` installs the emulator.
//!
//! The machine is emulated even where `/dev/kvm` is: that may be there and not work (machines within machines), and what
//! it would save is seconds.
#![allow(clippy::print_stdout, reason = "what a command says is its output")]

mod boot;
mod image;
mod package;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::built::Built;
use crate::tree;

/// Kernels by the package that always depends on the latest of its line: the one that Debian 12 comes with, the oldest
/// that there is a package of, and the newest that Debian 12 offers. The one that runs here is tried by the tests.
const KERNELS: [&str; 2] = ["linux-image-cloud-amd64", "linux-image-6.12-cloud-amd64"];

/// The tests that run there: packets, and the hooks where they can come in. They need nothing but the kernel, the daemon,
/// what is compiled in, and the programs that `image` brings.
const TESTS: [&str; 1] = ["packets::as_root::"];

/// Those of them that stay out: they measure this machine, repeat much of what others do once, or load the program for each
/// of their rows, which takes minutes where it is emulated; and one needs CPUs that meet, where there is a single one.
const LEFT_OUT: [&str; 7] = [
    "a_connection_that_no_limiter_had_room_for",
    "a_packet_costs_nanoseconds",
    "a_million",
    "million_packets",
    "cut_to_every_length",
    "what_is_over_is_swept",
    "every_row_holds",
];

/// A machine that takes longer has come to a stop.
const PATIENCE: Duration = Duration::from_secs(600);

/// Boots all, at once: each keeps one core busy.
pub(crate) fn run() -> Result<()> {
    let programs = Programs::build()?;
    let folder = target().join("kernels");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let running = KERNELS.map(|name| {
            let (programs, folder) = (&programs, &folder);
            (name, scope.spawn(move || one(name, programs, folder)))
        });
        running.map(|(name, thread)| (name, thread.join())).into()
    });
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            Ok(Ok(said)) => println!("{said}"),
            Ok(Err(error)) => failed.push(format!("{name}: {error:#}")),
            Err(_) => failed.push(format!("{name}: the thread that ran it panicked, see above")),
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

/// Boots one kernel, and says what came of it.
fn one(name: &str, programs: &Programs, folder: &Path) -> Result<String> {
    let began = Instant::now();
    let kernel = package::unpacked(name, folder)?;
    let image = folder.join(format!("{name}.cpio"));
    image::make(&image, &kernel, programs)?;
    let said = boot::run(&kernel.image, &image, PATIENCE)?;
    let log = folder.join(format!("{name}.log"));
    std::fs::write(&log, &said).with_context(|| format!("cannot write {}", log.display()))?;
    let result = judge(&said)
        .with_context(|| format!("kernel {}, whole output in {}", kernel.release, log.display()))?;
    Ok(format!("{}: {result} ({:.0} s)", kernel.release, began.elapsed().as_secs_f64()))
}

/// What is run in the machine.
struct Programs {
    /// The integration tests.
    tests: PathBuf,
    /// The daemon, which they look for where it was built.
    relaygate: PathBuf,
}

impl Programs {
    /// Builds them.
    fn build() -> Result<Self> {
        let built = Built::for_tests()?;
        Ok(Self { tests: built.path("test", "it")?, relaygate: built.path("bin", "relaygate")? })
    }
}

/// What the machine's console must have shown, and how the tests sum themselves up.
fn judge(said: &str) -> Result<&str> {
    let lines = || said.lines().map(str::trim_end);
    let summary = lines().find(|line| line.starts_with("test result: "));
    let end = lines().find_map(|line| line.strip_prefix(image::END));
    let shown = || {
        let all: Vec<&str> = lines().collect();
        all[all.len().saturating_sub(60)..].join("\n")
    };
    let Some(end) = end else { bail!("the machine came to no end:\n{}", shown()) };
    let Some(summary) = summary else { bail!("no test ran (exit code {end}):\n{}", shown()) };
    ensure!(end == "0", "exit code {end}:\n{}", shown());
    ensure!(!summary.contains(" 0 passed"), "no test ran: {summary}");
    Ok(summary.trim_start_matches("test result: "))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_that_ran_to_their_end_and_passed_will_do() {
        let end = |code: &str| format!("{}{code}", image::END);
        let rows = [
            (
                format!("test result: ok. 18 passed; 0 failed\r\n{}\r\n", end("0")),
                Ok("ok. 18 passed; 0 failed"),
            ),
            (format!("test result: FAILED. 17 passed; 1 failed\n{}\n", end("101")), Err("exit code 101")),
            (format!("test result: ok. 0 passed; 0 failed\n{}\n", end("0")), Err("no test ran")),
            (format!("ip: not found\n{}\n", end("0")), Err("no test ran")),
            ("test result: ok. 18 passed; 0 failed\nkernel panic".to_owned(), Err("no end")),
            (String::new(), Err("no end")),
        ];
        for (said, wanted) in rows {
            match (judge(&said), wanted) {
                (Ok(result), Ok(wanted)) => assert_eq!(result, wanted),
                (Err(error), Err(wanted)) => assert!(error.to_string().contains(wanted), "{error}"),
                (other, _) => panic!("{said:?}: {other:?}"),
            }
        }
    }
}
