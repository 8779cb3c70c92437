//! `relaygate detach`: takes the kernel's part off, all of it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::ArgMatches;

use super::exit_codes::UsageError;
use crate::config::Config;
use crate::config::kind::Kind as _;
use crate::config::settings::PIN_DIRECTORY;
use crate::kernel::Kernel;

/// Detaches.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some(pins) = directory(matches)? else {
        return Err(UsageError(
            "pin-directory = none: nothing outlasts the daemon, so nothing is left".to_owned(),
        )
        .into());
    };
    let said = match Kernel::detach(&pins)? {
        true => "is taken off",
        false => "is not there",
    };
    writeln!(std::io::stdout().lock(), "what was pinned at {} {said}", pins.display())
        .context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

/// What the command line names, whatever else is configured: what is to be removed may have no valid configuration any
/// more.
fn directory(matches: &ArgMatches) -> anyhow::Result<Option<PathBuf>> {
    if let Some(text) = matches.get_one::<String>(PIN_DIRECTORY.row.name) {
        let directory = PIN_DIRECTORY.kind.parse(text);
        return directory.ok_or_else(|| {
            UsageError(format!("--pin-directory {text:?} is not {}", PIN_DIRECTORY.kind.expected())).into()
        });
    }
    Ok(Config::load(matches)?.kernel.pins)
}
