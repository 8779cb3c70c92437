//! The demo's processes: the KB article's server and relaygate itself, both this binary again, so that the CPU time of
//! each can be read by itself. None outlives the demo: the kernel ends it with the process that started it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::process::{Command as Process, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches as _, Subcommand};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};
use smtp_load::kb_server::{KbCounts, KbServer, KbSnapshot};
use smtp_load::served::Served;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::super::run;
use crate::config;

/// The domain of the demo's mail server.
pub(super) const DOMAIN: &str = "example.test";
/// Its one mailbox.
pub(super) const MAILBOX: &str = "user";

#[derive(Debug, Subcommand)]
enum Part {
    /// The server that takes everything and bounces later
    KbServer(KbServerOptions),
}

#[derive(Debug, Args)]
struct KbServerOptions {
    /// The demo's process
    #[arg(long)]
    parent: i32,
    /// Where mail comes in
    #[arg(long)]
    listen: SocketAddr,
    /// Where reports go
    #[arg(long)]
    report_route: SocketAddr,
}

/// The subcommand.
pub(super) fn command() -> Command {
    let parent = Arg::new("parent").long("parent").required(true).value_parser(clap::value_parser!(i32));
    let daemon = Command::new("daemon").about("relaygate itself").arg(parent).args(config::arguments());
    Part::augment_subcommands(Command::new("demo-part").about("A process of the demo").hide(true))
        .subcommand_required(true)
        .subcommand(daemon)
}

/// One of the demo's processes.
pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    if let Some(("daemon", matches)) = matches.subcommand() {
        end_with(*matches.get_one("parent").context("no --parent was given")?)?;
        return run::run(matches);
    }
    match Part::from_arg_matches(matches)? {
        Part::KbServer(options) => kb_server(&options),
    }
}

/// The kernel kills this process when the thread that started it ends. A parent that ended before that was asked for is
/// not the parent any more.
fn end_with(parent: i32) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot ask for a signal at the end of the parent")?;
    ensure!(getppid() == Pid::from_raw(parent), "the demo has ended; start it as relaygate demo");
    Ok(())
}

fn kb_server(options: &KbServerOptions) -> anyhow::Result<ExitCode> {
    end_with(options.parent)?;
    let server = KbServer {
        domain: DOMAIN.into(),
        mailboxes: vec![MAILBOX.into()],
        report_route: options.report_route,
        spool: None,
        patience: Duration::from_secs(10),
    };
    let counts = Arc::new(KbCounts::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mail =
            TcpListener::bind(options.listen).await.with_context(|| format!("no {}", options.listen))?;
        let control = TcpListener::bind((options.listen.ip(), 0)).await.context("no port for the counts")?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "listening on {}, {}", mail.local_addr()?, control.local_addr()?)?;
        out.flush()?;
        drop(out);
        tokio::select! {
            ended = server.serve(mail, counts.clone()) => ended.context("the server has ended"),
            ended = tell(control, &counts) => ended.context("the counts cannot be told"),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Tells whoever connects the counts.
async fn tell(control: TcpListener, counts: &KbCounts) -> anyhow::Result<()> {
    loop {
        let (mut socket, _) = control.accept().await?;
        let told = serde_json::to_vec(&counts.snapshot())?;
        // Who does not wait for the answer does not get it.
        let _ = socket.write_all(&told).await;
    }
}

/// The command line of a part of this binary, with nothing of the user's settings in its environment.
fn part(name: &str) -> anyhow::Result<Process> {
    let binary = std::env::current_exe().context("cannot find the own binary")?;
    let mut process = Process::new(binary);
    process.args(["demo-part", name, "--parent", &std::process::id().to_string()]);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("RELAYGATE_") {
            process.env_remove(variable);
        }
    }
    Ok(process)
}

/// The KB article's server, running.
#[derive(Debug)]
pub(super) struct KbServerPart {
    pub(super) served: Served,
    counts: SocketAddr,
}

impl KbServerPart {
    /// Starts it; reports go to `report_route`.
    pub(super) fn start(address: IpAddr, report_route: SocketAddr) -> anyhow::Result<Self> {
        let mut process = part("kb-server")?;
        process.args(["--listen", &SocketAddr::new(address, 0).to_string()]);
        process.args(["--report-route", &report_route.to_string()]);
        let served = Served::start(process, None)?;
        let counts = *served.addresses.get(1).context("the server does not say where its counts are")?;
        Ok(Self { served, counts })
    }

    /// What it has done so far.
    pub(super) fn snapshot(&self) -> anyhow::Result<KbSnapshot> {
        let mut socket = TcpStream::connect(self.counts).context("the server does not tell its counts")?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut told = Vec::new();
        socket.read_to_end(&mut told).context("the server does not tell its counts")?;
        serde_json::from_slice(&told).context("the server's counts cannot be read")
    }

    /// The same, when nothing waits in it any more.
    pub(super) fn settled(&self, at_most: Duration) -> anyhow::Result<KbSnapshot> {
        let end = Instant::now() + at_most;
        loop {
            let snapshot = self.snapshot()?;
            if snapshot.waiting == 0 {
                return Ok(snapshot);
            }
            if Instant::now() > end {
                bail!("the server still has {} messages after {at_most:?}", snapshot.waiting);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// relaygate, running.
#[derive(Debug)]
pub(super) struct DaemonPart {
    pub(super) served: Served,
    /// The mailbox file: in memory only, so it needs no removal.
    _mailboxes: File,
}

impl DaemonPart {
    /// Starts it before `backend`, with `more` arguments.
    pub(super) fn start(address: IpAddr, backend: SocketAddr, more: &[String]) -> anyhow::Result<Self> {
        let mut mailboxes = memory_file("mailboxes")?;
        writeln!(mailboxes, "{MAILBOX}@{DOMAIN}")?;
        let mut process = part("daemon")?;
        process.args([
            "--listen",
            &SocketAddr::new(address, 0).to_string(),
            "--backend",
            &backend.to_string(),
        ]);
        process.args([
            "--hostname",
            "edge.example",
            "--local-domain",
            DOMAIN,
            "--mailboxes",
            &path(&mailboxes),
        ]);
        process.args(more);
        let served = Served::start(process, None)?;
        Ok(Self { served, _mailboxes: mailboxes })
    }
}

/// A file without a place, which whoever is started from here has open too.
fn memory_file(name: &str) -> anyhow::Result<File> {
    let descriptor = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::empty());
    Ok(descriptor.with_context(|| format!("no memory for the {name}"))?.into())
}

/// Where a process that has it open finds it. By the number of another process it would not: a daemon that has given up
/// its privileges may not look into one that has them.
fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
