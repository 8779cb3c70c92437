//! The load-test suite's command line: reads the arguments, prints results, decides the exit code.

mod ban;
mod load;
mod micro;
#[cfg(test)]
mod pages;
mod percentile;
mod report;
mod simulate;
mod sink;
mod threads;
mod turns;
mod xdp;

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use bench::compare as comparison;
use bench::cpus::Cpus;
use bench::handshakes::{Contest, KeyKind, Round, Setting, Version};
use bench::interrupt;
use bench::peers::{ConstantReplies, Relaygate};
use bench::quick;
use bench::ratio::{Comparison, Dialogue, Load, compare};
use bench::record;
use bench::responder::Responder;
use clap::{Args, Parser};
use smtp_load::clients::RefusedSessions;
use smtp_load::served::Served;

/// Load for SMTP servers, and what it costs them.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
enum Bench {
    /// Drive refused sessions against a server
    Clients(ClientsOptions),
    /// Be the least server: constant replies from one thread
    Responder(ResponderOptions),
    /// Drive the sessions of a scenario against a server: honest mail, attempts, floods
    Load(load::Options),
    /// Be a backend that counts, checks, and misbehaves where it is told to
    Sink(sink::Options),
    /// Compare relaygate's CPU time per refused session with the responder's
    Ratio(RatioOptions),
    /// Compare relaygate's TLS handshakes with HAProxy's
    Handshakes(HandshakeOptions),
    /// Compare relaygate with what people run today, in one run on the same CPUs
    Compare(comparison::Options),
    /// Measure the main ratios in less than a minute, and fail where one has become twice what it should be
    Quick(quick::Options),
    /// Compare the kernel program with others that block, in namespaces of this process alone
    Xdp(xdp::Options),
    /// Time a ban, from the offence to the first packet that comes to nothing, beside fail2ban
    Ban(ban::Options),
    /// Drive the core through virtual time: what an attack comes to under given settings
    Simulate(simulate::Options),
    /// Time the core's hot path, beside other libraries
    Micro(micro::Options),
    /// Make a page of HTML, or Markdown, of what the others took
    Report(report::Options),
}

#[derive(Debug, Args)]
struct ClientsOptions {
    /// Where the server is
    #[arg(long, value_name = "HOST:PORT")]
    target: String,
    /// Sessions in all
    #[arg(long, default_value_t = 10_000)]
    sessions: u64,
    /// Sessions at once
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// MAIL, RCPT and QUIT in one write
    #[arg(long)]
    pipelined: bool,
    /// The address that the sessions come from
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// The recipient that is to be refused
    #[arg(long, default_value = "someone@elsewhere.example")]
    recipient: String,
    /// Give up a session that makes no progress for so long
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// End the run after so long
    #[arg(long, default_value = "2m", value_parser = humantime::parse_duration)]
    at_most: Duration,
}

