//! One worker: a thread with its own runtime, its own listening sockets and its own sessions.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use super::away;
use super::clock::Clock;
use super::driver::{Driver, End};
use super::envelope::Envelope;
use super::event_loop::{self, Poller, Wait, settle};
use super::mailbox::{Mailbox, Signal};
use super::offer::{Kind, Offer};
use super::report::Report;
use super::sessions::{Here, Sessions};
use super::shared::Shared;
use super::turn::{Pending, Turn};
use crate::config::{Listen, ListenTls, Profile};
use crate::smtp::{Service, TlsOffer};
use crate::telemetry::field;

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

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) listener: TcpListener,
    /// Where it listens; nothing for a wildcard address, which is looked up where it matters.
    pub(super) bound: Option<SocketAddr>,
    /// Whom it is for.
    pub(super) profile: Profile,
    /// Whether its sessions can have TLS, or have it from the first octet.
    pub(super) tls: TlsOffer,
}

/// A worker, as its sessions see it.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) listeners: RefCell<Vec<Listener>>,
    pub(super) sessions: RefCell<Sessions>,
    pub(super) poller: Poller,
    /// Sessions that are to go away.
    pub(super) departures: RefCell<Vec<(usize, Here, Pending)>>,
    /// Sessions that are.
    away: Cell<usize>,
    came_back: Notify,
    pub(super) scratch: RefCell<Scratch>,
    pub(super) report: Report,
    pub(super) clock: Rc<Clock>,
    mailbox: Mailbox,
    drain_until: Cell<Option<Instant>>,
    /// No room for another connection: the listeners are left alone for a while.
    deaf: Cell<bool>,
    offer: RefCell<Offer>,
    #[expect(
        clippy::vec_box,
        reason = "sessions hold envelopes boxed: they move between pool and session as pointers"
    )]
    envelopes: RefCell<Vec<Box<Envelope>>>,
    buffers: RefCell<Vec<Vec<u8>>>,
}

impl Worker {
    fn new(shared: Arc<Shared>, listeners: Vec<(TcpListener, Listen)>, mailbox: Mailbox) -> io::Result<Self> {
        let offer = Offer::new(&shared);
        let limits = &shared.settings.limits;
        let input = vec![0; READ + limits.command_line.max(limits.auth_line)].into_boxed_slice();
        let clock = Rc::new(Clock::new());
        let poller = Poller::new()?;
        poller.add_bell(mailbox.bell())?;
        let mut listening = Vec::with_capacity(listeners.len());
        for (number, (listener, listen)) in listeners.into_iter().enumerate() {
            poller.add_listener(&listener, number)?;
            let bound = listener.local_addr().ok().filter(|bound| !bound.ip().is_unspecified());
            let tls = match (&shared.settings.tls, listen.tls) {
                (None, _) | (_, ListenTls::None) => TlsOffer::Never,
                (Some(_), ListenTls::StartTls) => TlsOffer::StartTls,
                (Some(_), ListenTls::Implicit) => TlsOffer::InUse,
            };
            listening.push(Listener { listener, bound, profile: listen.profile, tls });
        }
        Ok(Self {
            listeners: RefCell::new(listening),
            sessions: RefCell::default(),
            poller,
            departures: RefCell::default(),
            away: Cell::new(0),
            came_back: Notify::new(),
            scratch: RefCell::new(Scratch { input, out: Vec::with_capacity(READ) }),
            report: Report::new(shared.settings.log_refusals, Rc::clone(&clock)),
            clock,
            mailbox,
            drain_until: Cell::new(None),
            deaf: Cell::new(false),
            offer: RefCell::new(offer),
            envelopes: RefCell::new(Vec::with_capacity(POOLED)),
            buffers: RefCell::default(),
            shared,
        })
    }

