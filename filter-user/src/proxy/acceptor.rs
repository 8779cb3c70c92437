//! Accepts connections, and decides whether each is served at all. One that is not costs an accept and a close; one that
//! is hears the banner at once, while its socket is at hand.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::net::getsockname;

use super::driver::Driver;
use super::event_loop::send_away;
use super::listener::{accept, reset_at_close, send_now};
use super::seat::Seat;
use super::sessions::Here;
use super::shared::Shared;
use super::turn::Pending;
use super::worker::{Listener, Worker};
use crate::judge::Whose;
use crate::peers::Admission;
use crate::smtp::{Reply, TlsOffer, reply};
use crate::telemetry::label::SessionRefusal;

/// Connections accepted at once, where nobody else waits for a turn.
const AT_ONCE: usize = 64;

/// Accepts on a listener that has connections waiting: one, where sessions wait for their turn too, for those are to be
/// served while they are warm; else all, up to a bound.
pub(super) fn accept_waiting(worker: &Rc<Worker>, number: u64, alone: bool) {
    let listening = worker.listeners.borrow();
    let Some(listening) = usize::try_from(number).ok().and_then(|number| listening.get(number)) else {
        return;
    };
    for _ in 0..if alone { AT_ONCE } else { 1 } {
        match accept(&listening.listener) {
            Ok((socket, client)) => admit(worker, socket, client, listening),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // There is no room for another socket: the listener is left alone until the next tick.
                worker.report.accept_failed(&error);
                worker.heed_listeners(false);
                return;
            }
        }
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

/// Decides whether a connection is served.
fn admit(worker: &Rc<Worker>, socket: OwnedFd, client: SocketAddr, listening: &Listener) {
    let shared = &worker.shared;
    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
    let whose = Whose { address: client.ip(), peer: shared.judge.register.key(client.ip()) };
    match shared.judge.register.admit(client.ip(), worker.clock.timestamp()) {
        Admission::Blocked => {
            reset_at_close(&socket);
            worker.report.not_served(whose, SessionRefusal::Blocked);
            return;
        }
        Admission::Limited => {
            return turn_away(worker, &socket, listening, whose, SessionRefusal::Limited);
        }
        Admission::Admitted => {}
    }
    match Seat::take(shared, client.ip(), whose.peer) {
        Ok(seat) => {
            let local = listening.bound.or_else(|| where_it_matters(shared, &socket));
            let driver = Driver::new(worker, client, local, whose.peer, seat, listening);
            open(worker, socket.into(), driver);
        }
        Err(why) => turn_away(worker, &socket, listening, whose, why),
    }
}

/// Where a client of a listener that listens everywhere has connected to, if that may grant something: else nobody asks the
/// system before it must be told to a backend.
fn where_it_matters(shared: &Shared, socket: &OwnedFd) -> Option<SocketAddr> {
    let local = shared.settings.local_matters.then(|| getsockname(socket).ok()).flatten()?;
    SocketAddr::try_from(local).ok()
}

/// What who may have no session is told.
pub(super) fn refusal_of(why: SessionRefusal) -> Reply {
    match why {
        SessionRefusal::Blocked => reply::PEER_BLOCKED,
        SessionRefusal::Limited => reply::PEER_LIMITED,
        SessionRefusal::MaxSessions => reply::TOO_MANY_SESSIONS,
        SessionRefusal::MaxSessionsPerPeer => reply::TOO_MANY_SESSIONS_OF_PEER,
    }
}

fn turn_away(worker: &Worker, socket: &OwnedFd, listening: &Listener, whose: Whose, why: SessionRefusal) {
    if listening.tls != TlsOffer::InUse {
        // One that does not take a line of text is not worth waiting for. One that waits for TLS would not understand
        // it, and a handshake to say it in would cost more than the session.
        let _ = send_now(socket, refusal_of(why).line.as_bytes());
    }
    worker.report.not_served(whose, why);
}

/// Opens a session. Where there is no reason to wait, the banner is said at once: who cannot wait for it gets no further.
fn open(worker: &Rc<Worker>, socket: TcpStream, mut driver: Driver) {
    let settings = &worker.shared.settings;
    let opened = if settings.true_address.is_balancer(driver.client.ip()) {
        Ok(Some(Pending::ProxyHeader))
    } else if driver.kind.tls == TlsOffer::InUse {
        // The banner is said behind the handshake, which the client begins.
        driver.begin_tls(worker).map(|()| None)
    } else if !settings.greet_delay.is_zero() {
        Ok(Some(Pending::Banner))
    } else {
        let sent = driver.greet(worker, &socket).map_or(Ok(()), Err);
        sent.map(|()| (!driver.replies.is_empty()).then_some(Pending::Flush))
    };
    let pending = match opened {
        Ok(pending) => pending,
        Err(end) => return driver.close(worker, &socket, end),
    };
    let mut sessions = worker.sessions.borrow_mut();
    if let Err(error) = worker.poller.add_session(&socket, sessions.next()) {
        worker.report.accept_failed(&error);
        driver.close_unserved(worker);
        return;
    }
    let place = sessions.insert(Here { driver, socket });
    drop(sessions);
    if let Some(pending) = pending {
        send_away(worker, place, pending);
    }
}
