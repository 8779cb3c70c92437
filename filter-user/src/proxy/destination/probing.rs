//! Asks hosts what they can do, though nobody has mail for them: all at the start, who is down until it is up, who is
//! up now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Destinations, Host};
use crate::proxy::backend::{Backend, BackendSettings};

/// A host that is up is probed every so many intervals.
const UP_IS_PROBED: u32 = 12;

impl Destinations {
    /// Probes every host that takes our mail, each until the time is over. Who has said nothing by then is as it was.
    pub async fn probe_all(self: &Arc<Self>, settings: &Arc<BackendSettings>, within: Duration) {
        let inbound = (0..self.all.len()).filter(|number| self.get(*number).settings.inbound);
        let mut probes = JoinSet::new();
        for number in inbound {
            let (destinations, settings) = (Arc::clone(self), Arc::clone(settings));
            probes.spawn(async move {
                destinations.probe(number, &settings, within, |_| true).await;
            });
        }
        probes.join_all().await;
    }

    /// Probes for as long as the daemon runs: each destination by itself, so that none waits for another.
    pub async fn keep_probing(self: Arc<Self>, settings: Arc<BackendSettings>, interval: Duration) {
        let mut probes = JoinSet::new();
        for number in 0..self.all.len() {
            let (destinations, settings) = (Arc::clone(&self), Arc::clone(&settings));
            probes.spawn(async move {
                let inbound = destinations.get(number).settings.inbound;
                let within = settings.dial_timeout.saturating_mul(2);
                for round in 1u32.. {
                    sleep(interval).await;
                    // Others than our own backends are left alone while they are up: nobody is offered what they can do.
                    let is_due = |host: &Host| {
                        !host.is_up() || inbound && (host.known().is_none() || round % UP_IS_PROBED == 0)
                    };
                    destinations.probe(number, &settings, within, is_due).await;
                }
            });
        }
        probes.join_all().await;
    }

    /// Probes those hosts of a destination that are due, at once.
    async fn probe(
        self: &Arc<Self>,
        number: usize,
        settings: &Arc<BackendSettings>,
        within: Duration,
        is_due: impl Fn(&Host) -> bool,
    ) {
        let mut probes = JoinSet::new();
        for host in self.get(number).hosts.load().iter().filter(|host| is_due(host)) {
            let (destinations, host, settings) = (Arc::clone(self), Arc::clone(host), Arc::clone(settings));
            probes.spawn(async move {
                let destination = destinations.get(number);
                let probe = Backend::probe(&host, &destination.settings, &settings);
                match timeout(within, probe).await {
                    Ok(Ok(capabilities)) => destinations.found_up(destination, &host, &capabilities),
                    Ok(Err(error)) => destinations.found_down(&host, &error),
                    // It is probed again soon.
                    Err(_) => {}
                }
            });
        }
        probes.join_all().await;
    }
}
