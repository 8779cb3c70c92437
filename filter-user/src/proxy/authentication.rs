//! A session's attempts to authenticate: begins an exchange, carries what the client says to whoever judges it, and does
//! what follows from the outcome: the host counts as authenticated, or it earns a strike and waits. What mechanisms say
//! is not read here, and not kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use super::away::AwaySession;
use super::driver::{Driver, End};
use super::pass_through::Handed;
use super::shared::Shared;
use super::true_address::TrueClient;
use super::turn::Pending;
use super::worker::Worker;
use crate::auth::{ChannelBinding, Claim, Exchange, ExchangeFacts, Step};
use crate::peers::Strike;
use crate::policy::Login;
use crate::smtp::{Answer, AuthCommand, Said, TlsOffer, reply};
use crate::telemetry::label::AuthOutcome;

/// Whether and how a session may authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthWay {
    /// Nobody can.
    Never,
    /// Not before TLS.
    OverTls,
    /// Now.
    Now {
        /// Its TLS connection can be bound to.
        bound: bool,
    },
}

/// What a session has tried, and who it has proven to be.
#[derive(Debug, Default)]
pub(super) struct Authentication {
    attempt: Option<Attempt>,
    login: Option<Login>,
}

/// One exchange.
#[derive(Debug)]
struct Attempt {
    mechanism: Box<str>,
    /// Who the client claims to be; nothing where the mechanism does not show it.
    claim: Option<Claim>,
    judge: Judge,
    /// What the client said last, in base64.
    said: Option<Zeroizing<Vec<u8>>>,
}

/// Who judges.
#[derive(Debug)]
enum Judge {
    /// We do.
    Ours(Box<Exchange>),
    /// The backend does; whether it has heard of it yet.
    Backend {
        /// It knows of the exchange.
        begun: bool,
    },
}

impl Shared {
    /// Whether and how a client may authenticate.
    pub(super) fn auth_way(&self, client: IpAddr, tls: TlsOffer, bound: bool) -> AuthWay {
        let settings = &self.settings.auth;
        match tls {
            _ if !settings.is_offered() => AuthWay::Never,
            TlsOffer::InUse => AuthWay::Now { bound },
            _ if settings.takes_in_clear(client) => AuthWay::Now { bound: false },
            TlsOffer::StartTls => AuthWay::OverTls,
            TlsOffer::Never => AuthWay::Never,
        }
    }
}

impl Driver {
    /// Who the client has proven to be: to us, or to a host that may say so.
    pub(super) fn login(&self) -> Option<&Login> {
        let introduced = || self.introduction.as_ref()?.login();
        self.auth.as_ref().and_then(|auth| auth.login.as_ref()).or_else(introduced)
    }

