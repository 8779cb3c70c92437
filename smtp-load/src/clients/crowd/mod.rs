//! Many sessions at once from one thread, over one epoll instance: begun when somebody says so, each by its script, each
//! given up when its patience is over. Decides nothing about when, who and what: that is the director's.

mod end;
mod script;
mod session;
mod wire;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use slab::Slab;

pub use end::{End, Ended};
pub use script::{Leaves, Script, Step};

use session::{Progress, Session};
use wire::Wire;

/// Somebody who comes.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What they will do.
    pub script: Arc<Script>,
    /// The address that they come from, if not the one that the kernel chooses.
    pub source: Option<IpAddr>,
    /// When they were to come.
    pub due: Instant,
    /// What the director knows them by.
    pub tag: usize,
}

/// What is next.
#[derive(Debug)]
pub enum Next {
    /// This one comes.
    Begin(Arrival),
    /// Nobody before this time.
    NotBefore(Instant),
    /// Nobody any more.
    Nobody,
}

/// Says who comes and when, and hears what became of them.
pub trait Director {
    /// Is asked whenever there is room for one more.
    fn next(&mut self, now: Instant) -> Next;
    /// A reply has come.
    fn heard(&mut self, _tag: usize, _code: u16) {}
    /// A session is over.
    fn ended(&mut self, ended: Ended);
}

/// Where a crowd goes, and its bounds.
#[derive(Clone, Debug)]
pub struct Crowd<'c> {
    /// Where the server is.
    pub target: SocketAddr,
    /// Sessions at once, at most.
    pub at_once: usize,
    /// For a session that makes no progress (a SYN that was dropped, a server that hangs).
    pub patience: Duration,
    /// For the whole run: sessions that are not done by then are given up.
    pub at_most: Duration,
    /// Ends the run early, as its time would.
    pub stop: Option<&'c AtomicBool>,
}

/// How often sessions without progress are looked for, and how long a wait is at most.
const SWEEP: Duration = Duration::from_millis(100);
/// Sessions begun in a row, before those that have begun are looked after.
const BEGUN_IN_A_ROW: usize = 256;

/// What tells that the server has closed, or that the connection is gone.
const OVER: epoll::EventFlags =
    epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP).union(epoll::EventFlags::ERR);

struct Run<'r, D> {
    plan: &'r Crowd<'r>,
    director: &'r mut D,
    epoll: OwnedFd,
    sessions: Slab<Session>,
    /// When a session wakes by itself. Whose entry is no longer true is not woken.
    wakes: BinaryHeap<Reverse<(Instant, usize)>>,
    now: Instant,
}

impl Crowd<'_> {
    /// Goes there. Blocks the calling thread; an error is one of this machine, what the server did wrong the director
    /// hears. Says how long it took.
    pub fn run(&self, director: &mut impl Director) -> anyhow::Result<Duration> {
        ensure!(self.at_once > 0, "at least one connection is needed");
        let started = Instant::now();
        let mut run = Run {
            plan: self,
            director,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot create an epoll instance")?,
            sessions: Slab::with_capacity(self.at_once.min(4096)),
            wakes: BinaryHeap::new(),
            now: started,
        };
        let mut events = vec![MaybeUninit::<epoll::Event>::uninit(); self.at_once.min(1024)];
        let mut next_sweep = started + SWEEP;
        loop {
            run.now = Instant::now();
            let is_stopped = self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
            if is_stopped || run.now >= started + self.at_most {
                run.give_up(&End::CutShort, |_| true);
                break;
            }
            let Some(until) = run.admit()? else { break };
            let wait = until.min(next_sweep).saturating_duration_since(run.now);
            let wait = rustix::time::Timespec::try_from(wait).context("the wait does not fit")?;
            match epoll::wait(&run.epoll, events.as_mut_slice(), Some(&wait)) {
                Ok((ready, _)) => {
                    run.now = Instant::now();
                    for event in ready {
                        // The end comes with the last bytes as one event: where it is told of, it must be read up to.
                        let flags = event.flags;
                        run.advance(event.data.u64() as usize, flags.intersects(OVER));
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("waiting for the server failed"),
            }
            run.wake();
            if run.now >= next_sweep {
                next_sweep = run.now + SWEEP;
                let (now, patience) = (run.now, self.patience);
                run.give_up(&End::NoAnswer, |session| {
                    session.wakes.is_none() && now.duration_since(session.last_progress) > patience
                });
            }
        }
        Ok(started.elapsed())
    }
}

impl<D: Director> Run<'_, D> {
    /// Begins who is due, and says until when there is nothing to do but to listen; none, when all is over.
    fn admit(&mut self) -> anyhow::Result<Option<Instant>> {
        let mut until = self.now + SWEEP;
        if let Some(Reverse((at, _))) = self.wakes.peek() {
            until = until.min(*at);
        }
        for _ in 0..BEGUN_IN_A_ROW {
            if self.sessions.len() >= self.plan.at_once {
                return Ok(Some(until));
            }
            match self.director.next(self.now) {
                Next::Begin(arrival) => self.begin(arrival)?,
                Next::NotBefore(at) => return Ok(Some(until.min(at))),
                Next::Nobody => return Ok((!self.sessions.is_empty()).then_some(until)),
            }
        }
        Ok(Some(self.now))
    }

    fn begin(&mut self, arrival: Arrival) -> anyhow::Result<()> {
        let target = self.plan.target;
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(
            family,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .context("cannot open a socket")?;
        if let Some(source) = arrival.source {
            // Without this, each bind would hold a port of its own for all targets, and they would soon be used up.
            nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)
                .context("cannot bind without a port")?;
            rustix::net::bind(&socket, &SocketAddr::new(source, 0))
                .with_context(|| format!("cannot bind to {source}"))?;
        }
        let connects = rustix::net::connect(&socket, &target);
        let Arrival { script, due, tag, .. } = arrival;
        let minds_writing = script.minds_writing();
        let slot = self.sessions.vacant_entry();
        let mut wanted = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        if minds_writing {
            wanted |= epoll::EventFlags::OUT;
        }
        let added = epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(slot.key() as u64), wanted);
        added.context("cannot watch a socket")?;
        let session = Session::new(Wire::new(socket), script, tag, due, self.now);
        match connects {
            Ok(()) | Err(Errno::INPROGRESS) => {
                slot.insert(session);
            }
            Err(error) => self.director.ended(session.ended(End::CannotConnect(error.to_string()))),
        }
        Ok(())
    }

    fn advance(&mut self, key: usize, ends: bool) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.last_progress = self.now;
        let (woke, tag) = (session.wakes, session.tag);
        let director = &mut self.director;
        match session.advance(self.now, ends, |code| director.heard(tag, code)) {
            Progress::Goes => match session.wakes {
                Some(at) if session.wakes != woke => self.wakes.push(Reverse((at, key))),
                _ => {}
            },
            Progress::Ends(end) => {
                let session = self.sessions.remove(key);
                self.director.ended(session.ended(end));
            }
        }
    }

    fn wake(&mut self) {
        self.now = Instant::now();
        while let Some(&Reverse((at, key))) = self.wakes.peek() {
            if at > self.now {
                return;
            }
            self.wakes.pop();
            if self.sessions.get(key).is_some_and(|session| session.wakes == Some(at)) {
                self.advance(key, false);
            }
        }
    }

    fn give_up(&mut self, end: &End, which: impl Fn(&Session) -> bool) {
        let late: Vec<usize> = self.sessions.iter().filter(|(_, s)| which(s)).map(|(key, _)| key).collect();
        for key in late {
            let session = self.sessions.remove(key);
            self.director.ended(session.ended(end.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
