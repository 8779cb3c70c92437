//! `relaygate growth`, which no user starts: makes larger tables of hosts for the daemon that has started it, and has
//! CAP_BPF for that alone.

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::kernel::{growth, make_generation};
use crate::privilege::{CapabilitySet, Identity, give_up};

/// The subcommand.
pub(super) fn command() -> Command {
    Command::new(growth::SUBCOMMAND)
        .about("Makes larger tables of hosts for the daemon that starts it")
        .hide(true)
        .arg(Arg::new("largest").required(true).value_parser(value_parser!(u32)))
        .arg(Arg::new("user").long("user"))
}

/// Answers on standard input until the daemon is gone.
pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let largest = matches.get_one("largest").copied().unwrap_or(0);
    let user = matches.get_one::<String>("user").map(|name| Identity::of(name)).transpose()?;
    let kept = give_up(user.as_ref(), CapabilitySet::BPF)?;
    ensure!(kept == CapabilitySet::BPF, "tables of hosts cannot be made without CAP_BPF");
    growth::serve(std::io::stdin(), largest, make_generation)?;
    Ok(ExitCode::SUCCESS)
}