    /// Whether what the client proves can be bound to its TLS connection.
    pub(super) fn can_be_bound(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.is_exporting())
    }

    /// What the client's answers may be bound to.
    fn bindings(&self) -> Vec<ChannelBinding> {
        let exporter = self.tls.as_ref().and_then(|tls| tls.connection.exporter());
        exporter.map(|octets| ChannelBinding { name: "tls-exporter", octets }).into_iter().collect()
    }

    /// AUTH: begins an exchange.
    pub(super) fn begin_auth<'q>(
        &mut self,
        worker: &Worker,
        command: &AuthCommand<'_>,
    ) -> Result<Answer<'q>, Pending> {
        if !worker.shared.guesses.may_guess(self.peer, worker.clock.timestamp()) {
            worker.report.too_many_guesses();
            return Ok(Answer::Refuse(reply::AUTH_UNAVAILABLE));
        }
        let claim = Claim::by(command.mechanism);
        let judge = match (&worker.shared.authenticator, worker.shared.settings.auth.is_passed_through()) {
            (_, true) if claim.is_some() => Some(Judge::Backend { begun: false }),
            (Some(authenticator), false) => {
                let facts =
                    ExchangeFacts { client: self.client, local: self.local, bindings: self.bindings() };
                authenticator.begin(command.mechanism, facts).map(|exchange| Judge::Ours(Box::new(exchange)))
            }
            _ => None,
        };
        let Some(judge) = judge else { return Ok(Answer::Refuse(reply::MECHANISM_UNKNOWN)) };
        let mut attempt =
            Attempt { mechanism: command.mechanism.to_ascii_uppercase().into(), claim, judge, said: None };
        if let Some(initial) = command.initial {
            attempt.hear(initial);
        }
        self.auth.get_or_insert_default().attempt = Some(attempt);
        Err(Pending::Auth)
    }

    /// A response in an exchange.
    pub(super) fn go_on_with_auth<'q>(&mut self, said: Said<'_>) -> Result<Answer<'q>, Pending> {
        match self.auth.as_mut().and_then(|auth| auth.attempt.as_mut()) {
            Some(attempt) => {
                attempt.hear(said);
                Err(Pending::Auth)
            }
            None => Ok(Answer::Refuse(reply::AUTH_UNAVAILABLE)),
        }
    }

    /// The client has given up.
    pub(super) fn cancel_auth(&mut self, worker: &Worker) {
        let Some(attempt) = self.auth.as_mut().and_then(|auth| auth.attempt.take()) else { return };
        if let Judge::Backend { begun: true } = attempt.judge {
            // Where the backend's exchange stands then is no business of the next one.
            self.abandon_delivery();
        }
        worker.report.auth_ended(self.whose(), &attempt.mechanism, None, AuthOutcome::Cancelled);
    }

    /// Gives the session the answer to AUTH, or to a response.
    fn answer_auth(&mut self, answer: Answer<'_>) {
        self.session.handle_answer(&self.service, answer, &mut self.replies, Instant::now());
    }

    /// The client is who it claims to be: its host is never sanctioned for a while, and it may be granted more.
    fn authenticated(&mut self, worker: &Worker, login: Login) {
        let now = worker.clock.timestamp();
        let until = now.plus(worker.shared.settings.auth.authenticated_for);
        worker.shared.judge.register.authenticate(self.client.ip(), until, now);
        self.auth.get_or_insert_default().login = Some(login);
        if let Some(delivery) = &mut self.delivery {
            delivery.retire();
        }
        self.grant_anew(worker);
    }
}

impl Attempt {
    fn hear(&mut self, Said(said): Said<'_>) {
        if let Some(claim) = &mut self.claim {
            claim.hear(said);
        }
        self.said = Some(Zeroizing::new(said.to_vec()));
    }
}

