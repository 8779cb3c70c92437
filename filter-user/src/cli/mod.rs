//! The command line: puts everything together; nobody imports it.

pub mod capture;
mod captures;
pub mod check;
mod control;
mod core_dumps;
pub mod demo;
mod descriptors;
mod destinations;
pub mod detach;
pub mod doctor;
mod enforcement;
pub mod exit_codes;
pub mod explain;
mod growth;
mod house;
pub mod load;
pub mod pages;
pub mod passwd;
pub mod peers;
pub mod policy;
mod privileges;
mod reload;
mod remembering;
pub mod run;
mod sink;
pub mod status;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Arg, Command, value_parser};
use clap_complete::Shell;

use crate::config;

/// Does what the arguments say; the first is the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    let matches = command().try_get_matches_from(arguments)?;
    match matches.subcommand() {
        Some(("run", matches)) => run::run(matches),
        Some(("policy", matches)) => policy::run(matches),
        Some(("check", matches)) => check::run(matches),
        Some(("load", matches)) => load::run(matches),
        Some(("detach", matches)) => detach::run(matches),
        Some(("explain", matches)) => explain::run(matches),
        Some(("status", matches)) => status::run(matches),
        Some(("peers", matches)) => peers::run(matches),
        Some(("capture", matches)) => capture::run(matches),
        Some(("doctor", matches)) => doctor::run(matches),
        Some(("demo", matches)) => demo::run_matches(matches),
        Some(("demo-part", matches)) => demo::run_part(matches),
        Some(("passwd", matches)) => passwd::run(matches),
        Some(("growth", matches)) => growth::run(matches),
        Some(("man", _)) => pages::man(),
        Some(("completions", matches)) => pages::completions(matches),
        Some(("docs", _)) => pages::configuration(),
        // clap knows the same subcommands as we do: `every_subcommand_is_dispatched` holds it.
        other => bail!("the subcommand {:?} does nothing", other.map(|(name, _)| name)),
    }
}

/// All subcommands and their flags.
#[must_use]
pub fn command() -> Command {
    Command::new("relaygate")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An SMTP filter that decides at RCPT TO whether a message may be relayed, and drops who keeps trying")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .max_term_width(110)
        .subcommand(with_settings(Command::new("run").about("Runs the filter until it is told to stop (SIGTERM)")))
        .subcommand(with_settings(
            Command::new("policy").about("Answers a Postfix that faces the clients itself, until it is told to stop"),
        ))
        .subcommand(with_settings(
            Command::new("check").about("Says what would run with these settings, or what is wrong with them"),
        ))
        .subcommand(with_settings(Command::new("load").about(
            "Loads the kernel's part as root and leaves it pinned, so that `run` needs no privilege for it",
        )))
        .subcommand(with_settings(
            Command::new("detach").about("Takes off what of the kernel's part is pinned: programs, links, maps"),
        ))
        .subcommand(with_settings(explain::command()))
        .subcommand(with_settings(status::command()))
        .subcommand(peers::command())
        .subcommand(with_settings(capture::command()))
        .subcommand(with_settings(doctor::command()))
        .subcommand(passwd::command())
        .subcommand(demo::command())
        .subcommand(demo::part_command())
        .subcommand(growth::command())
        .subcommand(
            Command::new("completions").about("Prints a completion script for a shell").arg(
                Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell)).help("The shell"),
            ),
        )
        .subcommand(Command::new("man").about("Prints the man page"))
        .subcommand(Command::new("docs").about("Prints docs/configuration.md").hide(true))
}

/// A command that takes every setting as a flag.
fn with_settings(command: Command) -> Command {
    command.args(config::arguments())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_nothing_wrong_with_the_command_line() {
        command().debug_assert();
    }

    #[test]
    fn every_subcommand_is_dispatched() {
        let source = include_str!("mod.rs");
        for subcommand in command().get_subcommands() {
            let arm = format!("Some((\"{}\", ", subcommand.get_name());
            assert!(source.contains(&arm), "{} is not dispatched", subcommand.get_name());
        }
    }

    #[test]
    fn a_wrong_flag_is_told_the_right_one() {
        let error = main(["relaygate", "check", "--strike-to-block", "7"].map(OsString::from)).unwrap_err();
        assert!(error.to_string().contains("--strikes-to-block"), "{error}");
    }
}
