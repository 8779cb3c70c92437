//! `relaygate explain`: what would be done with one recipient, decided by the same calls as for real mail. Opens no
//! connection.

use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::exit_codes::UsageError;
use crate::address::{Domain, ForwardPath, Mailbox};
use crate::config::Config;
use crate::lookup::MailboxFile;
use crate::policy::{Decision, DirectoryAnswer, Facts, Policy, Prohibition};

/// The subcommand, without the settings.
#[must_use]
pub fn command() -> Command {
    let address = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("ADDRESS")
            .required(true)
            .help(help)
            .help_heading("What to explain")
    };
    Command::new("explain")
        .about("Says what would be done with a recipient, and why")
        .arg(address("peer", "The IP address of the client").value_parser(value_parser!(IpAddr)))
        .arg(address("from", "The sender, as in MAIL FROM; empty or <> for a notification"))
        .arg(address("to", "The recipient, as in RCPT TO"))
}

/// Explains.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let config = Config::load(matches)?;
    let asked =
        |name: &str| matches.get_one::<String>(name).with_context(|| format!("no --{name} was given"));
    let peer = *matches.get_one::<IpAddr>("peer").context("no --peer was given")?;
    let directory = match &config.mailboxes {
        Some(file) => Some(MailboxFile::load(file, &config.local_domains, config.local_part_case_sensitive)?),
        None => None,
    };
    let to = asked("to")?;
    let path = forward_path(to)?;
    let facts = Facts { peer, local: None };
    let policy = Policy::new(&config.policy_settings());
    let placement = policy.place(&path);
    let said = match (placement.asks_directory(), &directory) {
        (Some(mailbox), Some(directory)) => directory.answer(&mailbox),
        _ => DirectoryAnswer::NotAsked,
    };
    let decision = policy.decide(&facts, &placement, said);

    let mut out = std::io::stdout().lock();
    let mut say = |label: &str, text: &str| writeln!(out, "{label:<10} {text}").context("cannot print");
    say("peer", &peer.to_string())?;
    say("from", &bracketed(asked("from")?))?;
    say("to", &bracketed(to))?;
    if placement.asks_directory().is_some() {
        say("directory", directory_said(said))?;
    }
    say("answer", answer(&decision))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a recipient as people write it: with or without angle brackets.
fn forward_path(text: &str) -> Result<ForwardPath<'_>, UsageError> {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
    if inner.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    match inner.rsplit_once('@') {
        Some((local_part, domain)) if !local_part.is_empty() && !domain.is_empty() => {
            Ok(ForwardPath::Mailbox(Mailbox { local_part, domain: Domain::Name(domain), text: inner }))
        }
        _ => Err(UsageError(format!("--to {text:?}: expected local-part@domain"))),
    }
}

fn bracketed(text: &str) -> String {
    if text.starts_with('<') { text.to_owned() } else { format!("<{text}>") }
}

fn directory_said(said: DirectoryAnswer) -> &'static str {
    match said {
        DirectoryAnswer::Known => "knows this mailbox",
        DirectoryAnswer::WholeDomain => "takes every mailbox of this domain",
        DirectoryAnswer::Unknown => "does not know this mailbox",
        DirectoryAnswer::Unavailable => "cannot answer now",
        DirectoryAnswer::NotAsked => "none is set: the backend's own answer to RCPT decides",
    }
}

fn answer(decision: &Decision) -> &'static str {
    match decision {
        Decision::Route => "route: the recipient is local",
        Decision::Relay(_) => "relay: the session has a grant",
        Decision::Prohibited(Prohibition::Disguised) => {
            "550 5.7.1 relaying is prohibited: the address is disguised"
        }
        Decision::Prohibited(Prohibition::NeverList) => {
            "550 5.7.1 relaying is prohibited: the peer is on the never-list"
        }
        Decision::Prohibited(Prohibition::RerouteOff) => "550 5.7.1 relaying is prohibited: reroute is off",
        Decision::Prohibited(Prohibition::NoGrant) => {
            "550 5.7.1 relaying is prohibited: the session has no grant"
        }
        Decision::UnknownRecipient => "550 5.1.1 unknown recipient",
        Decision::TryLater => "451 4.3.0 try later: the directory cannot answer now",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_read_with_or_without_brackets() {
        for text in ["a@example.org", "<a@example.org>"] {
            assert!(
                matches!(forward_path(text), Ok(ForwardPath::Mailbox(mailbox)) if mailbox.local_part == "a")
            );
        }
        assert!(matches!(forward_path("<Postmaster>"), Ok(ForwardPath::Postmaster)));
        for text in ["", "a", "@example.org", "a@", "<>"] {
            assert!(forward_path(text).is_err(), "{text:?}");
        }
    }
}
