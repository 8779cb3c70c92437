//! `relaygate explain`: what would be done with one recipient, decided by the same calls as for real mail: by the running
//! daemon where it is asked over its control socket, else by the configuration. Opens no connection, but to the
//! directories that such mail would ask.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::control::{self, Daemon};
use crate::address::{ForwardPath, ReversePath, whole};
use crate::config::{Config, Effective};
use crate::control::{ExplainedStep, Explanation, Query, Reply, Request};
use crate::lookup::Directories;
use crate::policy::{ClientCertificate, Decision, DirectoryAnswer, Facts, Login, Policy, Row, Sender, Step};
use crate::smtp::command::Refusal;
use crate::smtp::reply;

/// The subcommand, without the settings.
#[must_use]
pub fn command() -> Command {
    let argument = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).help_heading("What to explain")
    };
    Command::new("explain")
        .about("Says what would be done with a recipient, and why")
        .arg(
            argument("peer", "ADDRESS", "The IP address of the client")
                .required(true)
                .value_parser(value_parser!(IpAddr)),
        )
        .arg(
            argument("from", "ADDRESS", "The sender, as in MAIL FROM; empty or <> for a notification")
                .required(true),
        )
        .arg(argument("to", "ADDRESS", "The recipient, as in RCPT TO").required(true))
        .arg(
            argument("local", "ADDRESS:PORT", "The address and port that the client has connected to")
                .value_parser(value_parser!(SocketAddr)),
        )
        .arg(argument("login", "NAME", "Whom the client has authenticated as"))
        .arg(
            argument("certificate", "NAME", "A name in the certificate that the client has shown")
                .action(ArgAction::Append),
        )
        .arg(control::json_flag())
}

/// Explains.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let query = query(matches)?;
    let explanation = match control::find(matches)? {
        Daemon::At(path) => match crate::control::ask(&path, &Request::Explain(query))? {
            Reply::Explained(explanation) => *explanation,
            other => bail!("relaygate at {} answered something else: {other:?}", path.display()),
        },
        Daemon::NotAsked(given) => {
            let (config, settings) = *given;
            explain_configured(&config, &settings, query)?
        }
    };
    let text = control::shown(matches, &explanation)?;
    writeln!(std::io::stdout().lock(), "{text}").context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

fn query(matches: &ArgMatches) -> anyhow::Result<Query> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    Ok(Query {
        peer: *matches.get_one::<IpAddr>("peer").context("no --peer was given")?,
        local: matches.get_one::<SocketAddr>("local").copied(),
        from: text("from").context("no --from was given")?,
        to: text("to").context("no --to was given")?,
        login: text("login"),
        certificate: matches.get_many("certificate").into_iter().flatten().cloned().collect(),
    })
}

/// By the configuration, as a daemon would that was started with it. Remote directories are asked as they would be for
/// real mail.
fn explain_configured(config: &Config, settings: &[Effective], query: Query) -> anyhow::Result<Explanation> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let directories = Directories::open(config, runtime.handle())?;
    let policy = Policy::new(&config.policy_settings());
    let rules = Rules { policy: &policy, directories: &directories, config, settings };
    Ok(runtime.block_on(rules.explain(query)))
}

/// What decides, and where it is written.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    pub(super) policy: &'r Policy,
    pub(super) directories: &'r Directories,
    pub(super) config: &'r Config,
    pub(super) settings: &'r [Effective],
}

