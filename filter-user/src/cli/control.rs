//! The two ends of the control socket: what the running daemon answers, and how `status` and `explain` find it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use super::captures;
use super::exit_codes::UsageError;
use super::explain::Rules;
use super::peers::desk::PeersDesk;
use crate::config::kind::Kind as _;
use crate::config::settings::CONTROL_SOCKET;
use crate::config::{Config, Effective};
use crate::control::{
    Answers, Asker, BackendStatus, CapturedPacket, Capturing, CertificateStatus, DirectoryStatus,
    Explanation, ListenerStatus, PeersRequest, Query, SanctionsStatus, Status, Told,
};
use crate::kernel::Captures;
use crate::proxy::Shared;
use crate::telemetry::field;

/// `--json`
pub(super) fn json_flag() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints JSON in place of text")
}

/// As text, or as JSON where that was asked for.
pub(super) fn shown<T: Serialize + ToString>(matches: &ArgMatches, answer: &T) -> anyhow::Result<String> {
    if matches.get_flag("json") {
        return serde_json::to_string_pretty(answer).context("cannot write JSON");
    }
    Ok(answer.to_string())
}

/// A time from a second to the longest.
pub(super) fn duration(text: &str, longest: Duration) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=longest).contains(&time) {
        return Ok(time);
    }
    Err(format!("a time is from 1s to {}", humantime::format_duration(longest)))
}

/// Whom to ask.
pub(super) enum Daemon {
    /// The one that listens there.
    At(PathBuf),
    /// Nobody; this is the configuration.
    NotAsked(Box<(Config, Vec<Effective>)>),
}

/// The daemon that the command line names, whatever else is configured; else the one that the configuration names, if it
/// is there.
pub(super) fn find(matches: &ArgMatches) -> anyhow::Result<Daemon> {
    if let Some(text) = matches.get_one::<String>(CONTROL_SOCKET.row.name) {
        let socket = CONTROL_SOCKET.kind.parse(text);
        let named = socket.ok_or_else(|| UsageError(format!("--control-socket {text:?} is no path")))?;
        return Ok(Daemon::At(named.path));
    }
    let given = Config::load_shown(matches)?;
    Ok(match &given.0.control {
        Some(control) if std::os::unix::net::UnixStream::connect(&control.path).is_ok() => {
            Daemon::At(control.path.clone())
        }
        Some(_) | None => Daemon::NotAsked(Box::new(given)),
    })
}

/// The control socket of the daemon that runs; or what is missing.
pub(super) fn running(matches: &ArgMatches) -> anyhow::Result<PathBuf> {
    match find(matches)? {
        Daemon::At(path) => Ok(path),
        Daemon::NotAsked(given) => match given.0.control {
            Some(control) => bail!("no relaygate answers at {}: does it run?", control.path.display()),
            None => {
                let fault = "no control-socket is set: name the running daemon's with --control-socket PATH";
                Err(UsageError(fault.to_owned()).into())
            }
        },
    }
}

/// What the running daemon knows when it is asked.
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) settings: Vec<Effective>,
    pub(super) addresses: Vec<SocketAddr>,
    /// Interfaces come and go while it runs.
    pub(super) sanctions: Box<dyn Fn() -> SanctionsStatus + Send + Sync>,
    pub(super) shared: Arc<Shared>,
    pub(super) started: Instant,
    pub(super) peers: Arc<PeersDesk>,
    /// Where the kernel enforces.
    pub(super) captures: Option<Captures>,
}

impl Answers for Desk {
    fn status(&self) -> Status {
        let listeners = self.addresses.iter().zip(&self.config.listen);
        let backends = self.shared.destinations.health();
        let certificates = self.shared.settings.tls.iter().flat_map(|tls| tls.ends());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            up_seconds: self.started.elapsed().as_secs(),
            listeners: listeners
                .map(|(address, listen)| ListenerStatus {
                    address: *address,
                    profile: listen.profile.as_str().to_owned(),
                })
                .collect(),
            sanctions: (self.sanctions)(),
            sessions: self.shared.sessions(),
            peers: self.shared.judge.register.len(),
            backends: backends
                .map(|(destination, host, up)| BackendStatus { destination, host, up })
                .collect(),
            directories: self.directories(),
            certificates: certificates.map(|(file, ends)| CertificateStatus { file, ends }).collect(),
        }
    }

    fn explain(&self, query: Query) -> Pin<Box<dyn Future<Output = Explanation> + Send + '_>> {
        let rules = Rules {
            policy: &self.shared.judge.policy,
            directories: &self.shared.judge.directories,
            config: &self.config,
            settings: &self.settings,
        };
        Box::pin(async move { rules.explain(query).await })
    }

    fn peers(&self, request: PeersRequest, by: Asker) -> Told<'_> {
        Box::pin(Arc::clone(&self.peers).answer(request, by))
    }

    fn capture(&self, asked: &Capturing, by: Asker) -> Result<Receiver<CapturedPacket>, String> {
        let Some(captures) = &self.captures else {
            return Err(
                "packets are captured where the kernel drops them, and here this process enforces alone"
                    .to_owned(),
            );
        };
        let peer = self.shared.judge.register.key(self.peers.one(&asked.peer)?);
        let captured = captures.start(peer, asked.one_of).map_err(|busy| busy.to_string())?;
        tracing::info!(
            { field::PEER } = %peer,
            { field::BY } = by.user,
            { field::COUNT } = asked.count,
            "dropped packets of a peer are captured"
        );
        Ok(captures::told(captured))
    }
}

impl Desk {
    fn directories(&self) -> Vec<DirectoryStatus> {
        let directories = self.config.directories.directories.iter();
        directories
            .map(|item| {
                let source = item.source.to_string();
                let files = &mut self.shared.judge.directories.files();
                let of_file = |path: &std::path::Path| source == format!("file:{}", path.display());
                let mailboxes = files.find(|(path, _)| of_file(path)).map(|(_, mailboxes)| mailboxes);
                DirectoryStatus { source, mailboxes }
            })
            .collect()
    }
}
