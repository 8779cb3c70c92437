//! One session and what belongs to it, from the banner to the close. Its turns are in `turn`, its waits in `consult`.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use filter_common::PeerKey;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::delivery::Delivery;
use super::envelope::Envelope;
use super::listener::{has_talked, reset_at_close, send_now};
use super::offer::Offer;
use super::seat::Seat;
use super::turn::Turn;
use super::worker::Worker;
use crate::policy::Facts;
use crate::smtp::{CloseReason, Session};

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The session said so.
    Closed(CloseReason),
    /// The client hung up.
    HungUp,
    /// The client does not take our replies.
    StoppedReading,
    /// The peer was blocked.
    Blocked,
    /// The daemon stops.
    Drained,
}

/// A connection that was just accepted.
pub(super) struct Accepted {
    /// Its socket, which the runtime has not heard of.
    pub(super) socket: OwnedFd,
    /// The other end.
    pub(super) client: SocketAddr,
    /// This end, where it is known without asking.
    pub(super) local: Option<SocketAddr>,
    /// Whose it is.
    pub(super) peer: PeerKey,
    /// Its place among the sessions.
    pub(super) seat: Seat,
}

/// One session and what belongs to it.
pub(super) struct Driver {
    pub(super) worker: Rc<Worker>,
    pub(super) stream: TcpStream,
    pub(super) session: Session,
    pub(super) offer: Rc<Offer>,
    pub(super) delivery: Option<Box<Delivery>>,
    pub(super) envelope: Option<Box<Envelope>>,
    /// Input that no turn has used up: the beginning of a line, or what stands behind a question.
    pub(super) held: Vec<u8>,
    /// Whether `held` may contain whole commands.
    pub(super) unread: bool,
    /// Replies that are not sent yet; empty but while the backend is asked or the client is slow.
    pub(super) replies: Vec<u8>,
    pub(super) client: SocketAddr,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: PeerKey,
    pub(super) granted: bool,
    pub(super) seat: Seat,
    pub(super) blocked: bool,
    pub(super) opened: Instant,
    pub(super) slot: usize,
}

/// A session that was greeted, or is still to be.
struct Opening {
    session: Session,
    replies: Vec<u8>,
    end: Option<End>,
    blocked: bool,
}

impl Driver {
    /// Opens a session. Where there is no reason to wait, the banner is said at once, while the connection is at hand
    /// and before the runtime hears of it: who cannot wait for it never gets that far.
    pub(super) fn open(worker: &Rc<Worker>, accepted: Accepted) -> io::Result<()> {
        let Accepted { socket, client, local, peer, seat } = accepted;
        let offer = worker.offer();
        let granted = worker.shared.policy.grant(&Facts { peer: client.ip(), local }).is_some();
        let opened = Instant::now();
        let session = Session::new(offer.service(granted), opened);
        let mut opening = Opening { session, replies: Vec::new(), end: None, blocked: false };
        if worker.shared.settings.greet_delay.is_zero() {
            opening.greet(worker, &socket, &offer, granted, client, peer);
        }
        let Opening { session, replies, end, blocked } = opening;
        worker.report.session_opened();
        if let Some(end) = end {
            if blocked {
                reset_at_close(&socket);
            }
            worker.report.session_closed(end, 0);
            return Ok(());
        }
        let stream = TcpStream::from_std(socket.into())?;
        let slot = worker.slots.borrow_mut().insert(peer, session.deadline());
        let driver = Self {
            worker: Rc::clone(worker),
            stream,
            session,
            offer,
            delivery: None,
            envelope: None,
            held: Vec::new(),
            unread: false,
            replies,
            client,
            local,
            peer,
            granted,
            seat,
            blocked,
            opened,
            slot,
        };
        spawn_local(driver.run());
        Ok(())
    }

    /// Serves it to its end. What a refused session does not need is a future of its own, so that this one is small.
    async fn run(mut self) {
        let mut end = None;
        if !self.worker.shared.settings.greet_delay.is_zero() {
            end = Box::pin(self.greet_later()).await;
        }
        while end.is_none() {
            let turn = poll_fn(|cx| self.poll_turn(cx)).await;
            if let Turn::Needs(pending) = turn {
                end = Box::pin(self.ask_backend(pending)).await;
                continue;
            }
            if !self.replies.is_empty() {
                end = Box::pin(self.flush()).await;
            }
            if let Turn::Over(over) = turn {
                end = end.or(Some(over));
            }
        }
        if let Some(end) = end {
            self.finish(end);
        }
    }

    /// Says the banner after a while, unless the peer cannot wait for it.
    async fn greet_later(&mut self) -> Option<End> {
        // Whoever talks now is an early talker; whoever hangs up is found out by the first turn.
        let delay = self.worker.shared.settings.greet_delay;
        let _ = tokio::time::timeout(delay, self.stream.readable()).await;
        let worker = Rc::clone(&self.worker);
        let offer = Rc::clone(&self.offer);
        let unused = Session::new(offer.service(self.granted), self.opened);
        let session = std::mem::replace(&mut self.session, unused);
        let mut opening = Opening { session, replies: Vec::new(), end: None, blocked: false };
        opening.greet(&worker, &self.stream, &offer, self.granted, self.client, self.peer);
        self.session = opening.session;
        self.replies = opening.replies;
        self.blocked = opening.blocked;
        self.set_deadline();
        opening.end
    }

    fn finish(mut self, end: End) {
        if self.blocked || end == End::StoppedReading {
            reset_at_close(&self.stream);
        }
        if let Some(delivery) = &mut self.delivery {
            delivery.quit();
        }
        self.worker.report.session_closed(end, self.session.commands());
    }
}

impl Opening {
    /// Says the banner, or what is said in its place to who has talked before it.
    fn greet(
        &mut self,
        worker: &Worker,
        socket: &impl AsFd,
        offer: &Offer,
        granted: bool,
        client: SocketAddr,
        peer: PeerKey,
    ) {
        let mut scratch = worker.scratch.borrow_mut();
        let out = &mut scratch.out;
        out.clear();
        let service = offer.service(granted);
        if has_talked(socket) {
            self.session.handle_early_talk(service, out);
            self.end = Some(End::Closed(CloseReason::EarlyTalker));
            if let Some(offence) = self.session.poll_offence() {
                self.blocked = worker.note_offence(client.ip(), peer, offence, granted);
            }
        } else {
            self.session.handle_accept(service, out, Instant::now());
        }
        match send_now(socket, out) {
            Ok(sent) => self.replies.extend_from_slice(&out[sent..]),
            Err(_) => self.end = self.end.or(Some(End::HungUp)),
        }
        if self.blocked {
            self.end = Some(End::Blocked);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.worker.slots.borrow_mut().remove(self.slot);
        if let Some(envelope) = self.envelope.take() {
            self.worker.give_back_envelope(envelope);
        }
    }
}
