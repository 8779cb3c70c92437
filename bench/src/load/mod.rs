//! `bench load`: the sessions of a scenario against a server, at a rate or by so many connections; what they met, and
//! how long they waited, counted from when each was due. Bounded in count and time; measures nothing of the server.

mod pace;
mod report;
mod scenario;
mod sources;
mod speech;
mod tally;
mod target;
mod value;
mod visitors;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context as _;
use bench::interrupt;
use clap::Args;
use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::crypto::aws_lc_rs;
use smtp_load::clients::crowd::Crowd;
use smtp_load::clients::trust_anyone;

use pace::Pace;
use report::{Circumstances, Report};
use scenario::{Scenario, Tls};
use speech::{Addresses, Encryption};
use value::{Rate, Span};
use visitors::{Visit, Visitors};

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the server is
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "list")]
    target: Option<String>,
    /// Who comes and what they do: a built-in scenario's name (see --list), or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "botnet")]
    scenario: String,
    /// List the built-in scenarios
    #[arg(long)]
    list: bool,
    /// Sessions in all, in place of the scenario's
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    sessions: Option<u64>,
    /// Sessions a second, whether the server keeps up or not, in place of the scenario's
    #[arg(long, value_name = "A-SECOND", conflicts_with = "connections")]
    rate: Option<Rate>,
    /// Sessions at once, each begun when another has ended, in place of the scenario's
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=500_000))]
    connections: Option<u64>,
    /// Sessions at once at most, where they come at a rate, in place of the scenario's
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=500_000))]
    at_once: Option<u64>,
    /// Give up a session that makes no progress for so long, in place of the scenario's time
    #[arg(long, value_name = "TIME")]
    patience: Option<Span>,
    /// End the run after so long, in place of the scenario's time
    #[arg(long, value_name = "TIME")]
    at_most: Option<Span>,
    /// Whether sessions are encrypted, in place of the scenario's word; certificates are not verified
    #[arg(long, value_name = "HOW")]
    tls: Option<Tls>,
    /// A network of this machine whose addresses the hosts have, in place of the scenario's; may be repeated
    #[arg(long, value_name = "NETWORK")]
    source: Vec<IpNet>,
    /// A domain whose mail the server takes: harvesters guess at its recipients
    #[arg(long, value_name = "DOMAIN", default_value = "example.test", value_parser = one_word)]
    local_domain: String,
    /// A recipient who exists, for honest mail; user@ the local domain, unless it is given
    #[arg(long, value_name = "MAILBOX", value_parser = one_word)]
    recipient: Option<String>,
    /// What chance begins with: the same seed gives the same visitors in the same order
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Aim at a server that is not on this machine's loopback, because it is yours
    #[arg(long)]
    target_is_mine: bool,
}

/// What goes into a command as it is must not end it.
fn one_word(text: &str) -> Result<String, String> {
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte > b' ' && byte != b'<' && byte != b'>');
    if is_word && text.len() <= 256 { Ok(text.to_owned()) } else { Err("one word is wanted".to_owned()) }
}

/// Does it and prints what came of it. The exit code says whether anybody answered.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if options.list {
        for (name, about) in Scenario::shipped()? {
            writeln!(out, "{name:<14}{about}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let target = options.target.as_deref().context("--target is needed")?;
    let mut scenario = Scenario::of(&options.scenario)?;
    options.amend(&mut scenario);
    let target = target::resolve(target, options.target_is_mine)?;
    let encryption = encryption(scenario.tls)?;
    let recipient = options.recipient.clone();
    let addresses = Addresses {
        recipient: recipient.unwrap_or_else(|| format!("user@{}", options.local_domain)),
        local_domain: options.local_domain.clone(),
    };
    let (pace, at_once) = options.pace(&scenario)?;
    let mut visitors = Visitors::of(
        &scenario,
        &Visit {
            target,
            pace,
            addresses: &addresses,
            encryption: &encryption,
            networks: &options.source,
            seed: options.seed,
        },
    )?;
    let at_once = at_once.min(scenario.sessions.0);
    make_room(at_once)?;
    target::probe(target, &encryption, scenario.patience.0)?;
    let stop = interrupt::watch()?;
    let crowd = Crowd {
        target,
        at_once: usize::try_from(at_once)?,
        patience: scenario.patience.0,
        at_most: scenario.at_most.0,
        stop: Some(stop),
    };
    let elapsed = crowd.run(&mut visitors)?;
    let interrupted = stop.load(Ordering::Relaxed);
    let not_begun = visitors.not_begun(Instant::now());
    let circumstances = Circumstances {
        scenario: options.scenario.clone(),
        target: target.to_string(),
        tls: scenario.tls,
        seed: options.seed,
        interrupted,
        elapsed,
        not_begun,
    };
    let report = Report::of(visitors, circumstances);
    if options.json {
        report.write_json(&mut out)?;
    } else {
        report.write_text(&mut out)?;
    }
    Ok(if interrupted {
        ExitCode::from(interrupt::INTERRUPTED)
    } else if report.met_anybody() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Options {
    /// Puts what was given in place of what the scenario says.
    fn amend(&self, scenario: &mut Scenario) {
        if let Some(sessions) = self.sessions {
            scenario.sessions.0 = sessions;
        }
        if let Some(at_once) = self.at_once {
            scenario.at_once.0 = at_once;
        }
        scenario.patience = self.patience.unwrap_or(scenario.patience);
        scenario.at_most = self.at_most.unwrap_or(scenario.at_most);
        scenario.tls = self.tls.unwrap_or(scenario.tls);
    }

    /// When sessions are due, and how many there may be at once.
    fn pace(&self, scenario: &Scenario) -> anyhow::Result<(Pace, u64)> {
        let given = self.rate.is_some() || self.connections.is_some();
        let rate = if given { self.rate } else { scenario.rate.as_ref().map(|rate| *rate.get_ref()) };
        if let Some(Rate(each_second)) = rate {
            let pace = Pace::Rate { each_second, arrivals: scenario.arrivals, next: None };
            return Ok((pace, scenario.at_once.0));
        }
        let of_scenario = scenario.connections.as_ref().map(|connections| connections.get_ref().0);
        let connections = self.connections.or(of_scenario).context("neither a rate nor connections")?;
        Ok((Pace::Room, connections))
    }
}

/// A client of TLS, where one is wanted.
fn encryption(tls: Tls) -> anyhow::Result<Encryption> {
    let client = match tls {
        Tls::Off => None,
        Tls::Starttls | Tls::Implicit => {
            Some(Arc::new(trust_anyone(aws_lc_rs::default_provider(), rustls::ALL_VERSIONS)?))
        }
    };
    Ok(Encryption { tls, client })
}

/// As many descriptors as so many sessions need, as far as this process may have them.
fn make_room(sessions: u64) -> anyhow::Result<()> {
    const OTHERS: u64 = 64;
    let wanted = sessions + OTHERS;
    let has = getrlimit(Resource::Nofile);
    if has.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let room = Rlimit { current: Some(wanted), maximum: has.maximum };
    setrlimit(Resource::Nofile, room).with_context(|| {
        format!(
            "{sessions} sessions at once need {wanted} descriptors, and this process may have {}: raise the limit \
             (`ulimit -Hn`), or ask for fewer at once",
            has.maximum.map_or("no limit of them".to_owned(), |maximum| maximum.to_string())
        )
    })
}
