//! One host of a destination: whether it is up, and what it can do, as far as is known.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;

use crate::proxy::capabilities::Capabilities;
use crate::telemetry::{self, Gauge};

/// A host; taken for up until somebody finds otherwise.
pub(crate) struct Host {
    /// Its name or address.
    pub(in crate::proxy) name: String,
    /// Its port.
    pub(in crate::proxy) port: u16,
    up: AtomicBool,
    known: ArcSwapOption<Capabilities>,
    gauge: Gauge,
}

impl Host {
    pub(super) fn new(name: &str, port: u16) -> Self {
        let mut host = Self {
            name: name.to_owned(),
            port,
            up: AtomicBool::new(true),
            known: ArcSwapOption::empty(),
            gauge: Gauge::noop(),
        };
        host.gauge = telemetry::backend_up(host.to_string());
        host.gauge.set(1.0);
        host
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
