//! One worker: a thread with its own runtime, its own listening sockets and its own sessions.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{LocalSet, spawn_local};

use super::clock::boot_now;
use super::driver::{Accepted, Driver};
use super::envelope::Envelope;
use super::listener::{accept, reset_at_close, send_now};
use super::offer::Offer;
use super::report::Report;
use super::seat::Seat;
use super::shared::{Shared, Signal};
use super::slots::Slots;
use crate::peers::Admission;
use crate::smtp::reply;
use crate::telemetry::label::SessionRefusal;

/// How often overdue sessions are looked for: how much later than its deadline a session may end.
const TICK: Duration = Duration::from_millis(250);
/// Octets of commands read at once.
const READ: usize = 16 * 1024;
/// Connections accepted before the sessions that wait get their turn.
const ACCEPTED_AT_ONCE: usize = 64;
/// Envelopes and buffers kept for the next session.
const POOLED: usize = 256;
/// How long to leave the listener alone when the system has no room for another socket.
const NO_ROOM: Duration = Duration::from_millis(50);

/// Where commands are read to and replies gathered: one for all sessions of a worker, because a session needs it only
/// while it is not waiting.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) input: Box<[u8]>,
    pub(super) out: Vec<u8>,
}

/// A worker, as its sessions see it.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) scratch: RefCell<Scratch>,
    pub(super) slots: RefCell<Slots>,
    pub(super) report: Report,
    offer: RefCell<Rc<Offer>>,
    #[expect(
        clippy::vec_box,
        reason = "sessions hold envelopes boxed: they move between pool and session as pointers"
    )]
    envelopes: RefCell<Vec<Box<Envelope>>>,
    buffers: RefCell<Vec<Vec<u8>>>,
    draining: Cell<bool>,
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        let offer = Offer::new(&shared.settings, shared.capabilities.load());
        let input = vec![0; READ + shared.settings.limits.command_line].into_boxed_slice();
        Self {
            scratch: RefCell::new(Scratch { input, out: Vec::with_capacity(READ) }),
            slots: RefCell::default(),
            report: Report::new(shared.settings.log_refusals),
            offer: RefCell::new(Rc::new(offer)),
            envelopes: RefCell::new(Vec::with_capacity(POOLED)),
            buffers: RefCell::default(),
            draining: Cell::new(false),
            shared,
        }
    }

    /// What a new session is offered.
    pub(super) fn offer(&self) -> Rc<Offer> {
        let mut offer = self.offer.borrow_mut();
        if !self.shared.capabilities.is_current(&offer.capabilities) {
            *offer = Rc::new(Offer::new(&self.shared.settings, self.shared.capabilities.load()));
        }
        Rc::clone(&offer)
    }

    /// An envelope, used or new.
    pub(super) fn envelope(&self) -> Box<Envelope> {
        self.envelopes.borrow_mut().pop().unwrap_or_default()
    }

    /// An envelope for the next one.
    pub(super) fn give_back_envelope(&self, envelope: Box<Envelope>) {
        give_back(&self.envelopes, envelope);
    }

    /// A buffer, used or new.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    /// A buffer for the next one.
    pub(super) fn give_back_buffer(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        give_back(&self.buffers, buffer);
    }
}

fn give_back<T>(pool: &RefCell<Vec<T>>, item: T) {
    let mut pool = pool.borrow_mut();
    if pool.len() < POOLED {
        pool.push(item);
    }
}

/// Serves until the daemon stops and the last session is over, or the time to drain is.
pub(super) fn run(
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    signals: UnboundedReceiver<Signal>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Rc::new(Worker::new(shared));
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let mut accepting = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let listener = readable(listener)?;
            accepting.push(spawn_local(accept_all(Rc::clone(&worker), listener)));
        }
        let ticking = spawn_local(tick(Rc::clone(&worker)));
        obey(&worker, signals).await;
        for task in accepting {
            task.abort();
        }
        drain(&worker).await;
        ticking.abort();
        worker.report.finish();
        Ok(())
    })
}