    /// What a session of this kind is offered now.
    pub(super) fn service(&self, kind: Kind) -> Rc<Service> {
        let mut offer = self.offer.borrow_mut();
        if !offer.is_current(&self.shared) {
            *offer = Offer::new(&self.shared);
        }
        offer.service(kind, &self.shared)
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
    listeners: Vec<(TcpListener, Listen)>,
    mailbox: Mailbox,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Rc::new(Worker::new(shared, listeners, mailbox)?);
    let local = LocalSet::new();
    while worker.is_serving() {
        if worker.away.get() == 0 {
            event_loop::poll(&worker, Wait::UntilOneComes)?;
        } else {
            local.block_on(&runtime, serve_with_tasks(&worker))?;
        }
        worker.depart(|task| drop(local.spawn_local(task)));
    }
    let left = worker.sessions.borrow().len();
    if left > 0 {
        tracing::warn!({ field::SESSIONS } = left, "the time to drain is over: sessions are cut off");
    }
    worker.report.finish();
    Ok(())
}

/// Serves while tasks run beside, until there is something for the loop above to do.
async fn serve_with_tasks(worker: &Rc<Worker>) -> io::Result<()> {
    let mut poller = match worker.poller.readable() {
        Ok(poller) => poller,
        Err(error) => {
            // The system has no memory for it: who is away is served a little later.
            worker.report.accept_failed(&error);
            worker.depart(|task| drop(spawn_local(task)));
            tokio::time::sleep(Duration::from_millis(5)).await;
            return event_loop::poll(worker, Wait::NotAtAll).map(drop);
        }
    };
    while worker.away.get() > 0 && worker.is_serving() {
        worker.depart(|task| drop(spawn_local(task)));
        tokio::select! {
            ready = poller.readable_mut() => {
                let mut ready = ready?;
                if event_loop::poll(worker, Wait::NotAtAll)? {
                    ready.clear_ready();
                }
            }
            () = worker.came_back.notified() => {}
        }
        // However many there are here, those that are away get their turn.
        tokio::task::yield_now().await;
    }
    Ok(())
}

impl Worker {
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

    /// What other threads have to say.
    pub(super) fn answer_bell(&self) {
        self.mailbox.silence();
        while let Some(signal) = self.mailbox.take() {
            match signal {
                Signal::Reset(peer) => {
                    let here = self.sessions.borrow_mut().reset(peer);
                    self.turn_each(&here, |_, _| Turn::Over(End::Blocked));
                }
                Signal::Drain => self.drain(),
            }
        }
    }

    /// Takes no more connections, and takes leave of those that have nothing under way; the others go when they come to
    /// rest.
    fn drain(&self) {
        if self.drain_until.get().is_some() {
            return;
        }
        self.drain_until.set(Some(Instant::now() + self.shared.settings.drain_timeout));
        for listening in self.listeners.take() {
            self.poller.remove(&listening.listener);
        }
        let idle = self.sessions.borrow().places_of(|driver| !driver.in_transaction());
        self.turn_each(&idle, |driver, socket| driver.drain(socket));
    }

    /// Whether there is, or may come, somebody to serve.
    fn is_serving(&self) -> bool {
        self.drain_until.get().is_none_or(|until| self.sessions.borrow().len() > 0 && Instant::now() < until)
    }

    /// Whether the daemon is stopping.
    pub(super) fn is_draining(&self) -> bool {
        self.drain_until.get().is_some()
    }

    /// Ends what has taken too long.
    pub(super) fn tick(&self) {
        let now = self.clock.now();
        let overdue = self.sessions.borrow().overdue(now);
        self.turn_each(&overdue, |driver, socket| driver.overdue(self, socket));
        self.report.tick();
        if self.deaf.get() {
            self.heed_listeners(true);
        }
    }

    /// Leaves the listeners alone, or heeds them again.
    pub(super) fn heed_listeners(&self, heed: bool) {
        self.deaf.set(!heed);
        for (number, listening) in self.listeners.borrow().iter().enumerate() {
            if let Err(error) = self.poller.heed_listener(&listening.listener, number, heed) {
                self.report.accept_failed(&error);
            }
        }
    }

    /// Sends those away that are to go, as tasks.
    fn depart<F: Fn(Pin<Box<dyn Future<Output = ()>>>)>(self: &Rc<Self>, spawn: F) {
        for (place, here, pending) in self.departures.take() {
            self.away.set(self.away.get() + 1);
            spawn(Box::pin(away::go(Rc::clone(self), place, here, pending)));
        }
    }

    /// A session has come back, or is over.
    pub(super) fn one_less_away(&self) {
        self.away.set(self.away.get().saturating_sub(1));
        self.came_back.notify_one();
    }

    fn turn_each(&self, places: &[usize], turn: impl Fn(&mut Driver, &TcpStream) -> Turn) {
        for &place in places {
            let taken = {
                let mut sessions = self.sessions.borrow_mut();
                sessions.here(place).map(|Here { driver, socket }| turn(driver, socket))
            };
            if let Some(taken) = taken {
                settle(self, place, taken);
            }
        }
    }
}