impl AwaySession<'_> {
    /// Puts what the client said to whoever judges it, and does what follows.
    pub(super) async fn authenticate(&mut self, driver: &mut Driver) -> Option<End> {
        let attempt = driver.auth.as_mut().and_then(|auth| auth.attempt.take());
        let Some(mut attempt) = attempt else {
            driver.answer_auth(Answer::Refuse(reply::AUTH_UNAVAILABLE));
            return None;
        };
        let said = attempt.said.take();
        let said = said.as_ref().map(|said| said.as_slice());
        let step = match &mut attempt.judge {
            Judge::Ours(exchange) => self.unless_blocked(exchange.step(said)).await,
            Judge::Backend { begun } => {
                let begins = !std::mem::replace(begun, true);
                let mechanism = begins.then_some(&*attempt.mechanism);
                self.hand_through(driver, mechanism, said, attempt.claim.as_ref()).await
            }
        };
        let Some(step) = step else { return Some(End::Blocked) };
        self.worker.clock.read();
        if let Step::Challenge(challenge) = step {
            driver.auth.get_or_insert_default().attempt = Some(attempt);
            driver.answer_auth(Answer::Challenge(&challenge));
            return None;
        }
        self.end_attempt(driver, &attempt, step).await
    }

    async fn end_attempt(&mut self, driver: &mut Driver, attempt: &Attempt, step: Step) -> Option<End> {
        let (whose, report) = (driver.whose(), &self.worker.report);
        let claimed = attempt.claim.as_ref().and_then(Claim::login);
        let (outcome, answer) = match step {
            Step::Proven(login) => {
                report.auth_ended(whose, &attempt.mechanism, Some(login.name()), AuthOutcome::Ok);
                driver.authenticated(self.worker, login);
                driver.answer_auth(Answer::Accept);
                return None;
            }
            Step::Failed => (AuthOutcome::Failed, reply::AUTH_FAILED),
            Step::Malformed => (AuthOutcome::Malformed, reply::AUTH_NOT_BASE64),
            Step::Unavailable | Step::Challenge(_) => (AuthOutcome::Unavailable, reply::AUTH_UNAVAILABLE),
        };
        report.auth_ended(whose, &attempt.mechanism, claimed, outcome);
        if outcome == AuthOutcome::Failed {
            self.worker.shared.guesses.failed(whose.peer, self.worker.clock.timestamp());
            driver.blocked |= self.worker.strike(whose, Strike::FailedAuth, driver.kind.granted);
            let delay = tokio::time::sleep(self.worker.shared.settings.auth.failure_delay);
            if driver.blocked || self.unless_blocked(delay).await.is_none() {
                return Some(End::Blocked);
            }
        }
        driver.answer_auth(Answer::Refuse(answer));
        None
    }

    /// Hands what the client said to the backend, by the connection that its mail will take.
    async fn hand_through(
        &self,
        driver: &mut Driver,
        mechanism: Option<&str>,
        said: Option<&[u8]>,
        claim: Option<&Claim>,
    ) -> Option<Step> {
        if claim.is_some_and(Claim::is_nobodys) {
            // The backend may log it in as somebody whom we take for nobody, or for another.
            driver.abandon_delivery();
            return Some(Step::Failed);
        }
        let shared = Arc::clone(&self.worker.shared);
        let settings = &shared.settings.backend;
        let mut delivery = driver.delivery.take().unwrap_or_default();
        let local = driver.local.or_else(|| self.stream.local_addr().ok());
        let envelope = driver.envelope.take().unwrap_or_default();
        let client = TrueClient {
            address: driver.client,
            local,
            helo: envelope.helo(),
            extended: envelope.extended(),
            login: None,
        };
        let handing = delivery.hand_auth(mechanism, said, &client, settings, &shared.destinations);
        let handed = self.unless_blocked(handing).await;
        self.worker.report.dialled(&delivery.take_dials());
        driver.envelope = Some(envelope);
        driver.delivery = Some(delivery);
        let step = match handed? {
            Handed::Challenge(challenge) => Step::Challenge(challenge),
            Handed::Accepted => match claim.and_then(Claim::believed) {
                Some(login) => Step::Proven(login),
                // The backend knows who it is, and we do not: what it may do cannot be said.
                None => {
                    driver.abandon_delivery();
                    Step::Failed
                }
            },
            Handed::Refused => Step::Failed,
            Handed::Unavailable(error) => {
                if let Some(error) = error {
                    self.worker.report.backend_failed(&error);
                }
                Step::Unavailable
            }
        };
        Some(step)
    }
}

/// The mechanisms of a kind of session, as EHLO shows them: separated by a space; nothing where none can be had now.
pub(super) fn mechanisms(shared: &Shared, of_backend: &[String], bound: bool) -> Option<String> {
    let settings = &shared.settings.auth;
    let offered = if settings.is_passed_through() {
        // What is bound to the client's connection with us is not bound to ours with the backend.
        let can_be_handed = |name: &&String| of_backend.contains(name) && Claim::by(name).is_some();
        settings.mechanisms.iter().filter(can_be_handed).cloned().collect()
    } else {
        shared.authenticator.as_ref().map(|known| known.mechanisms(bound)).unwrap_or_default()
    };
    (!offered.is_empty()).then(|| offered.join(" "))
}
