//! One act of the demo: the spam run and the honest mail, against the server alone or against relaygate before it, and
//! what each of them had to do. Starts everything anew and ends it, so that an act leaves nothing to the next.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use smtp_load::clients::{HonestMail, HonestOutcome, RefusedSessions, SpamOutcome, SpamRun};
use smtp_load::kb_server::KbSnapshot;
use smtp_load::measure::CpuTime;
use smtp_load::sink::{Sink, SinkBehaviour, SinkCounts};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::DemoOptions;
use super::kernel_page::KernelPage;
use super::part::{DOMAIN, DaemonPart, KbServerPart, MAILBOX};
use super::stage::{EDGE_INTERFACE, Stage};

/// The acts, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Straight to the server.
    Straight,
    /// Through relaygate, which enforces in its own process.
    Filtered,
    /// Through relaygate with its XDP program on the interface.
    FilteredInKernel,
}

/// What came of one act.
#[derive(Clone, Debug)]
pub(super) struct Performance {
    pub(super) act: Act,
    /// What the server did.
    pub(super) server: KbSnapshot,
    /// CPU time of the server.
    pub(super) server_cpu: Duration,
    /// CPU time of relaygate.
    pub(super) relaygate_cpu: Option<Duration>,
    pub(super) spam: SpamOutcome,
    pub(super) honest: HonestOutcome,
    /// Messages that came to the victim.
    pub(super) victim_messages: u64,
    pub(super) kernel: Option<KernelShare>,
}

/// What the kernel program did.
#[derive(Clone, Debug)]
pub(super) enum KernelShare {
    /// It dropped.
    Dropped {
        /// Packets of the attacker's.
        packets: u64,
        /// Nanoseconds of each, where the kernel counts them.
        nanoseconds_each: Option<u64>,
    },
    /// It is not there; why, from relaygate's log.
    Unavailable(String),
}

/// Sessions of the spam run at once: fewer than one peer may have by default.
const AT_ONCE: usize = 20;
/// How long a spammer waits for an answer. Shorter than real ones, since the demo is to end.
const PATIENCE: Duration = Duration::from_millis(500);
/// For the whole spam run of one act.
const SPAM_AT_MOST: Duration = Duration::from_secs(8);
/// For the server to work off what it has taken.
const SETTLE_AT_MOST: Duration = Duration::from_secs(15);
/// How long the blocked attacker goes on, when the cost of its packets is measured.
const INSISTS: Duration = Duration::from_secs(3);
/// relaygate brings its page of metrics up to date every second.
const PAGE_IS_FRESH: Duration = Duration::from_millis(1200);
/// The page's port; it is the demo's own namespace, so nobody else has it.
const METRICS: &str = "127.0.0.1:9825";

impl Act {
    /// For the progress bar and for errors.
    pub(super) fn what_happens(self) -> &'static str {
        match self {
            Self::Straight => "straight to a server that bounces later",
            Self::Filtered => "the same through relaygate",
            Self::FilteredInKernel => "the same through relaygate with XDP",
        }
    }

    /// Plays it.
    pub(super) fn play(
        self,
        stage: &Stage,
        options: &DemoOptions,
        bar: &ProgressBar,
    ) -> anyhow::Result<Performance> {
        let victim = stage.outside(|| Victim::start(SocketAddr::new(stage.cast.victim, 0)))?;
        let edge = stage.cast.edge;
        let server = stage.at_the_edge(|| KbServerPart::start(edge, victim.address))?;
        let daemon = stage.at_the_edge(|| self.start_relaygate(stage, server.served.address))?;
        let target = daemon.as_ref().map_or(server.served.address, |daemon| daemon.served.address);

        let server_before = CpuTime::of(server.served.pid())?;
        let relaygate_before = daemon.as_ref().map(|daemon| CpuTime::of(daemon.served.pid())).transpose()?;
        let (spam, honest) = send_mail(stage, options, target, bar)?;
        let counts = stage.at_the_edge(|| server.settled(SETTLE_AT_MOST))?;
        let server_cpu = CpuTime::of(server.served.pid())?.since(&server_before).total;
        let relaygate_cpu = match (&daemon, relaygate_before) {
            (Some(daemon), Some(before)) => Some(CpuTime::of(daemon.served.pid())?.since(&before).total),
            _ => None,
        };
        let kernel = match &daemon {
            Some(daemon) if self == Self::FilteredInKernel => Some(kernel_share(stage, daemon, target)?),
            _ => None,
        };
        Ok(Performance {
            act: self,
            server: counts,
            server_cpu,
            relaygate_cpu,
            spam,
            honest,
            victim_messages: victim.counts.messages(),
            kernel,
        })
    }

    fn start_relaygate(self, stage: &Stage, backend: SocketAddr) -> anyhow::Result<Option<DaemonPart>> {
        let more: &[&str] = match self {
            Self::Straight => return Ok(None),
            Self::Filtered => &[],
            Self::FilteredInKernel => {
                &["--interface", EDGE_INTERFACE, "--pin-directory", "none", "--metrics-listen", METRICS]
            }
        };
        let more: Vec<String> = more.iter().copied().map(String::from).collect();
        DaemonPart::start(stage.cast.edge, backend, &more).map(Some)
    }
}

