//! `relaygate run`: puts the daemon together, and serves until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ArgMatches;
use tokio::runtime::Runtime;
use tokio::signal::unix::SignalKind;

use super::control::Desk;
use super::destinations;
use super::enforcement::{Enforcement, with_what_is_left};
use super::house::{House, on, open, policy_listeners, prepare};
use super::peers::desk::PeersDesk;
use super::privileges::{Privileges, advised};
use super::reload::reload;
use super::remembering::Remembering;
use crate::auth::Authenticator;
use crate::config::{Config, ConfigError, Effective};
use crate::control::{ControlSocket, MetricsPage};
use crate::delegation::PolicyListener;
use crate::judge::Judge;
use crate::proxy::{Listening, OwnListeners, ProxySettings, ServerTls, Shared, Workers};
use crate::telemetry::{Metrics, field};

/// How long the start waits for backends to say what they can do.
const FIRST_PROBE: Duration = Duration::from_secs(1);

/// Runs the daemon.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (config, settings) = Config::load_shown(matches)?;
    let pins = config.kernel.pins.clone();
    serve(config, settings).map_err(|error| with_what_is_left(error, pins.as_deref()))
}

fn serve(mut config: Config, settings: Vec<Effective>) -> anyhow::Result<ExitCode> {
    if config.backend.hosts.is_empty() {
        return Err(ConfigError::NoBackend.into());
    }
    let privileges = Privileges::of(&config)?;
    let (runtime, page) = prepare(&config)?;
    let policy_listeners = policy_listeners(&config, &privileges)?;
    let listening = Listening::bind(&config.listen, config.workers)?;
    let addresses = listening.addresses().to_vec();
    config.set_bound(&addresses);
    let control = control_socket(&config, &privileges, &runtime)?;
    let ports: Vec<u16> =
        addresses.iter().map(SocketAddr::port).chain(config.kernel.protect.iter().copied()).collect();
    let enforcement = Enforcement::start(&config, &ports, privileges.owner())?;
    privileges.give_up(&enforcement)?;
    let started = Started { config, settings, listening, addresses, policy_listeners, control, enforcement };
    let served = started.serve(&runtime, page);
    // Who asks twice to stop does not wait for what the first time was waited for.
    runtime.shutdown_background();
    served
}

fn control_socket(
    config: &Config,
    privileges: &Privileges,
    runtime: &Runtime,
) -> anyhow::Result<Option<ControlSocket>> {
    let Some(control) = &config.control else { return Ok(None) };
    let _within = runtime.enter();
    let socket = ControlSocket::bind(control)?;
    privileges.hand_over(&control.path)?;
    Ok(Some(socket))
}

/// What was started with privileges, and goes on without.
struct Started {
    config: Config,
    settings: Vec<Effective>,
    listening: Listening,
    addresses: Vec<SocketAddr>,
    policy_listeners: Vec<PolicyListener>,
    control: Option<ControlSocket>,
    enforcement: Enforcement,
}

impl Started {
    fn serve(self, runtime: &Runtime, page: Option<MetricsPage>) -> anyhow::Result<ExitCode> {
        let Self { config, settings, listening, addresses, policy_listeners, control, mut enforcement } =
            self;
        let opened = || -> anyhow::Result<_> {
            let tls = ServerTls::load(&config.tls)?.map(Arc::new);
            let directories = open(&config, page, runtime.handle(), tls.as_deref())?;
            let own_listeners = OwnListeners::new(&addresses, &config.own_addresses);
            destinations::check(&config, &own_listeners, runtime)?;
            let destinations = destinations::build(&config, runtime.handle())?;
            let proxy_settings = ProxySettings::new(&config, destinations, own_listeners, tls);
            let judge = Arc::new(Judge::new(&config, directories, enforcement.enforcer()));
            let authenticator = Authenticator::start(&config.auth, runtime.handle())?;
            let remembering = Remembering::start(&config, &judge)?;
            Ok((Arc::new(Shared::new(&config, proxy_settings, judge, authenticator)), remembering))
        };
        let (shared, remembering) = opened().map_err(advised)?;
        let probe_interval = config.backend.probe_interval;
        let (sanctions, captures) = (enforcement.status(), enforcement.captures());
        let house = House::new(&config, Arc::clone(&shared.judge), enforcement, remembering.clone());
        if let Some(socket) = control {
            let peers = PeersDesk::new(Arc::clone(&shared), config.auth.authenticated_for);
            let desk = Desk {
                config,
                settings,
                addresses: addresses.clone(),
                sanctions,
                shared: Arc::clone(&shared),
                started: Instant::now(),
                peers: Arc::new(peers),
                captures,
            };
            runtime.spawn(socket.serve(Arc::new(desk)));
        }
        let daemon = Daemon { shared, house, probe_interval };
        let ended = runtime.block_on(daemon.run(listening, policy_listeners, &addresses));
        if let Some(remembering) = remembering {
            remembering.write();
        }
        ended
    }
}

/// What the main thread looks after while the workers serve.
struct Daemon {
    shared: Arc<Shared>,
    house: House,
    probe_interval: Duration,
}

impl Daemon {
    async fn run(
        mut self,
        listening: Listening,
        policy_listeners: Vec<PolicyListener>,
        addresses: &[SocketAddr],
    ) -> anyhow::Result<ExitCode> {
        let mut terminate = on(SignalKind::terminate())?;
        let mut interrupt = on(SignalKind::interrupt())?;
        let mut hangup = on(SignalKind::hangup())?;
        if let Some(tls) = &self.shared.settings.tls {
            Metrics::new().tls_first_end.set(tls.first_end() as f64);
        }

        // What is known before the first client comes is offered to it; a backend that is away keeps nobody waiting.
        let (destinations, backend) = (&self.shared.destinations, &self.shared.settings.backend);
        destinations.probe_all(backend, FIRST_PROBE).await;
        if let Some(authenticator) = &self.shared.authenticator {
            // Whoever has not said by then which mechanisms it has is offered as soon as it does.
            let _ = tokio::time::timeout(FIRST_PROBE, authenticator.ready()).await;
        }
        tokio::spawn(Arc::clone(destinations).keep_probing(Arc::clone(backend), self.probe_interval));
        let mut workers =
            Workers::start(Arc::clone(&self.shared), listening).context("cannot start the workers")?;
        self.house.open(policy_listeners);
        announce(addresses)?;

        let mut hours = House::hours();
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    let shared = Arc::clone(&self.shared);
                    // Reading takes its time, and nobody waits for it.
                    drop(tokio::task::spawn_blocking(move || reload(&shared)));
                }
                _ = hours.tick() => {
                    self.house.keep();
                    if let Some(error) = workers.death() {
                        return Err(error).context("a worker has died, and the daemon ends with it");
                    }
                }
            }
        }
        tracing::info!(
            { field::SESSIONS } = self.shared.sessions(),
            "stopping: sessions are let out, once more ends them now"
        );
        let drained = tokio::task::spawn_blocking(move || workers.drain());
        tokio::select! {
            ended = drained => ended.context("the drain failed")?.context("a worker failed")?,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The one line on standard output: who started us may connect now.
pub(super) fn announce(addresses: &[impl ToString]) -> anyhow::Result<()> {
    let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", list.join(", ")).and_then(|()| out.flush()).context("cannot print")
}
