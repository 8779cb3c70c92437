//! All workers: started together, stopped together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::sync::mpsc::unbounded_channel;

use super::listener::{ListenError, bind};
use super::shared::{Shared, Signal};
use super::worker;

/// The proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// No listening socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No thread.
    #[error("cannot start a worker thread: {0}")]
    Thread(io::Error),
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    addresses: Vec<SocketAddr>,
}

impl Workers {
    /// Listens on every address and starts `count` workers.
    pub fn start(shared: Arc<Shared>, listen: &[SocketAddr], count: usize) -> Result<Self, ProxyError> {
        let count = count.max(1);
        let mut of_workers: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for &address in listen {
            let listeners = bind(address, count)?;
            addresses.extend(listeners.first().and_then(|listener| listener.local_addr().ok()));
            for (of_worker, listener) in of_workers.iter_mut().zip(listeners) {
                of_worker.push(listener);
            }
        }
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| unbounded_channel()).unzip();
        shared.set_workers(senders);
        let mut threads = Vec::new();
        for (number, (listeners, signals)) in of_workers.into_iter().zip(receivers).enumerate() {
            let shared = Arc::clone(&shared);
            let thread = Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || worker::run(shared, listeners, signals))
                .map_err(ProxyError::Thread)?;
            threads.push(thread);
        }
        Ok(Self { shared, threads, addresses })
    }

    /// Where clients can connect.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether a worker has ended by itself, which none does.
    #[must_use]
    pub fn one_has_died(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Takes no more connections, lets what is under way end, and waits for it.
    pub fn drain(self) -> io::Result<()> {
        self.shared.signal(Signal::Drain);
        let mut outcome = Ok(());
        for thread in self.threads {
            match thread.join() {
                Ok(ended) => outcome = outcome.and(ended),
                Err(_panic) => outcome = outcome.and(Err(io::Error::other("a worker thread panicked"))),
            }
        }
        outcome
    }
}
