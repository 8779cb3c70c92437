//! All workers: started together, stopped together.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::listener::{ListenError, bind};
use super::mailbox::{Signal, mailbox};
use super::shared::Shared;
use super::worker;
use crate::config::Listen;

/// Listening sockets for every worker, none served yet: clients already wait in their queues.
#[derive(Debug)]
pub struct Listening {
    of_workers: Vec<Vec<(TcpListener, Listen)>>,
    addresses: Vec<SocketAddr>,
}

impl Listening {
    /// Listens on every address, for `workers` workers.
    pub fn bind(listen: &[Listen], workers: usize) -> Result<Self, ListenError> {
        let workers = workers.max(1);
        let mut of_workers: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for &listen in listen {
            let listeners = bind(listen.address, workers)?;
            addresses.extend(listeners.first().and_then(|listener| listener.local_addr().ok()));
            for (of_worker, listener) in of_workers.iter_mut().zip(listeners) {
                of_worker.push((listener, listen));
            }
        }
        Ok(Self { of_workers, addresses })
    }

    /// Where clients can connect, with the port that was given where any was asked for.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Workers {
    /// Starts a thread for each worker.
    pub fn start(shared: Arc<Shared>, listening: Listening) -> io::Result<Self> {
        let (addresses, mailboxes): (Vec<_>, Vec<_>) = listening
            .of_workers
            .iter()
            .map(|_| mailbox())
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        shared.set_workers(addresses);
        let mut threads = Vec::new();
        for (number, (listeners, mailbox)) in listening.of_workers.into_iter().zip(mailboxes).enumerate() {
            let shared = Arc::clone(&shared);
            let thread = Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || worker::run(shared, listeners, mailbox))?;
            threads.push(thread);
        }
        Ok(Self { shared, threads })
    }

    /// Why a worker has ended by itself, which none does while all is well.
    pub fn death(&mut self) -> Option<io::Error> {
        let dead = self.threads.iter().position(JoinHandle::is_finished)?;
        Some(match self.threads.swap_remove(dead).join() {
            Ok(Ok(())) => io::Error::other("it ended without being told to"),
            Ok(Err(error)) => error,
            Err(_panic) => io::Error::other("it panicked"),
        })
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
