//! Waits for the clients of one worker, all of them at once, and gives each its turn. The sessions share one epoll
//! instance, which the runtime waits for as for any other descriptor: a session costs the runtime nothing, neither task
//! nor timer, until it has to wait for something else than its client.

use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_local;

use super::away;
use super::sessions::Here;
use super::turn::{Pending, Turn};
use super::worker::Worker;

/// Sessions that get their turn before the tasks do.
const AT_ONCE: usize = 128;

/// The sessions' epoll instance. A socket that is closed leaves it by itself (epoll(7)).
#[derive(Debug)]
pub(super) struct Poller(OwnedFd);

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Tells of this socket's input by its place, once for each time that some comes.
    pub(super) fn add(&self, socket: &TcpStream, place: usize) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.0, socket, EventData::new_u64(place as u64), flags)?)
    }
}

/// Gives sessions their turns, as long as the worker runs.
pub(super) async fn run(worker: Rc<Worker>) -> io::Result<()> {
    let mut poller = readable(worker.poller.0.try_clone()?)?;
    let mut events = [const { MaybeUninit::<Event>::uninit() }; AT_ONCE];
    loop {
        let mut ready = poller.readable_mut().await?;
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let (told, _) = epoll::wait(&worker.poller.0, &mut events[..], Some(&at_once))?;
        // With fewer than there is room for, nothing waits behind them.
        if told.len() < AT_ONCE {
            ready.clear_ready();
        }
        for event in told {
            let closing = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            // The flags are in a packed struct: copied, not borrowed.
            let flags = event.flags;
            take_turn(&worker, event.data.u64() as usize, flags.intersects(closing));
        }
        tokio::task::yield_now().await;
    }
}

/// Gives a session its turn, if it is here; one that is away reads for itself.
pub(super) fn take_turn(worker: &Rc<Worker>, place: usize, to_the_end: bool) {
    let turn = {
        let mut sessions = worker.sessions.borrow_mut();
        let Some(Here { driver, socket }) = sessions.here(place) else { return };
        driver.turn(worker, socket, to_the_end)
    };
    settle(worker, place, turn);
}

/// Does what a turn led to.
pub(super) fn settle(worker: &Rc<Worker>, place: usize, turn: Turn) {
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
pub(super) fn send_away(worker: &Rc<Worker>, place: usize, pending: Pending) {
    let here = worker.sessions.borrow_mut().send_away(place);
    if let Some(here) = here {
        spawn_local(away::go(Rc::clone(worker), place, here, pending));
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, for types whose descriptor may change or close meanwhile; an OwnedFd keeps its"
)]
fn readable(poller: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(poller, Interest::READABLE)
}