/// The spam run and the honest mail at the same time.
fn send_mail(
    stage: &Stage,
    options: &DemoOptions,
    target: SocketAddr,
    bar: &ProgressBar,
) -> anyhow::Result<(SpamOutcome, HonestOutcome)> {
    let body = usize::try_from(options.body).context("--body is too much")?;
    let spam = SpamRun {
        target,
        source: Some(stage.cast.attacker),
        forged_sender: "victim@victim.example".into(),
        recipient_domain: DOMAIN.into(),
        messages: options.spam,
        at_once: AT_ONCE,
        body,
        patience: PATIENCE,
        at_most: SPAM_AT_MOST,
    };
    let honest = HonestMail {
        target,
        source: Some(stage.cast.honest),
        sender: "friend@far.example".into(),
        recipient: format!("{MAILBOX}@{DOMAIN}"),
        messages: options.honest,
        body,
        pause: Duration::from_millis(50),
        patience: Duration::from_secs(10),
    };
    let progress = AtomicU64::new(0);
    let start = bar.position();
    let outcome = std::thread::scope(|scope| {
        // A thread stays where it was started: on the outside.
        let (spam, honest) = stage.outside(|| {
            let (spam, honest, progress) = (&spam, &honest, &progress);
            Ok((scope.spawn(move || spam.send(progress)), scope.spawn(move || honest.send())))
        })?;
        while !(spam.is_finished() && honest.is_finished()) {
            bar.set_position(start + progress.load(Relaxed));
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::Ok((spam.join(), honest.join()))
    })?;
    match outcome {
        (Ok(spam), Ok(honest)) => Ok((spam, honest)),
        (Err(panic), _) | (_, Err(panic)) => std::panic::resume_unwind(panic),
    }
}

/// Lets the attacker, blocked by now, insist for a while, and reads what its packets came to.
fn kernel_share(stage: &Stage, daemon: &DaemonPart, target: SocketAddr) -> anyhow::Result<KernelShare> {
    let log = daemon.served.log();
    if let Some(line) = log.lines().find(|line| line.contains("the kernel does not help")) {
        return Ok(KernelShare::Unavailable(line.to_owned()));
    }
    let page = METRICS.parse().context("the address of the metrics is wrong")?;
    let fetch = || {
        std::thread::sleep(PAGE_IS_FRESH);
        stage.at_the_edge(|| KernelPage::fetch(page))
    };
    let before = fetch()?;
    let insist = RefusedSessions {
        source: Some(stage.cast.attacker),
        recipient: format!("nobody@{DOMAIN}"),
        patience: Duration::from_millis(200),
        at_most: INSISTS,
        ..RefusedSessions::new(target, u64::MAX, 200)
    };
    stage.outside(|| insist.run())?;
    let after = fetch()?;
    Ok(KernelShare::Dropped {
        packets: after.dropped,
        nanoseconds_each: after.nanoseconds_each_since(&before).filter(|_| after.dropped > before.dropped),
    })
}

/// The host whose user's address is forged: takes what is sent to it, and counts.
struct Victim {
    address: SocketAddr,
    counts: Arc<SinkCounts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Victim {
    fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let listener =
            StdListener::bind(address).with_context(|| format!("the victim cannot listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let counts = Arc::new(SinkCounts::default());
        let seen = Arc::clone(&counts);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("victim".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = Sink::serve(listener, SinkBehaviour::default(), seen) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, counts, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It listens for nothing else, so the thread ends.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
