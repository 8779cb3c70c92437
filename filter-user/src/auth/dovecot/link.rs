//! The connection to Dovecot: one for all exchanges, made again whenever it is lost. Exchanges that were under way on a
//! lost one are over; those that come while there is none are told so at once.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use zeroize::Zeroizing;

use super::protocol::{self, Line, LineError, MAX_LINE, Reply};
use crate::config::StreamAddress;
use crate::telemetry::field;

/// How long after a failure the next attempt is made.
const AGAIN: Duration = Duration::from_secs(1);

/// What an exchange wants of the connection.
pub(super) enum Order {
    /// To send this line and be told the reply; `begins` an exchange, or goes on with one that was begun here.
    Ask { id: u32, line: Zeroizing<Vec<u8>>, begins: bool, answer: oneshot::Sender<Reply> },
    /// To end an exchange.
    Cancel(u32),
}

#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("cannot connect to Dovecot at {address}: {source}; check that its service auth listens there")]
    Unreachable { address: StreamAddress, source: io::Error },
    #[error("Dovecot at {address} has closed the connection")]
    Closed { address: StreamAddress },
    #[error("Dovecot at {address} took longer than {after:?}")]
    TimedOut { address: StreamAddress, after: Duration },
    #[error(transparent)]
    Line(#[from] LineError),
}

/// Keeps a connection for as long as anybody may want it.
pub(super) async fn keep(
    address: StreamAddress,
    within: Duration,
    mut orders: mpsc::Receiver<Order>,
    has_said: impl Fn(Vec<String>),
) {
    let mut next_attempt = Instant::now();
    // A Dovecot that is away is told of once, and once more when it is back.
    let mut told = false;
    loop {
        // Who comes now is told that nobody is there: what it asked with is dropped.
        tokio::select! {
            () = sleep_until(next_attempt) => {}
            order = orders.recv() => if order.is_some() { continue } else { return },
        }
        let lost = match timeout(within, Link::connect(&address)).await {
            Ok(Ok(mut link)) => {
                tracing::info!({ field::REASON } = %link.mechanisms.join(" "), "Dovecot at {address} says who may authenticate");
                has_said(std::mem::take(&mut link.mechanisms));
                told = false;
                match link.serve(&mut orders, within).await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Ok(Err(error)) => error,
            Err(_) => LinkError::TimedOut { address: address.clone(), after: within },
        };
        if !std::mem::replace(&mut told, true) {
            tracing::warn!({ field::ERROR } = %lost, "nobody can be authenticated by Dovecot; clients are told to try later");
        }
        next_attempt = Instant::now() + AGAIN;
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Link {
    address: StreamAddress,
    stream: Box<dyn Stream>,
    received: Vec<u8>,
    mechanisms: Vec<String>,
    /// Exchanges that were begun on this connection and have not ended.
    open: HashSet<u32>,
    /// Those of them that wait for a reply.
    waiting: HashMap<u32, oneshot::Sender<Reply>>,
}

impl Link {
    async fn connect(address: &StreamAddress) -> Result<Self, LinkError> {
        let unreachable = |source| LinkError::Unreachable { address: address.clone(), source };
        let mut stream: Box<dyn Stream> = match address {
            StreamAddress::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(unreachable)?),
            StreamAddress::Inet { host, port } => {
                Box::new(TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?)
            }
        };
        stream.write_all(&protocol::hello()).await.map_err(unreachable)?;
        let mut link = Self {
            address: address.clone(),
            stream,
            received: Vec::new(),
            mechanisms: Vec::new(),
            open: HashSet::new(),
            waiting: HashMap::new(),
        };
        loop {
            while let Some(line) = link.take_line()? {
                match line {
                    Line::Mechanism(name) => link.mechanisms.push(name),
                    Line::Done => return Ok(link),
                    Line::Reply(..) | Line::Other => {}
                }
            }
            link.receive().await?;
        }
    }

    /// Passes orders and replies until the connection is lost, or nobody is left who could order anything.
    async fn serve(mut self, orders: &mut mpsc::Receiver<Order>, within: Duration) -> Result<(), LinkError> {
        loop {
            tokio::select! {
                received = self.receive() => {
                    received?;
                    while let Some(line) = self.take_line()? {
                        self.heed(line);
                    }
                }
                order = orders.recv() => {
                    let Some(order) = order else { return Ok(()) };
                    self.obey(order, within).await?;
                }
            }
        }
    }

    async fn obey(&mut self, order: Order, within: Duration) -> Result<(), LinkError> {
        match order {
            Order::Ask { id, line, begins, answer } => {
                // An exchange of an earlier connection is none here: its answer is dropped.
                if begins {
                    self.open.insert(id);
                }
                if self.open.contains(&id) {
                    self.waiting.insert(id, answer);
                    self.send(&line, within).await?;
                }
                Ok(())
            }
            Order::Cancel(id) => {
                self.waiting.remove(&id);
                if self.open.remove(&id) { self.send(&protocol::cancel(id), within).await } else { Ok(()) }
            }
        }
    }

    fn heed(&mut self, line: Line) {
        let Line::Reply(id, reply) = line else { return };
        let Some(answer) = self.waiting.remove(&id) else { return };
        if !matches!(reply, Reply::Continue(_)) {
            self.open.remove(&id);
        }
        // Who has stopped waiting meanwhile has sent, or sends, a cancellation.
        let _ = answer.send(reply);
    }

    async fn send(&mut self, octets: &[u8], within: Duration) -> Result<(), LinkError> {
        match timeout(within, self.stream.write_all(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(LinkError::TimedOut { address: self.address.clone(), after: within }),
        }
    }

    /// Gets more; what came is kept where this is not awaited to the end.
    async fn receive(&mut self) -> Result<(), LinkError> {
        if self.received.len() > MAX_LINE {
            return Err(LineError::TooLong.into());
        }
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) | Err(_) => Err(self.closed()),
            Ok(_) => Ok(()),
        }
    }

    fn take_line(&mut self) -> Result<Option<Line>, LineError> {
        let Some(end) = memchr::memchr(b'\n', &self.received) else { return Ok(None) };
        let line = protocol::read(&self.received[..end]);
        self.received.drain(..=end);
        line.map(Some)
    }

    fn closed(&self) -> LinkError {
        LinkError::Closed { address: self.address.clone() }
    }
}
