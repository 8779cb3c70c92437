//! `relaygate policy`: answers Postfix's policy requests and enforces sanctions, and is nothing else: no client connects
//! here, and there is no backend.

use std::process::ExitCode;
use std::sync::Arc;

use clap::ArgMatches;
use tokio::signal::unix::SignalKind;

use super::enforcement::{Enforcement, with_what_is_left};
use super::exit_codes::UsageError;
use super::house::{House, on, open, policy_listeners, prepare};
use super::privileges::{Privileges, advised};
use super::reload::reload_directories;
use super::remembering::Remembering;
use super::run::announce;
use crate::config::Config;
use crate::judge::Judge;
use crate::telemetry::Metrics;

/// Answers, until it is told to stop.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let config = Config::load(matches)?;
    if config.delegation.listen.is_empty() {
        let wrong = "no policy-listen is set: say where Postfix is to ask, such as --policy-listen inet:127.0.0.1:2528";
        return Err(UsageError(wrong.to_owned()).into());
    }
    serve(&config).map_err(|error| with_what_is_left(error, config.kernel.pins.as_deref()))
}

fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    let privileges = Privileges::of(config)?;
    let (runtime, page) = prepare(config)?;
    let listeners = policy_listeners(config, &privileges)?;
    let enforcement = Enforcement::start(config, &config.kernel.ports_of_mail_server(), privileges.owner())?;
    privileges.give_up(&enforcement)?;
    let directories = open(config, page, runtime.handle(), None).map_err(advised)?;
    let judge = Arc::new(Judge::new(config, directories, enforcement.enforcer()));
    let remembering = Remembering::start(config, &judge).map_err(|error| advised(error.into()))?;
    let mut house = House::new(config, judge, enforcement, remembering.clone());
    let ended = runtime.block_on(async {
        let mut terminate = on(SignalKind::terminate())?;
        let mut interrupt = on(SignalKind::interrupt())?;
        let mut hangup = on(SignalKind::hangup())?;
        let addresses: Vec<String> =
            listeners.iter().map(|listener| listener.address().to_string()).collect();
        house.open(listeners);
        announce(&addresses)?;
        let mut hours = House::hours();
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
                _ = hangup.recv() => {
                    let judge = Arc::clone(&house.judge);
                    // Reading takes its time, and nobody waits for it.
                    drop(tokio::task::spawn_blocking(move || reload_directories(&judge.directories, &Metrics::new())));
                }
                _ = hours.tick() => house.keep(),
            }
        }
    });
    if let Some(remembering) = remembering {
        remembering.write();
    }
    ended
}
