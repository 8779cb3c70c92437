//! One session and what belongs to it, from the banner to the close. Its turns are in `turn`, its waits in `away`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Instant;

use filter_common::PeerKey;

use super::authentication::Authentication;
use super::delivery::Delivery;
use super::envelope::Envelope;
use super::handshake::SessionTls;
use super::introduction::Introduction;
use super::listener::reset_at_close;
use super::offer::Kind;
use super::seat::Seat;
use super::wire::ReadNow;
use super::worker::{Listener, Worker};
use crate::judge::Whose;
use crate::policy::Facts;
use crate::smtp::{CloseReason, Service, Session};

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The session said so.
    Closed(CloseReason),
    /// The client hung up.
    HungUp,
    /// The TLS handshake failed.
    NoTls,
    /// The client does not take our replies.
    StoppedReading,
    /// The peer was blocked.
    Blocked,
    /// A balancer did not say for whom it connected.
    NoHeader,
    /// The client that a balancer connected for may have no session.
    TurnedAway,
    /// The daemon stops.
    Drained,
}

/// One session and what belongs to it, but for its socket.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) session: Session,
    /// What it is offered, for as long as it stays of its kind.
    pub(super) service: Rc<Service>,
    pub(super) kind: Kind,
    pub(super) delivery: Option<Box<Delivery>>,
    pub(super) envelope: Option<Box<Envelope>>,
    /// What it has tried to authenticate, if it has.
    pub(super) auth: Option<Box<Authentication>>,
    /// Input that no turn has used up: the beginning of a line, or what stands behind a question.
    pub(super) held: Vec<u8>,
    /// Whether `held` may contain whole commands.
    pub(super) unread: bool,
    /// TLS, where the session has it.
    pub(super) tls: Option<Box<SessionTls>>,
    /// Replies that are not sent yet; empty but while the backend is asked or the client is slow.
    pub(super) replies: Vec<u8>,
    pub(super) client: SocketAddr,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: PeerKey,
    /// A balancer has connected and named no client: addresses grant it nothing.
    pub(super) unnamed: bool,
    /// What was said of the client in its place.
    pub(super) introduction: Option<Box<Introduction>>,
    pub(super) seat: Seat,
    pub(super) blocked: bool,
    pub(super) opened: Instant,
}

impl Driver {
    /// A session in its seat; nothing was said yet.
    pub(super) fn new(
        worker: &Worker,
        client: SocketAddr,
        local: Option<SocketAddr>,
        peer: PeerKey,
        seat: Seat,
        listener: &Listener,
    ) -> Self {
        let granted = worker.shared.judge.policy.grant(&Facts::of_connection(client.ip(), local)).is_some();
        let opened = worker.clock.now();
        let speaks_for_others = worker.shared.settings.true_address.may_speak(client.ip());
        let auth = worker.shared.auth_way(client.ip(), listener.tls, false);
        let kind = Kind { profile: listener.profile, granted, tls: listener.tls, speaks_for_others, auth };
        let service = worker.service(kind);
        let session = Session::new(&service, opened);
        worker.report.session_opened();
        Self {
            session,
            service,
            kind,
            delivery: None,
            envelope: None,
            auth: None,
            held: Vec::new(),
            unread: false,
            tls: None,
            replies: Vec::new(),
            client,
            local,
            peer,
            unnamed: false,
            introduction: None,
            seat,
            blocked: false,
            opened,
        }
    }

    /// Says the banner, or what is said in its place to who has talked before it.
    pub(super) fn greet(&mut self, worker: &Worker, socket: &impl ReadNow) -> Option<End> {
        let early = self.has_talked(socket);
        let mut scratch = worker.scratch.borrow_mut();
        let out = &mut scratch.out;
        out.clear();
        let service = &self.service;
        if early {
            self.session.handle_early_talk(service, out);
        } else {
            self.session.handle_accept(service, out, worker.clock.now());
        }
        self.note_offence(worker);
        let sent = self.send(socket, out, false);
        if self.blocked {
            Some(End::Blocked)
        } else if early {
            Some(End::Closed(CloseReason::EarlyTalker))
        } else {
            sent.err().map(|_| End::HungUp)
        }
    }

    /// What the policy is told of this session.
    pub(super) fn facts(&self) -> Facts<'_> {
        let sender = self.envelope.as_ref().map(|envelope| envelope.sender_parts());
        let certificate = self.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let local = self.local.filter(|_| !self.unnamed);
        let of_connection = Facts::of_connection(self.origin(), local);
        Facts { sender, login: self.login(), certificate, ..of_connection }
    }

    /// The address by which the session is granted something: none, where nobody was named.
    fn origin(&self) -> IpAddr {
        if self.unnamed { Ipv4Addr::UNSPECIFIED.into() } else { self.client.ip() }
    }

    /// More is known of the client, or it is another: what it may, and what it is offered, is found out anew.
    pub(super) fn grant_anew(&mut self, worker: &Worker) {
        self.kind.granted = worker.shared.judge.policy.grant(&self.facts()).is_some();
        self.kind.auth = worker.shared.auth_way(self.origin(), self.kind.tls, self.can_be_bound());
        self.service = worker.service(self.kind);
    }

    /// Whose session this is.
    pub(super) fn whose(&self) -> Whose {
        Whose { address: self.client.ip(), peer: self.peer }
    }

    /// Whether the backend has something of this session's that is not ended.
    pub(super) fn in_transaction(&self) -> bool {
        self.delivery.as_ref().is_some_and(|delivery| delivery.is_open())
    }

    /// Counts offences against the protocol, if there were any.
    pub(super) fn note_offence(&mut self, worker: &Worker) {
        while let Some(offence) = self.session.poll_offence() {
            self.blocked |= worker.note_offence(self.whose(), offence, self.kind.granted);
        }
    }

    /// The system had no room to go on with it; the socket is gone.
    pub(super) fn close_unserved(self, worker: &Worker) {
        self.end(worker, End::HungUp);
    }

    /// It is over; the socket is closed behind this.
    pub(super) fn close(mut self, worker: &Worker, socket: &impl AsFd, end: End) {
        if self.blocked || matches!(end, End::StoppedReading | End::Blocked) {
            reset_at_close(socket);
        } else {
            self.end_wire(socket);
        }
        self.end(worker, end);
    }

    fn end(mut self, worker: &Worker, end: End) {
        if let Some(delivery) = &mut self.delivery {
            delivery.quit();
        }
        if let Some(envelope) = self.envelope.take() {
            worker.give_back_envelope(envelope);
        }
        worker.report.session_closed(end, &self.session);
    }
}
