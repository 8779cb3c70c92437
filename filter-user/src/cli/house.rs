//! What the main thread looks after beside those who serve: the kernel's maps, the gauges, and the
//! listeners that Postfix asks at. The same for every subcommand that serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::check::warnings;
use super::core_dumps;
use super::descriptors;
use super::enforcement::Enforcement;
use crate::config::Config;
use crate::control::metrics_page;
use crate::delegation::{Delegation, PolicyListener};
use crate::judge::{Judge, boot_now};
use crate::lookup::Directories;
use crate::proxy::ServerTls;
use crate::telemetry::{Metrics, field, log};

/// How often the house is kept.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What the main thread looks after.
pub(super) struct House {
    pub(super) judge: Arc<Judge>,
    pub(super) enforcement: Enforcement,
    delegation: Arc<Delegation>,
    metrics: Metrics,
}

/// Begins to log, opens what must be there before anyone is served, and tells what is hardly meant.
pub(super) fn prepare(
    config: &Config,
    tls: Option<&ServerTls>,
) -> anyhow::Result<(Runtime, Arc<Directories>)> {
    log::start(&config.log_level, config.log_json)?;
    descriptors::raise();
    if config.auth.is_offered() {
        core_dumps::forbid();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    if let Some(address) = config.metrics_listen {
        metrics_page::serve(address)?;
    }
    let directories = Arc::new(Directories::open(config, runtime.handle())?);
    for warning in warnings(config, &directories, tls) {
        tracing::warn!("{warning}");
    }
    Ok((runtime, directories))
}

/// Listens where Postfix is to ask.
pub(super) fn policy_listeners(config: &Config) -> anyhow::Result<Vec<PolicyListener>> {
    Ok(config.delegation.listen.iter().map(PolicyListener::bind).collect::<Result<_, _>>()?)
}

impl House {
    /// Nothing is looked after yet.
    pub(super) fn new(config: &Config, judge: Arc<Judge>, enforcement: Enforcement) -> Self {
        let delegation = Arc::new(Delegation::new(config, Arc::clone(&judge)));
        Self { judge, enforcement, delegation, metrics: Metrics::new() }
    }

    /// Lets Postfix ask, and hears what the kernel program tells.
    pub(super) fn open(&mut self, listeners: Vec<PolicyListener>) {
        self.metrics.mailboxes.set(self.judge.directories.len() as f64);
        for listener in listeners {
            let (delegation, at) = (Arc::clone(&self.delegation), listener.address().clone());
            tokio::spawn(async move {
                if let Err(error) = delegation.serve(listener).await {
                    tracing::error!({ field::ERROR } = %error, "policy-listen = {at} is not served");
                }
            });
        }
        if let Some(events) = self.enforcement.events() {
            tokio::spawn(events);
        }
        if let Some(following) = self.enforcement.follow() {
            tokio::spawn(following);
        }
    }

    /// When the house is to be kept.
    pub(super) fn hours() -> Interval {
        let mut hours = interval(HOUSEKEEPING);
        hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
        hours
    }

    /// Sweeps, and sets the gauges.
    pub(super) fn keep(&self) {
        self.enforcement.keep_house(&self.metrics, boot_now());
        self.metrics.peers.set(self.judge.register.len() as f64);
        self.metrics.peers_forgotten.absolute(self.judge.register.forgotten());
        self.delegation.tick();
    }
}

/// A signal, from now on.
pub(super) fn on(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen for signals")
}
