//! Asks hosts what they can do, though nobody has mail for them: all at the start, who is down until it is up, who is
//! up now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Destination, Destinations, Host};
use crate::proxy::backend::{Backend, BackendSettings};

/// A host that is up is probed every so many intervals.
const UP_IS_PROBED: u32 = 12;

impl Destinations {
    /// Probes every host, each until the time is over. Who has said nothing by then is as it was.
    pub async fn probe_all(self: &Arc<Self>, settings: &Arc<BackendSettings>, within: Duration) {
        let mut probes = JoinSet::new();
        for (number, host) in self.every_host() {
            let (destinations, settings) = (Arc::clone(self), Arc::clone(settings));
            probes.spawn(async move {
                let probe = destinations.probe(destinations.get(number), &host, &settings);
                // Whoever takes longer is probed again soon.
                let _ = timeout(within, probe).await;
            });
        }
        probes.join_all().await;
    }

    /// Probes for as long as the daemon runs: each host by itself, so that none waits for another.
    pub async fn keep_probing(self: Arc<Self>, settings: Arc<BackendSettings>, interval: Duration) {
        let mut probes = JoinSet::new();
        for (number, host) in self.every_host() {
            let (destinations, settings) = (Arc::clone(&self), Arc::clone(&settings));
            probes.spawn(async move {
                let mut skipped = 0;
                loop {
                    sleep(interval).await;
                    skipped += 1;
                    if !host.needs_a_probe() && skipped < UP_IS_PROBED {
                        continue;
                    }
                    skipped = 0;
                    destinations.probe(destinations.get(number), &host, &settings).await;
                }
            });
        }
        probes.join_all().await;
    }

    fn every_host(&self) -> Vec<(usize, Arc<Host>)> {
        let numbered = self.all.iter().enumerate();
        let hosts = numbered.flat_map(|(number, destination)| {
            let hosts = Vec::clone(&destination.hosts.load());
            hosts.into_iter().map(move |host| (number, host))
        });
        hosts.collect()
    }

    async fn probe(&self, destination: &Destination, host: &Host, settings: &BackendSettings) {
        match Backend::probe(host, &destination.settings, settings).await {
            Ok(capabilities) => self.found_up(destination, host, &capabilities),
            Err(error) => self.found_down(host, &error),
        }
    }
}

impl Host {
    /// Whether it is down, or nothing is known of it yet.
    fn needs_a_probe(&self) -> bool {
        !self.is_up() || self.known().is_none()
    }
}
