//! The TLS handshake of a session: before the banner, or behind STARTTLS. It takes turns as the session itself does, and
//! has a deadline of its own.

use std::io;
use std::time::Instant;

use super::driver::{Driver, End};
use super::report::Report;
use super::tls::{Established, Progress, Tls};
use super::turn::{Pending, Turn};
use super::wire::ReadNow;
use super::worker::Worker;
use crate::judge::Whose;
use crate::policy::ClientCertificate;
use crate::smtp::TlsOffer;
use crate::telemetry::field;
use crate::telemetry::label::{HandshakeOutcome, TimeoutKind, TlsVersion};

/// TLS of a session.
#[derive(Debug)]
pub(super) struct SessionTls {
    pub(super) connection: Tls,
    /// The handshake, until it is done.
    handshake: Option<Handshake>,
    /// What the client has proven.
    pub(super) certificate: Option<ClientCertificate>,
}

/// A handshake under way.
#[derive(Clone, Copy, Debug)]
struct Handshake {
    deadline: Instant,
    /// Whether the banner was said already.
    behind_starttls: bool,
}

impl SessionTls {
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.handshake.is_some()
    }
}

impl Driver {
    /// A connection that is TLS from its first octet.
    pub(super) fn begin_tls(&mut self, worker: &Worker) -> Result<(), End> {
        self.expect_handshake(worker, false)
    }

    /// STARTTLS was accepted: the reply goes out in the clear, and nothing that was said before counts any more.
    pub(super) fn start_tls(&mut self, worker: &Worker) -> Turn {
        self.end_transaction();
        self.auth = None;
        self.introduction = self.introduction.take().and_then(|said| said.under_tls()).map(Box::new);
        // The backend has believed what was said in the clear.
        self.leave_delivery();
        if let Some(envelope) = self.envelope.take() {
            worker.give_back_envelope(envelope);
        }
        self.expect_handshake(worker, true).map_or_else(Turn::Over, |()| Turn::Done)
    }

    /// Whatever the client says from here on is TLS.
    fn expect_handshake(&mut self, worker: &Worker, behind_starttls: bool) -> Result<(), End> {
        let settings = &worker.shared.settings;
        let begun = match &settings.tls {
            Some(tls) => tls.begin(),
            None => Err(io::Error::other("there is no certificate")),
        };
        match begun {
            Ok(connection) => {
                let deadline = worker.clock.now() + settings.tls_handshake_timeout;
                let handshake = Some(Handshake { deadline, behind_starttls });
                self.tls = Some(Box::new(SessionTls { connection, handshake, certificate: None }));
                Ok(())
            }
            Err(error) => {
                worker.report.handshake_failed(self.whose(), &error);
                Err(End::NoTls)
            }
        }
    }

    /// Whether the session can say nothing yet.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_shaking_hands())
    }

    /// When the session has taken too long.
    pub(super) fn deadline(&self) -> Instant {
        let handshake = self.tls.as_ref().and_then(|tls| tls.handshake);
        let deadline = self.session.deadline();
        handshake.map_or(deadline, |handshake| handshake.deadline.min(deadline))
    }

    /// Goes on with the handshake; nothing where it is done and the session may go on.
    pub(super) fn shake_hands(&mut self, worker: &Worker, socket: &impl ReadNow) -> Option<Turn> {
        let tls = self.tls.as_mut()?;
        let handshake = tls.handshake?;
        if !self.replies.is_empty() {
            // The reply to STARTTLS goes before it.
            return Some(Turn::Needs(Pending::Flush));
        }
        match tls.connection.shake_hands(socket) {
            Ok(Progress::Done) => {}
            Ok(Progress::Reads) => return Some(Turn::Done),
            Ok(Progress::Writes) => return Some(Turn::Needs(Pending::Flush)),
            Err(error) => {
                worker.report.handshake_failed(self.whose(), &error);
                return Some(Turn::Over(End::NoTls));
            }
        }
        tls.handshake = None;
        let is_its_own = !self.introduction.as_ref().is_some_and(|said| said.names_client());
        if let Some(shared) = &worker.shared.settings.tls {
            let established = shared.established(&tls.connection);
            worker.report.handshake_done(&established);
            tls.certificate = established.certificate.filter(|_| is_its_own);
        }
        self.kind.tls = TlsOffer::InUse;
        self.grant_anew(worker);
        if handshake.behind_starttls {
            self.session.handle_tls(&self.service, worker.clock.now());
            return None;
        }
        if !worker.shared.settings.greet_delay.is_zero() && !self.has_talked(socket) {
            return Some(Turn::Needs(Pending::Banner));
        }
        self.greet(worker, socket).map(Turn::Over)
    }

    /// The handshake has taken too long, or the session altogether.
    pub(super) fn handshake_overdue(&self, worker: &Worker) -> Turn {
        worker.report.handshake_timed_out();
        Turn::Over(End::NoTls)
    }
}

impl Report {
    /// A client has shaken hands.
    pub(super) fn handshake_done(&self, established: &Established) {
        self.metrics.tls_handshakes.of(HandshakeOutcome::Ok).increment(1);
        let version = if established.is_newest { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
        self.metrics.tls_sessions.of(version).increment(1);
        self.metrics.tls_resumed.increment(established.is_resumed.into());
    }

    /// A client's handshake failed.
    pub(super) fn handshake_failed(&self, whose: Whose, error: &io::Error) {
        self.metrics.tls_handshakes.of(HandshakeOutcome::Failed).increment(1);
        if self.is_sampled(whose) {
            tracing::info!({ field::PEER } = %whose.address, { field::ERROR } = %error, "TLS handshake failed");
        }
    }

    /// A client took too long for its handshake.
    pub(super) fn handshake_timed_out(&self) {
        self.metrics.tls_handshakes.of(HandshakeOutcome::TimedOut).increment(1);
        self.timed_out(TimeoutKind::TlsHandshake);
    }
}
