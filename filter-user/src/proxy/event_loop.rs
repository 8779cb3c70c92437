//! Waits for the clients of one worker, all of them at once, and gives each its turn. Listeners and sessions share one
//! epoll instance. While no session is away, nothing else is to be waited for and the worker sleeps in it; else the
//! runtime waits for it as for any other descriptor. So a refused session costs the runtime nothing.

use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::acceptor;
use super::sessions::Here;
use super::turn::{Pending, Turn};
use super::worker::Worker;

/// Events that are taken before the tasks get their turn.
const AT_ONCE: usize = 128;
/// How often overdue sessions are looked for: how much later than its deadline a session may end.
const TICK: Duration = Duration::from_millis(250);
/// The bell's mark among the events.
const BELL: u64 = u64::MAX;
/// The ticker's.
const TICKER: u64 = u64::MAX - 1;
/// The listeners' mark: this and their number; everything below is the place of a session.
const LISTENER: u64 = 1 << 32;

/// What a session is told of.
const SESSION: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

/// The epoll instance of a worker. A socket that is closed leaves it by itself (epoll(7)).
#[derive(Debug)]
pub(super) struct Poller {
    epoll: Rc<OwnedFd>,
    /// Fires at every tick; a time-out for each wait would start and stop a timer each time.
    ticker: OwnedFd,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Rc::new(epoll::create(CreateFlags::CLOEXEC)?);
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let ticker = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let interval = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
        let timer = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&ticker, TimerfdTimerFlags::empty(), &timer)?;
        epoll::add(&*epoll, &ticker, EventData::new_u64(TICKER), EventFlags::IN)?;
        Ok(Self { epoll, ticker })
    }

    /// Tells of this socket's input by its place, once for each time that some comes.
    pub(super) fn add_session(&self, socket: &TcpStream, place: usize) -> io::Result<()> {
        Ok(epoll::add(&*self.epoll, socket, EventData::new_u64(place as u64), SESSION)?)
    }

    /// Tells once more of what this socket has already, as after a time in which nobody listened.
    pub(super) fn tell_again(&self, socket: &TcpStream, place: usize) -> io::Result<()> {
        Ok(epoll::modify(&*self.epoll, socket, EventData::new_u64(place as u64), SESSION)?)
    }

    /// Tells of waiting connections, for as long as there are any.
    pub(super) fn add_listener(&self, listener: &impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&*self.epoll, listener, EventData::new_u64(LISTENER + number as u64), EventFlags::IN)?)
    }

    /// Leaves a listener alone, or tells of it again.
    pub(super) fn heed_listener(&self, listener: &impl AsFd, number: usize, heed: bool) -> io::Result<()> {
        let flags = if heed { EventFlags::IN } else { EventFlags::empty() };
        Ok(epoll::modify(&*self.epoll, listener, EventData::new_u64(LISTENER + number as u64), flags)?)
    }

    /// Tells nothing of a listener any more.
    pub(super) fn remove(&self, listener: &impl AsFd) {
        // Refused only where it is not there.
        let _ = epoll::delete(&*self.epoll, listener);
    }

    /// Tells when the bell rings.
    pub(super) fn add_bell(&self, bell: &impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&*self.epoll, bell, EventData::new_u64(BELL), EventFlags::IN)?)
    }

    /// The instance as the runtime waits for it; takes no descriptor, which there may be none of.
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor may change or close meanwhile; an OwnedFd keeps its"
    )]
    pub(super) fn readable(&self) -> io::Result<AsyncFd<Rc<OwnedFd>>> {
        AsyncFd::with_interest(Rc::clone(&self.epoll), Interest::READABLE)
    }

    /// What there is to tell, when there is something.
    fn wait<'e>(&self, events: &'e mut [MaybeUninit<Event>], wait: Wait) -> io::Result<&'e mut [Event]> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = match wait {
            Wait::UntilOneComes => None,
            Wait::NotAtAll => Some(&at_once),
        };
        match epoll::wait(&*self.epoll, events, timeout) {
            Ok((told, _)) => Ok(told),
            Err(rustix::io::Errno::INTR) => Ok(&mut []),
            Err(error) => Err(error.into()),
        }
    }
}

/// How long to wait for the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until it comes; a tick is one.
    UntilOneComes,
    /// Not at all: the runtime waits.
    NotAtAll,
}

/// Gives whoever has something to say its turn. Says whether nobody had: only then is nothing left, for a listener that
/// still has connections waiting is told of by the next wait alone.
pub(super) fn poll(worker: &Rc<Worker>, wait: Wait) -> io::Result<bool> {
    let mut events = [const { MaybeUninit::<Event>::uninit() }; AT_ONCE];
    let told = worker.poller.wait(&mut events, wait)?;
    worker.clock.read();
    let count = told.len();
    for event in told {
        match event.data.u64() {
            BELL => worker.answer_bell(),
            TICKER => {
                // How many ticks there were matters to nobody.
                let _ = rustix::io::read(&worker.poller.ticker, &mut [0u8; 8]);
                worker.tick();
            }
            number @ LISTENER.. => acceptor::accept_waiting(worker, number - LISTENER, count == 1),
            place => {
                // The flags are in a packed struct: copied, not borrowed.
                let flags = event.flags;
                let closing = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
                take_turn(worker, usize::try_from(place).unwrap_or(usize::MAX), closing);
            }
        }
    }
    Ok(count == 0)
}

/// Gives a session its turn, if it is here; one that is away reads for itself.
fn take_turn(worker: &Worker, place: usize, to_the_end: bool) {
    let turn = {
        let mut sessions = worker.sessions.borrow_mut();
        let Some(Here { driver, socket }) = sessions.here(place) else { return };
        driver.turn(worker, socket, to_the_end)
    };
    settle(worker, place, turn);
}

/// Does what a turn led to.
pub(super) fn settle(worker: &Worker, place: usize, turn: Turn) {
    match turn {
        Turn::Done => {}
        Turn::Needs(pending) => send_away(worker, place, pending),
        Turn::Over(end) => {
            let over = worker.sessions.borrow_mut().remove_here(place);
            if let Some(Here { driver, socket }) = over {
                driver.close(worker, &socket, end);
            }
        }
    }
}

/// Lets a session wait in a task of its own.
pub(super) fn send_away(worker: &Worker, place: usize, pending: Pending) {
    let here = worker.sessions.borrow_mut().send_away(place);
    if let Some(here) = here {
        worker.departures.borrow_mut().push((place, here, pending));
    }
}
