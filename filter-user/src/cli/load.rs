//! `relaygate load`: does once, as root, what of the kernel's part needs privilege, and leaves it pinned; so that
//! `relaygate run` can be without any.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::ArgMatches;

use super::descriptors;
use super::enforcement::{behind_the_kernel, kernel_settings, with_what_is_left};
use super::exit_codes::UsageError;
use crate::config::{Config, Hook};
use crate::kernel::{Growing, Kernel};
use crate::privilege::Identity;
use crate::telemetry::log;

/// Loads, attaches, pins, and ends.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let config = Config::load(matches)?;
    log::start(&config.log_level, config.log_json)?;
    descriptors::raise();
    let wrong = |fault: &str| Err(UsageError(fault.to_owned()).into());
    if config.kernel.pins.is_none() {
        return wrong("pin-directory = none: what is loaded would end with this process; name a folder");
    }
    if config.kernel.hook == Hook::None || config.kernel.interfaces.is_empty() {
        return wrong("nothing is to be loaded: set interface, and a hook other than none");
    }
    let owner = config.kernel.user.as_deref().map(Identity::of).transpose()?.map(|user| user.owner());
    let mut settings = kernel_settings(&config, &ports(&config)?, owner);
    // Nobody will be there who could make a larger table.
    settings.growing = Growing::Never;
    let kernel = Kernel::start(&settings, behind_the_kernel(&config))
        .map_err(|error| with_what_is_left(error.into(), config.kernel.pins.as_deref()))?;
    let mut out = std::io::stdout().lock();
    for standing in kernel.standing() {
        writeln!(out, "{standing}").context("cannot print")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The ports where `relaygate run` would listen with the same settings, or that `relaygate policy` would protect.
fn ports(config: &Config) -> Result<Vec<u16>, UsageError> {
    if !config.delegation.listen.is_empty() && config.backend.hosts.is_empty() {
        return Ok(config.kernel.ports_of_mail_server());
    }
    let ports: Vec<u16> = config.listen.iter().map(|listen| listen.address.port()).collect();
    match ports.contains(&0) {
        true => Err(UsageError(
            "listen: port 0 is another port each time; name one for it to be protected".to_owned(),
        )),
        false => Ok(ports.into_iter().chain(config.kernel.protect.iter().copied()).collect()),
    }
}
