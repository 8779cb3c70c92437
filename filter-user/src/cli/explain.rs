//! `relaygate explain`: what would be done with one recipient, decided by the same calls as for real mail. Opens no
//! connection, but to the directories that such mail would ask.

use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::address::{ForwardPath, Mailbox, PathError, ReversePath};
use crate::config::{Config, Routing};
use crate::lookup::Directories;
use crate::policy::{Decision, DirectoryAnswer, Facts, Policy, Row, Sender, Step};
use crate::smtp::reply;

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
    let (from, to) = (bracketed(asked("from")?), bracketed(asked("to")?));
    // Remote directories are asked as they would be for real mail.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let directories = Directories::open(&config, runtime.handle())?;
    let rules = Rules { policy: Policy::new(&config.policy_settings()), routing: config.routing };
    let (steps, answer) =
        rules.explain(peer, &from, &to, |mailbox| runtime.block_on(directories.ask(mailbox)));

    let mut lines = vec![format!("peer    {peer}"), format!("from    {from}"), format!("to      {to}")];
    lines.extend(steps.iter().map(Step::to_string));
    lines.push(format!("answer  {answer}"));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", lines.join("\n")).context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

/// What decides.
struct Rules {
    policy: Policy,
    routing: Routing,
}

impl Rules {
    /// The steps, and the answer in words with the reply that a client would get.
    fn explain(
        &self,
        peer: IpAddr,
        from: &str,
        to: &str,
        directories: impl FnOnce(&Mailbox<'_>) -> DirectoryAnswer,
    ) -> (Vec<Step>, String) {
        // The command line is UTF-8: an address beyond ASCII stands for a message that was given SMTPUTF8.
        let smtputf8 = !from.is_ascii() || !to.is_ascii();
        let sender = match whole(ReversePath::parse(from.as_bytes(), smtputf8)) {
            Ok(sender) => sender,
            Err(error) => return (Vec::new(), format!("501 5.1.7 the sender is no path: {error}")),
        };
        let path = match whole(ForwardPath::parse(to.as_bytes(), smtputf8)) {
            Ok(path) => path,
            Err(error) => {
                let step = Step { row: Row::Syntax, fits: true, detail: error.to_string(), line: None };
                return (vec![step], format!("501 5.1.3 the recipient is no path: {error}"));
            }
        };
        let routed = path.text().len() + 2 < to.len();
        let route =
            if routed { format!("dropped, <{}> is judged", path.text()) } else { "there is none".to_owned() };
        let mut steps = vec![
            Step { row: Row::Syntax, fits: false, detail: format!("{to} is a path"), line: None },
            Step { row: Row::SourceRoute, fits: routed, detail: route, line: None },
        ];
        let facts = Facts { sender: Some(Sender::of(&sender)), ..Facts::of_connection(peer, None) };
        let (decision, further) = self.policy.explain(&facts, &path, directories);
        steps.extend(further);
        (steps, self.answer(decision))
    }

    fn answer(&self, decision: Decision) -> String {
        let reply = match decision {
            Decision::Route(_) | Decision::Relay(..) => {
                return format!("{decision}: the backend's own answer to RCPT is passed on");
            }
            Decision::Answer(answer) => {
                let line = self.routing.answer(answer).map_or("", |answer| answer.line.trim_end());
                return format!("{decision}: {line}");
            }
            Decision::Prohibited(_) => reply::RELAYING_PROHIBITED,
            Decision::UnknownRecipient => reply::UNKNOWN_RECIPIENT,
            Decision::TryLater => reply::DIRECTORY_UNAVAILABLE,
        };
        format!("{decision}: {}", reply.line.trim_end())
    }
}

/// A path with nothing behind it.
fn whole<T>(parsed: Result<(T, &[u8]), PathError>) -> Result<T, PathError> {
    match parsed? {
        (path, []) => Ok(path),
        (_, _) => Err(PathError::NoClosingBracket),
    }
}

/// As people write it, and as SMTP does.
fn bracketed(text: &str) -> String {
    if text.starts_with('<') { text.to_owned() } else { format!("<{text}>") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicySettings;

    fn rules(settings: &PolicySettings) -> Rules {
        Rules { policy: Policy::new(settings), routing: Routing::default() }
    }

    /// The row that ended the decision, and the answer.
    fn asked(from: &str, to: &str) -> (&'static str, String) {
        let settings = PolicySettings {
            local_domains: vec!["example.org".to_owned()],
            reroute: true,
            relay_networks: vec!["10.0.0.0/8".parse::<ipnet::IpNet>().unwrap().into()],
            ..PolicySettings::default()
        };
        let peer = "192.0.2.7".parse().unwrap();
        let (steps, answer) =
            rules(&settings).explain(peer, &bracketed(from), &bracketed(to), |_| DirectoryAnswer::NotAsked);
        (steps.last().map_or("", |step| step.row.number()), answer)
    }

    #[test]
    fn the_answer_comes_with_the_row_that_fits_and_the_reply() {
        let rows = [
            ("a@far.example", "", "1", "501 5.1.3 the recipient is no path: recipient is empty"),
            ("a@far.example", "b@example.org.", "1", "501 5.1.3 "),
            ("a@far.example", "<b@example.org> x", "1", "501 5.1.3 "),
            ("two words", "b@example.org", "", "501 5.1.7 "),
            ("", "postmaster", "3", "route: "),
            ("<>", "<Postmaster>", "3", "route: "),
            (
                "a@far.example",
                "victim%far.example@example.org",
                "4",
                "prohibited (disguised address): 550 5.7.1 ",
            ),
            ("a@far.example", "b@example.org", "8", "route: the backend's own answer to RCPT is passed on"),
            (
                "a@far.example",
                "@hop.example:b@far.example",
                "11",
                "prohibited (no grant): 550 5.7.1 relaying is prohibited",
            ),
            ("m\u{fc}ller@far.example", "b@far.example", "11", "prohibited (no grant): "),
        ];
        for (from, to, row, wanted) in rows {
            let (number, answer) = asked(from, to);
            assert!(number == row && answer.starts_with(wanted), "{from} {to}: row {number}, {answer}");
        }
    }

    #[test]
    fn a_source_route_is_told() {
        let peer = "192.0.2.7".parse().unwrap();
        let (steps, _) =
            rules(&PolicySettings::default())
                .explain(peer, "<>", "<@hop.example:b@far.example>", |_| DirectoryAnswer::NotAsked);
        assert_eq!(steps[1].to_string(), "row  2  yes  a source route: dropped, <b@far.example> is judged");
    }
}
