//! An SMTP server that counts and throws away: the backend for trying relaygate out, and the backend of its tests, which
//! need one that misbehaves on demand and remembers exactly what it was given. It delivers nothing to anybody.

mod arguments;
mod behaviour;
mod counts;
mod data_end;
mod proxy_header;
mod session;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use behaviour::{Misbehaviour, Moment, SinkBehaviour};
pub use counts::{SinkCounts, TakenMessage};
pub use data_end::DataEnd;
pub use proxy_header::{ProxyHeader, ProxyHeaderError};

/// The server.
#[derive(Debug)]
pub struct Sink;

impl Sink {
    /// Serves until it is dropped; its sessions end with it.
    ///
    /// # Errors
    /// When the listener itself fails; what a client does is never an error here.
    pub async fn serve(
        listener: TcpListener,
        behaviour: SinkBehaviour,
        counts: Arc<SinkCounts>,
    ) -> io::Result<()> {
        let behaviour = Arc::new(behaviour);
        let mut sessions = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = sessions.join_next() => continue,
            };
            match accepted {
                Ok((socket, peer)) => {
                    sessions.spawn(session::serve(socket, peer, behaviour.clone(), counts.clone()));
                }
                // A client that has gone, or no descriptor left just now: neither is a reason to end.
                Err(error) if error.raw_os_error().is_some_and(is_passing) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_passing(error: i32) -> bool {
    use rustix::io::Errno;
    [Errno::CONNABORTED, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::INTR]
        .iter()
        .any(|passing| passing.raw_os_error() == error)
}

#[cfg(test)]
pub(crate) mod tests;
