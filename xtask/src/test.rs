//! The one gate, the same on a laptop and in CI: each step by its name, with the time that it took. Stops at the first
//! that fails.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::process::{self, cargo};
use crate::{decide, docs, doctor, ebpf, kernels, layers, quick, tidy};

/// Tests that need root stand in a module of this name, in unit tests as in `tests/it`.
const AS_ROOT: &str = "test(/(^|::)as_root::/)";

/// How the gate is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Leave out what needs root, or tools that only root can install, and say what that is.
    #[arg(long)]
    unprivileged: bool,
    /// Rewrite the committed snapshots and pages instead of comparing with them; review the difference.
    #[arg(long)]
    bless: bool,
}

/// One step.
struct Step {
    name: &'static str,
    run: Box<dyn Fn() -> anyhow::Result<()>>,
}

impl Step {
    fn new(name: &'static str, run: impl Fn() -> anyhow::Result<()> + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }

    fn cargo(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self::new(name, move || process::run(&mut cargo(arguments)))
    }
}

/// Runs all steps.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if !process::is_root() && !options.unprivileged {
        bail!("some tests need root: run as root, or leave them out with --unprivileged");
    }
    let mut taken: Vec<(&str, Duration)> = Vec::new();
    let mut result = Ok(());
    for step in steps(options) {
        eprintln!("--- {}", step.name);
        let start = Instant::now();
        result = (step.run)().with_context(|| format!("{} failed", step.name));
        taken.push((step.name, start.elapsed()));
        if result.is_err() {
            break;
        }
    }
    let width = taken.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    eprintln!("---");
    for (name, time) in &taken {
        eprintln!("{name:width$}  {:7.1} s", time.as_secs_f64());
    }
    let all = taken.iter().map(|(_, time)| *time).sum::<Duration>();
    eprintln!("{:width$}  {:7.1} s", "all", all.as_secs_f64());
    if result.is_ok() && options.unprivileged {
        say_what_was_left_out()?;
    }
    result
}

/// What is needed, then the cheap ones first.
fn steps(options: &Options) -> Vec<Step> {
    let &Options { unprivileged, bless } = options;
    let mut steps = Vec::new();
    if process::is_root() && !unprivileged {
        // So that a fresh machine needs nothing but a Rust toolchain.
        steps.push(Step::new("doctor", || doctor::run(true)));
    }
    steps.extend([
        Step::cargo("format", &["fmt", "--all", "--check"]),
        Step::new("tidy", tidy::run),
        Step::new("layers", layers::run),
        Step::cargo("licences", &["deny", "check", "licenses", "bans", "sources"]),
        Step::cargo("clippy", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Step::cargo(
            "core alone",
            &[
                "clippy",
                "--quiet",
                "-p",
                "filter-user",
                "--no-default-features",
                "--lib",
                "--",
                "-D",
                "warnings",
            ],
        ),
        Step::new("rustdoc", || {
            let mut doc = cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
            process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
        }),
        Step::new("pages", move || docs::run(!bless)),
        Step::cargo("doc tests", &["test", "--quiet", "--doc", "--workspace"]),
        Step::new("quick", quick::run),
        Step::new("decide", decide::run),
        Step::new("tests", move || tests(unprivileged, bless)),
    ]);
    if !unprivileged {
        // Who may not install the BPF toolchain builds and tests with the committed object.
        steps.push(Step::new("kernel object", || ebpf::run(true)));
        steps.push(Step::new("other kernels", kernels::run));
    }
    steps
}

fn tests(unprivileged: bool, bless: bool) -> anyhow::Result<()> {
    let filter = format!("not {AS_ROOT}");
    let mut nextest = cargo(&["nextest", "run", "--workspace"]);
    if unprivileged {
        nextest.args(["-E", &filter]);
    }
    if bless {
        nextest.env("RELAYGATE_BLESS", "1");
    }
    process::run(&mut nextest)
}

fn say_what_was_left_out() -> anyhow::Result<()> {
    let list = process::output(&mut cargo(&[
        "nextest",
        "list",
        "--workspace",
        "--message-format",
        "oneline",
        "-E",
        AS_ROOT,
    ]))?;
    eprintln!(
        "left out: whether the committed kernel object is what its sources give (cargo xtask ebpf --check), and what \
         other kernels make of it (cargo xtask kernels)"
    );
    if list.trim().is_empty() {
        eprintln!("no test needs root: none was left out");
    } else {
        eprintln!("left out, because they need root:\n{}", list.trim_end());
    }
    Ok(())
}