/// Hands signals on to the sessions until the daemon stops.
async fn obey(worker: &Worker, mut signals: UnboundedReceiver<Signal>) {
    while let Some(signal) = signals.recv().await {
        match signal {
            Signal::Reset(peer) => worker.slots.borrow_mut().call_peer(peer, signal.call()),
            Signal::Drain => {
                worker.draining.set(true);
                worker.slots.borrow_mut().call_all(signal.call());
                return;
            }
        }
    }
}

/// Waits for the last session, for as long as it may take.
async fn drain(worker: &Worker) {
    let until = Instant::now() + worker.shared.settings.drain_timeout;
    while !worker.slots.borrow().is_empty() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = worker.slots.borrow().len();
    if left > 0 {
        tracing::warn!(sessions = left, "the time to drain is over: sessions are cut off");
    }
}

async fn tick(worker: Rc<Worker>) {
    let mut ticker = tokio::time::interval(TICK);
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticker.tick().await;
        worker.slots.borrow_mut().call_overdue(Instant::now());
        worker.report.tick(Instant::now());
    }
}

/// Registers a listener with the runtime; tokio's own type would register every connection before it is looked at.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for types whose descriptor may change or close meanwhile; a listener keeps its"
)]
fn readable(listener: TcpListener) -> io::Result<AsyncFd<TcpListener>> {
    AsyncFd::with_interest(listener, tokio::io::Interest::READABLE)
}

async fn accept_all(worker: Rc<Worker>, listener: AsyncFd<TcpListener>) {
    // Told once for the socket, not once a session; a wildcard address is looked up where it matters.
    let bound = listener.get_ref().local_addr().ok().filter(|bound| !bound.ip().is_unspecified());
    loop {
        let Ok(mut ready) = listener.readable().await else { return };
        for _ in 0..ACCEPTED_AT_ONCE {
            match ready.try_io(|listener| accept(listener.get_ref())) {
                Ok(Ok((socket, client))) => admit(&worker, socket, client, bound),
                Ok(Err(error)) if is_of_one_connection(&error) => {}
                Ok(Err(error)) => {
                    worker.report.accept_failed(&error);
                    tokio::time::sleep(NO_ROOM).await;
                    break;
                }
                Err(_would_block) => break,
            }
        }
        tokio::task::yield_now().await;
    }
}

/// accept(2): errors that the connection had, not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

/// Decides whether a new connection is served at all; one that is not never reaches the runtime.
fn admit(worker: &Rc<Worker>, socket: OwnedFd, client: SocketAddr, bound: Option<SocketAddr>) {
    let shared = &worker.shared;
    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
    match shared.register.admit(client.ip(), boot_now()) {
        Admission::Blocked => {
            reset_at_close(&socket);
            worker.report.not_served(client.ip(), SessionRefusal::Blocked);
            return;
        }
        Admission::Limited => return turn_away(worker, &socket, client.ip(), SessionRefusal::Limited),
        Admission::Admitted => {}
    }
    let peer = shared.register.key(client.ip());
    let opened = match Seat::take(shared, client.ip(), peer) {
        Ok(seat) => Driver::open(worker, Accepted { socket, client, local: bound, peer, seat }),
        Err(why) => return turn_away(worker, &socket, client.ip(), why),
    };
    if let Err(error) = opened {
        worker.report.accept_failed(&error);
    }
}

fn turn_away(worker: &Worker, socket: &OwnedFd, client: IpAddr, why: SessionRefusal) {
    let reply = match why {
        SessionRefusal::Blocked => reply::PEER_BLOCKED,
        SessionRefusal::Limited => reply::PEER_LIMITED,
        SessionRefusal::MaxSessions => reply::TOO_MANY_SESSIONS,
        SessionRefusal::MaxSessionsPerPeer => reply::TOO_MANY_SESSIONS_OF_PEER,
    };
    // One that does not take a line of text is not worth waiting for.
    let _ = send_now(socket, reply.line.as_bytes());
    worker.report.not_served(client, why);
}
