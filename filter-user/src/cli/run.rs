//! `relaygate run`: puts the daemon together, and serves until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ArgMatches;
use tokio::signal::unix::SignalKind;

use super::control::Desk;
use super::destinations;
use super::enforcement::Enforcement;
use super::house::{House, on, policy_listeners, prepare};
use super::reload::reload;
use crate::auth::Authenticator;
use crate::config::{Config, ConfigError, Effective};
use crate::control::ControlSocket;
use crate::delegation::PolicyListener;
use crate::judge::Judge;
use crate::proxy::{Listening, OwnListeners, ProxySettings, ServerTls, Shared, Workers};
use crate::telemetry::{Metrics, field};

/// How long the start waits for backends to say what they can do.
const FIRST_PROBE: Duration = Duration::from_secs(1);

/// Runs the daemon.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (config, settings) = Config::load_shown(matches)?;
    serve(config, settings)
}

fn serve(mut config: Config, settings: Vec<Effective>) -> anyhow::Result<ExitCode> {
    if config.backend.hosts.is_empty() {
        return Err(ConfigError::NoBackend.into());
    }
    let tls = ServerTls::load(&config.tls)?.map(Arc::new);
    let (runtime, directories) = prepare(&config, tls.as_deref())?;
    let policy_listeners = policy_listeners(&config)?;
    let listening = Listening::bind(&config.listen, config.workers)?;
    let addresses = listening.addresses().to_vec();
    config.set_bound(&addresses);
    let ports: Vec<u16> =
        addresses.iter().map(SocketAddr::port).chain(config.kernel.protect.iter().copied()).collect();
    let enforcement = Enforcement::start(&config, &ports)?;
    let own_listeners = OwnListeners::new(&addresses, &config.own_addresses);
    destinations::check(&config, &own_listeners, &runtime)?;
    let destinations = destinations::build(&config, runtime.handle())?;
    let proxy_settings = ProxySettings::new(&config, destinations, own_listeners, tls);
    let judge = Arc::new(Judge::new(&config, directories, enforcement.enforcer()));
    let authenticator = Authenticator::start(&config.auth, runtime.handle())?;
    let shared = Arc::new(Shared::new(&config, proxy_settings, Arc::clone(&judge), authenticator));
    let probe_interval = config.backend.probe_interval;
    let sanctions = enforcement.status();
    let house = House::new(&config, judge, enforcement);
    if let Some(control) = config.control.clone() {
        let _within = runtime.enter();
        let socket = ControlSocket::bind(&control.path, control.mode)?;
        let desk = Desk {
            config,
            settings,
            addresses: addresses.clone(),
            sanctions,
            shared: Arc::clone(&shared),
            started: Instant::now(),
        };
        runtime.spawn(socket.serve(Arc::new(desk)));
    }
    let daemon = Daemon { shared, house, probe_interval };
    let ended = runtime.block_on(daemon.run(listening, policy_listeners, &addresses));
    // Who asks twice to stop does not wait for what the first time was waited for.
    runtime.shutdown_background();
    ended
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
