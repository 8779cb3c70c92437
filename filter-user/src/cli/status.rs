//! `relaygate status`: how the running daemon is, as it says over its control socket.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{ArgMatches, Command};

use super::control;
use crate::control::{Nothing, Reply, Request, ask};

/// The subcommand, without the settings.
#[must_use]
pub fn command() -> Command {
    Command::new("status").about("Says how the running daemon is").arg(control::json_flag())
}

/// Asks, and prints what is said.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let path = control::running(matches)?;
    let Reply::Status(status) = ask(&path, &Request::Status(Nothing {}))? else {
        bail!("relaygate at {} answered something else than its status", path.display());
    };
    let text = control::shown(matches, &*status)?;
    writeln!(std::io::stdout().lock(), "{text}").context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}
