//! What the main thread looks after beside those who serve: the kernel's maps, the gauges, the state file, and the
//! listeners that Postfix asks at. The same for every subcommand that serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::check::warnings;
use super::descriptors;
use super::enforcement::Enforcement;
use super::privileges::Privileges;
use super::remembering::Remembering;
use crate::config::{Config, StreamAddress};
use crate::control::MetricsPage;
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
    remembering: Option<Remembering>,
    delegation: Arc<Delegation>,
    metrics: Metrics,
}

/// Begins to log, and opens what may need privileges. Makes no thread: it would keep them.
pub(super) fn prepare(config: &Config) -> anyhow::Result<(Runtime, Option<MetricsPage>)> {
    log::start(&config.log_level, config.log_json)?;
    descriptors::raise();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let page = config.metrics_listen.map(MetricsPage::open).transpose()?;
    Ok((runtime, page))
}

/// Opens what must be there before anyone is served and is read again later, and tells what is hardly meant.
pub(super) fn open(
    config: &Config,
    page: Option<MetricsPage>,
    runtime: &Handle,
    tls: Option<&ServerTls>,
) -> anyhow::Result<Arc<Directories>> {
    if let Some(page) = page {
        page.serve()?;
    }
    let directories = Arc::new(Directories::open(config, runtime)?);
    for warning in warnings(config, &directories, tls) {
        tracing::warn!("{warning}");
    }
    Ok(directories)
}

/// Listens where Postfix is to ask.
pub(super) fn policy_listeners(
    config: &Config,
    privileges: &Privileges,
) -> anyhow::Result<Vec<PolicyListener>> {
    let listeners =
        config.delegation.listen.iter().map(PolicyListener::bind).collect::<Result<Vec<_>, _>>()?;
    for listener in &listeners {
        if let StreamAddress::Unix(path) = listener.address() {
            privileges.hand_over(path)?;
        }
    }
    Ok(listeners)
}

impl House {
    /// Nothing is looked after yet.
    pub(super) fn new(
        config: &Config,
        judge: Arc<Judge>,
        enforcement: Enforcement,
        remembering: Option<Remembering>,
    ) -> Self {
        let delegation = Arc::new(Delegation::new(config, Arc::clone(&judge)));
        // What an earlier process has left in the kernel, and nobody remembers otherwise.
        judge.register.inherit(boot_now());
        enforcement.settle_exempt(&judge.register);
        Self { judge, enforcement, remembering, delegation, metrics: Metrics::new() }
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
        self.judge.register.keep(boot_now());
        self.metrics.peers.set(self.judge.register.len() as f64);
        self.metrics.peers_forgotten.absolute(self.judge.register.forgotten());
        self.delegation.tick();
        if let Some(remembering) = &self.remembering {
            remembering.tick();
        }
    }
}

/// A signal, from now on.
pub(super) fn on(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen for signals")
}