#[derive(Debug, Args)]
struct ResponderOptions {
    /// Where to listen; port 0 lets the kernel choose
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[derive(Debug, Args)]
struct RatioOptions {
    /// The relaygate binary; without it, the responder is compared with itself, which shows the noise
    #[arg(long, value_name = "PATH")]
    relaygate: Option<PathBuf>,
    /// One more argument for `relaygate run`; may be repeated
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    relaygate_argument: Vec<String>,
    /// Sessions in each round, for each server
    #[arg(long, default_value_t = 3_000)]
    sessions: u64,
    /// Sessions at once
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// Rounds; many short ones are better than a few long ones, since what disturbs both servers alike drops out
    #[arg(long, default_value_t = 25)]
    rounds: u32,
    /// Fail if the median ratio of a dialogue is above this
    #[arg(long)]
    max: Option<f64>,
    /// The CPU of the servers; the clients have the one before it (or after, where it is 0)
    #[arg(long, default_value_t = 1)]
    server_cpu: usize,
    /// Add the rounds to this directory's CSV file of this machine and day
    #[arg(long, value_name = "DIRECTORY")]
    record: Option<PathBuf>,
    /// What the record calls the subject
    #[arg(long, default_value = "relaygate")]
    subject: String,
}

#[derive(Debug, Args)]
struct HandshakeOptions {
    /// The relaygate binary
    #[arg(long, value_name = "PATH")]
    relaygate: PathBuf,
    /// Handshakes in each round, for each server
    #[arg(long, default_value_t = 2_000)]
    handshakes: u64,
    /// Connections at once
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Rounds
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Worker threads of the servers; may be repeated
    #[arg(long, default_values_t = [1, 2])]
    threads: Vec<u32>,
    /// Fail if a median ratio is below this
    #[arg(long)]
    min: Option<f64>,
}

fn main() -> ExitCode {
    let outcome = match Bench::parse() {
        Bench::Clients(options) => clients(&options),
        Bench::Responder(options) => responder(&options),
        Bench::Load(options) => load::run(&options),
        Bench::Sink(options) => sink::run(&options),
        Bench::Ratio(options) => ratio(&options),
        Bench::Handshakes(options) => handshakes(&options),
        Bench::Compare(options) => interruptible(|stop| comparison::run(&options, stop)),
        Bench::Quick(options) => interruptible(|stop| quick::run(&options, stop)),
        Bench::Xdp(options) => xdp::run(&options),
        Bench::Ban(options) => interruptible(|stop| ban::run(&options, stop)),
        Bench::Simulate(options) => simulate::run(&options),
        Bench::Micro(options) => micro::run(&options),
        Bench::Report(options) => report::run(&options),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs what comes to its end when Ctrl-C asks it to, and says that it was asked.
fn interruptible(command: impl FnOnce(&AtomicBool) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let stop = interrupt::watch()?;
    let code = command(stop)?;
    Ok(if stop.load(Ordering::Relaxed) { ExitCode::from(interrupt::INTERRUPTED) } else { code })
}

fn clients(options: &ClientsOptions) -> anyhow::Result<ExitCode> {
    let target = resolve(&options.target)?;
    let run = RefusedSessions {
        source: options.source,
        pipelined: options.pipelined,
        recipient: options.recipient.clone(),
        patience: options.patience,
        at_most: options.at_most,
        ..RefusedSessions::new(target, options.sessions, options.connections)
    };
    let outcome = run.run()?;
    let mut out = io::stdout().lock();
    let per_second = outcome.completed as f64 / outcome.elapsed.as_secs_f64();
    writeln!(
        out,
        "{} of {} sessions completed in {:.2?}, {per_second:.0} a second",
        outcome.completed, options.sessions, outcome.elapsed
    )?;
    for (code, count) in &outcome.by_code {
        writeln!(out, "{count:>10}  {code}")?;
    }
    for (error, count) in &outcome.errors {
        writeln!(out, "{count:>10}  {error}")?;
    }
    Ok(if outcome.completed == options.sessions { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn resolve(target: &str) -> anyhow::Result<SocketAddr> {
    use std::net::ToSocketAddrs as _;
    let mut addresses = target.to_socket_addrs().with_context(|| format!("cannot resolve {target}"))?;
    addresses.next().with_context(|| format!("{target} has no address"))
}

fn responder(options: &ResponderOptions) -> anyhow::Result<ExitCode> {
    let responder = Responder::bind(options.listen)?;
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}", responder.local_addr()?)?;
    out.flush()?;
    drop(out);
    responder.run()?;
    Ok(ExitCode::SUCCESS)
}

fn ratio(options: &RatioOptions) -> anyhow::Result<ExitCode> {
    let Cpus { servers: server_cpu, clients: client_cpu } = Cpus::with_servers_on(options.server_cpu);
    let base = Served::start(ConstantReplies::command()?, server_cpu)?;
    let subject = match &options.relaygate {
        Some(path) => {
            // Nobody is there: the load is to be refused before a backend is dialled.
            let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
            let mut command = Relaygate { binary: path.clone() }.command(nobody);
            command.args(&options.relaygate_argument);
            Served::start(command, server_cpu)?
        }
        None => Served::start(ConstantReplies::command()?, server_cpu)?,
    };
    let load = Load {
        sessions: options.sessions,
        connections: options.connections,
        rounds: options.rounds,
        client_cpu,
    };
    let mut comparisons = Vec::new();
    let mut out = io::stdout().lock();
    for dialogue in [Dialogue::Plain, Dialogue::Pipelined] {
        comparisons.push(compare(&base, &subject, &load, dialogue, |number, round| {
            // To stderr: it shows that something goes on. The result is on stdout.
            eprintln!(
                "{dialogue:<9} round {number}: responder {:7.2} us, subject {:7.2} us, ratio {:.3}",
                round.base,
                round.subject,
                round.subject / round.base
            );
        })?);
    }
    let mut within = true;
    for comparison in &comparisons {
        within &= print_comparison(&mut out, comparison, options.max)?;
    }
    if let Some(directory) = &options.record {
        let path = record::add(directory, &options.subject, &load, &comparisons)?;
        writeln!(out, "recorded in {}", path.display())?;
    }
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_comparison(
    out: &mut impl io::Write,
    comparison: &Comparison,
    max: Option<f64>,
) -> anyhow::Result<bool> {
    let [base, subject, ratio] = comparison.spreads().context("no rounds were measured")?;
    let within = max.is_none_or(|max| ratio.median <= max);
    writeln!(
        out,
        "{:<9} responder {:.2} us ({:.2} to {:.2}), subject {:.2} us ({:.2} to {:.2}), ratio {:.3} ({:.3} to {:.3}){}; \
         subject's memory {} kB",
        comparison.dialogue,
        base.median,
        base.min,
        base.max,
        subject.median,
        subject.min,
        subject.max,
        ratio.median,
        ratio.min,
        ratio.max,
        match max {
            Some(max) if within => format!(", at most {max} wanted"),
            Some(max) => format!(", TOO HIGH, at most {max} wanted"),
            None => String::new(),
        },
        comparison.memory.resident / 1024,
    )?;
    Ok(within)
}

fn handshakes(options: &HandshakeOptions) -> anyhow::Result<ExitCode> {
    let several = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    let contest = Contest {
        relaygate: options.relaygate.clone(),
        handshakes: options.handshakes,
        connections: options.connections,
        rounds: options.rounds,
        cpus: several.then_some((0, 1)),
    };
    let mut out = io::stdout().lock();
    let mut within = true;
    for &threads in &options.threads {
        for key in [KeyKind::Rsa2048, KeyKind::P256] {
            for version in [Version::Tls13, Version::Tls12] {
                let setting = Setting { key, version, threads };
                let outcome = contest.hold(setting, |number, round| {
                    eprintln!("{setting}, round {number}: ratio {:.3}", round.ratio());
                })?;
                let ratio = outcome.spread(Round::ratio).context("no rounds were measured")?;
                writeln!(out, "{outcome}")?;
                within &= options.min.is_none_or(|min| ratio.median >= min);
            }
        }
    }
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
