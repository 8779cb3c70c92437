//! One host of a destination: whether it is up, and what it can do, as far as is known.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;

use super::mail_exchange::{Exchange, SMTP};
use crate::config::HostPort;
use crate::proxy::capabilities::Capabilities;
use crate::telemetry::{self, Gauge};

/// A host; taken for up until somebody finds otherwise.
pub(in crate::proxy) struct Host {
    /// Its name or address.
    pub(in crate::proxy) name: String,
    /// Its port.
    pub(in crate::proxy) port: u16,
    /// Its addresses, where they were found with its name.
    pub(in crate::proxy) addresses: Vec<IpAddr>,
    up: AtomicBool,
    known: ArcSwapOption<Capabilities>,
    gauge: Gauge,
}

impl Host {
    /// One that the configuration names.
    pub(super) fn listed(HostPort { host, port }: &HostPort) -> Self {
        let mut host = Self::new(host.clone(), *port, Vec::new());
        host.gauge = telemetry::backend_up(host.to_string());
        host.gauge.set(1.0);
        host
    }

    /// One that DNS names. It has no gauge: there might be any number of them.
    pub(super) fn found(Exchange { name, addresses }: Exchange) -> Self {
        Self::new(name, SMTP, addresses)
    }

    fn new(name: String, port: u16, addresses: Vec<IpAddr>) -> Self {
        let (up, known) = (AtomicBool::new(true), ArcSwapOption::empty());
        Self { name, port, addresses, up, known, gauge: Gauge::noop() }
    }

    /// Whether it is the one that was found.
    pub(super) fn is(&self, exchange: &Exchange) -> bool {
        self.name == exchange.name && self.addresses == exchange.addresses
    }

    /// Whether it could be used when it was last.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Notes whether it is up, and says whether that is new.
    pub(super) fn set_up(&self, up: bool) -> bool {
        let new = self.up.swap(up, Ordering::Relaxed) != up;
        if new {
            self.gauge.set(if up { 1.0 } else { 0.0 });
        }
        new
    }

    /// What it can do, if it has ever said.
    pub(super) fn known(&self) -> Option<Arc<Capabilities>> {
        self.known.load_full()
    }

    /// Remembers what it can do, and says whether that is new.
    pub(super) fn learn(&self, found: &Capabilities) -> bool {
        let new = self.known.load().as_deref() != Some(found);
        if new {
            self.known.store(Some(Arc::new(found.clone())));
        }
        new
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", if self.is_up() { "up" } else { "down" })
    }
}