impl Rules<'_> {
    /// The steps, and what comes of them.
    pub(super) async fn explain(&self, mut query: Query) -> Explanation {
        (query.from, query.to) = (bracketed(&query.from), bracketed(&query.to));
        // The command line is UTF-8: an address beyond ASCII stands for a message that was given SMTPUTF8.
        let smtputf8 = !query.from.is_ascii() || !query.to.is_ascii();
        let (from, to) = (query.from.clone(), query.to.clone());
        let refused = |query, steps, refusal: Refusal| {
            let mut line = Vec::new();
            refusal.say(&mut line);
            let reply = String::from_utf8_lossy(&line).trim_end().to_owned();
            Explanation { query, steps, decision: None, destination: None, reply: Some(reply) }
        };
        let sender = match whole(ReversePath::parse(from.as_bytes(), smtputf8)) {
            Ok(sender) => sender,
            Err(error) => return refused(query, Vec::new(), Refusal::ReversePath(error)),
        };
        let path = match whole(ForwardPath::parse(to.as_bytes(), smtputf8)) {
            Ok(path) => path,
            Err(error) => {
                let step = Step { row: Row::Syntax, fits: true, detail: error.to_string(), line: None };
                return refused(query, vec![self.explained(step)], Refusal::ForwardPath(error));
            }
        };
        let routed = path.text().len() + 2 < to.len();
        let route =
            if routed { format!("dropped, <{}> is judged", path.text()) } else { "there is none".to_owned() };
        let mut steps = vec![
            Step { row: Row::Syntax, fits: false, detail: format!("{to} is a path"), line: None },
            Step { row: Row::SourceRoute, fits: routed, detail: route, line: None },
        ];
        // Nobody has proven anything here, and nobody is let through: it is what would be if they had.
        let login = query.login.as_deref().map(Login::proven);
        let names = Some(query.certificate.clone()).filter(|names| !names.is_empty());
        let certificate = names.map(ClientCertificate::verified);
        let facts = Facts {
            sender: Some(Sender::of(&sender)),
            login: login.as_ref(),
            certificate: certificate.as_ref(),
            ..Facts::of_connection(query.peer, query.local)
        };
        let said = match self.policy.place(&path).asks_directory() {
            Some(mailbox) => self.directories.ask(&mailbox).await,
            None => DirectoryAnswer::NotAsked,
        };
        let (decision, further) = self.policy.explain(&facts, &path, |_| said);
        steps.extend(further);
        let (destination, reply) = self.outcome(decision);
        Explanation {
            query,
            steps: steps.into_iter().map(|step| self.explained(step)).collect(),
            decision: Some(decision.to_string()),
            destination,
            reply,
        }
    }

    /// Where the mail would go, or the reply that the client would get.
    fn outcome(&self, decision: Decision) -> (Option<String>, Option<String>) {
        let to =
            |number| self.config.routing.destination(number).map(|destination| destination.hosts.to_string());
        let reply = match decision {
            Decision::Route(backend) => return (to(backend.0), None),
            Decision::Relay(_, route) => return (route.and_then(|route| to(route.0)), None),
            Decision::Answer(answer) => self.config.routing.answer(answer).map_or("", |answer| &answer.line),
            Decision::Prohibited(_) => reply::RELAYING_PROHIBITED.line,
            Decision::UnknownRecipient => reply::UNKNOWN_RECIPIENT.line,
            Decision::TryLater => reply::DIRECTORY_UNAVAILABLE.line,
        };
        (None, Some(reply.trim_end().to_owned()))
    }

    fn explained(&self, step: Step) -> ExplainedStep {
        ExplainedStep {
            row: step.row.number().to_owned(),
            fits: step.fits,
            question: step.row.text().to_owned(),
            detail: step.detail,
            line: step.line.map(|line| self.config.standing(self.settings, line).to_string()),
        }
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

    fn explain(settings: &PolicySettings, query: Query) -> Explanation {
        let config = Config::from_flags(["--backend", "sink:"]).unwrap();
        let (policy, directories) = (Policy::new(settings), Directories::none());
        let rules = Rules { policy: &policy, directories: &directories, config: &config, settings: &[] };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(rules.explain(query))
    }

    fn query(from: &str, to: &str) -> Query {
        Query {
            peer: "192.0.2.7".parse().unwrap(),
            local: None,
            from: from.to_owned(),
            to: to.to_owned(),
            login: None,
            certificate: Vec::new(),
        }
    }

    /// The row that ended the decision, and the answer.
    fn asked(from: &str, to: &str) -> (String, String) {
        let settings = PolicySettings {
            local_domains: vec!["example.org".to_owned()],
            reroute: true,
            relay_networks: vec!["10.0.0.0/8".parse::<ipnet::IpNet>().unwrap().into()],
            ..PolicySettings::default()
        };
        let explanation = explain(&settings, query(from, to));
        let text = explanation.to_string();
        let (_, answer) = text.rsplit_once("\nanswer  ").unwrap();
        (explanation.steps.last().map_or(String::new(), |step| step.row.clone()), answer.to_owned())
    }

    #[test]
    fn the_answer_comes_with_the_row_that_fits_and_the_reply() {
        let rows = [
            ("a@far.example", "", "1", "501 5.1.3 recipient is empty; syntax: RCPT TO:"),
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
        let query = query("<>", "<@hop.example:b@far.example>");
        let explanation = explain(&PolicySettings::default(), query);
        let step = explanation.steps[1].to_string();
        assert_eq!(step, "row  2  yes  a source route: dropped, <b@far.example> is judged");
    }

    #[test]
    fn what_the_client_would_have_proven_is_taken_for_proven() {
        let settings = PolicySettings {
            reroute: true,
            relay_authenticated: true,
            relay_client_certificate: true,
            ..PolicySettings::default()
        };
        let to = "b@far.example";
        let with_login = Query { login: Some("a".to_owned()), ..query("", to) };
        let with_certificate = Query { certificate: vec!["mail.example".to_owned()], ..query("", to) };
        for (query, decision) in [
            (query("", to), "prohibited (no grant)"),
            (with_login, "relay (authenticated)"),
            (with_certificate, "relay (client certificate)"),
        ] {
            assert_eq!(explain(&settings, query).decision.as_deref(), Some(decision));
        }
    }
}
