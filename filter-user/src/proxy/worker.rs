//! One worker: a thread with its own runtime, its own listening sockets and its own sessions.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use filter_common::PeerKey;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{LocalSet, spawn_local};

use super::acceptor;
use super::driver::{Driver, End};
use super::envelope::Envelope;
use super::event_loop::{self, Poller, settle};
use super::offer::Offer;
use super::report::Report;
use super::sessions::{Here, Sessions};
use super::shared::{Shared, Signal};
use super::turn::Turn;
use crate::telemetry::field;

/// How often overdue sessions are looked for: how much later than its deadline a session may end.
const TICK: Duration = Duration::from_millis(250);
/// Octets of commands read at once.
const READ: usize = 16 * 1024;
/// Envelopes and buffers kept for the next session.
const POOLED: usize = 256;

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
    pub(super) sessions: RefCell<Sessions>,
    pub(super) poller: Poller,
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
    fn new(shared: Arc<Shared>) -> io::Result<Self> {
        let offer = Offer::new(&shared.settings, shared.capabilities.load());
        let input = vec![0; READ + shared.settings.limits.command_line].into_boxed_slice();
        Ok(Self {
            scratch: RefCell::new(Scratch { input, out: Vec::with_capacity(READ) }),
            sessions: RefCell::default(),
            poller: Poller::new()?,
            report: Report::new(shared.settings.log_refusals),
            offer: RefCell::new(Rc::new(offer)),
            envelopes: RefCell::new(Vec::with_capacity(POOLED)),
            buffers: RefCell::default(),
            draining: Cell::new(false),
            shared,
        })
    }

    /// Whether the daemon is stopping.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Waits for something, unless the peer of the session that is away from this place is blocked before it comes.
    pub(super) async fn unless_blocked<F: Future>(&self, place: usize, waiting: F) -> Option<F::Output> {
        let mut waiting = pin!(waiting);
        poll_fn(|cx| {
            if self.sessions.borrow_mut().is_reset(place, cx.waker()) {
                return Poll::Ready(None);
            }
            waiting.as_mut().poll(cx).map(Some)
        })
        .await
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
    mut signals: UnboundedReceiver<Signal>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Rc::new(Worker::new(shared)?);
    let local = LocalSet::new();
    let served = local.block_on(&runtime, async {
        let listeners = listeners.into_iter();
        let accepting: Vec<_> = listeners.map(|listener| spawn_local(acceptor::run(Rc::clone(&worker), listener))).collect();
        let mut serving = spawn_local(event_loop::run(Rc::clone(&worker)));
        let mut ticker = tokio::time::interval(TICK);
        ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut drain_until = None;
        while drain_until.is_none_or(|until| worker.sessions.borrow().len() > 0 && Instant::now() < until) {
            tokio::select! {
                signal = signals.recv() => match signal {
                    Some(Signal::Reset(peer)) => reset(&worker, peer),
                    Some(Signal::Drain) | None => {
                        accepting.iter().for_each(tokio::task::JoinHandle::abort);
                        drain_until.get_or_insert_with(|| Instant::now() + worker.shared.settings.drain_timeout);
                        drain(&worker);
                    }
                },
                _ = ticker.tick() => tick(&worker),
                ended = &mut serving => return ended.map_err(io::Error::other)?,
            }
        }
        Ok(())
    });
    let left = worker.sessions.borrow().len();
    if left > 0 {
        tracing::warn!({ field::SESSIONS } = left, "the time to drain is over: sessions are cut off");
    }
    worker.report.finish();
    served
}

/// Ends what has taken too long.
fn tick(worker: &Rc<Worker>) {
    let now = Instant::now();
    let overdue = worker.sessions.borrow().overdue(now);
    turn_each(worker, &overdue, |driver, socket| driver.overdue(worker, socket));
    worker.report.tick(now);
}

/// The peer was blocked: ends its sessions.
fn reset(worker: &Rc<Worker>, peer: PeerKey) {
    let here = worker.sessions.borrow_mut().reset(peer);
    turn_each(worker, &here, |_, _| Turn::Over(End::Blocked));
}

/// Takes leave of those that have nothing under way; the others do when they come to rest.
fn drain(worker: &Rc<Worker>) {
    worker.draining.set(true);
    let idle = worker.sessions.borrow().places_of(|driver| !driver.in_transaction());
    turn_each(worker, &idle, |driver, socket| driver.drain(socket));
}

fn turn_each(worker: &Rc<Worker>, places: &[usize], turn: impl Fn(&mut Driver, &TcpStream) -> Turn) {
    for &place in places {
        let taken = {
            let mut sessions = worker.sessions.borrow_mut();
            sessions.here(place).map(|Here { driver, socket }| turn(driver, socket))
        };
        if let Some(taken) = taken {
            settle(worker, place, taken);
        }
    }
}
