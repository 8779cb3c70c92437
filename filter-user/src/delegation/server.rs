//! Answers Postfix's requests, each by the judge. Connections are kept as long as Postfix keeps them; their number, and
//! the time and size of each request, are bounded.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use filter_common::Sanction;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::action::Action;
use super::listener::{PolicyListener, Socket};
use super::request::{Request, RequestError};
use crate::address::{ForwardPath, ReversePath, whole};
use crate::config::Config;
use crate::judge::{Docket, Judge, Judgement, Outcome, Passage, Whose, boot_now};
use crate::peers::{Admission, Strike};
use crate::policy::{ClientCertificate, Facts, Login, Sender};
use crate::smtp::{Reply, reply};
use crate::telemetry::label::PolicyOutcome;
use crate::telemetry::{Metrics, field};

/// How long a connection may be silent between requests; Postfix hangs up before (smtpd_policy_service_max_idle: 300s).
const IDLE: Duration = Duration::from_secs(900);
/// For a request, from its first octet, and for Postfix to take the answer.
const EXCHANGE: Duration = Duration::from_secs(10);
/// After the system had no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How often requests that make no sense are logged.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(1);

/// Answers for the judge.
#[derive(Debug)]
pub struct Delegation {
    judge: Arc<Judge>,
    docket: Mutex<Docket>,
    metrics: Metrics,
    places: Arc<Semaphore>,
    authenticated_for: Duration,
    /// Whether a certificate that Postfix has verified can grant anything: only by a name that is listed here, for whom
    /// Postfix trusts to sign certificates was not decided with relaying in mind.
    names_certificates: bool,
    trouble_told: Mutex<Option<Instant>>,
}

impl Delegation {
    /// Asks this judge. At most `max-sessions` connections are served at once.
    #[must_use]
    pub fn new(config: &Config, judge: Arc<Judge>) -> Self {
        Self {
            judge,
            docket: Mutex::new(Docket::new(config.log_refusals, Instant::now())),
            metrics: Metrics::new(),
            places: Arc::new(Semaphore::new(config.max_sessions.min(Semaphore::MAX_PERMITS))),
            authenticated_for: config.auth.authenticated_for,
            names_certificates: !config.tls.client_names.is_empty(),
            trouble_told: Mutex::default(),
        }
    }

    /// Serves all who connect there, for as long as it is polled.
    pub async fn serve(self: Arc<Self>, listener: PolicyListener) -> io::Result<()> {
        match listener.socket {
            Socket::Inet(listener) => {
                let listener = TcpListener::from_std(listener)?;
                loop {
                    let accepted = listener.accept().await;
                    self.welcome(accepted.map(|(stream, _)| stream)).await;
                }
            }
            Socket::Unix { listener, file: _file } => {
                let listener = UnixListener::from_std(listener)?;
                loop {
                    let accepted = listener.accept().await;
                    self.welcome(accepted.map(|(stream, _)| stream)).await;
                }
            }
        }
    }

    async fn welcome<S>(self: &Arc<Self>, accepted: io::Result<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match accepted {
            // Beyond the bound, Postfix is hung up on, and defers by itself.
            Ok(stream) => {
                if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                    let delegation = Arc::clone(self);
                    tokio::spawn(async move {
                        delegation.converse(stream).await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                self.metrics.accept_failures.increment(1);
                self.tell_trouble(&error);
                sleep(PAUSE).await;
            }
        }
    }

    /// Time passes.
    pub fn tick(&self) {
        self.docket().tick(Instant::now());
    }

    /// Answers one connection's requests, until it ends or says something that makes no sense.
    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        let mut admitted = None;
        loop {
            if !matches!(timeout(IDLE, stream.fill_buf()).await, Ok(Ok(octets)) if !octets.is_empty()) {
                return;
            }
            let read = timeout(EXCHANGE, Request::read(&mut stream)).await;
            let (action, last) = match read.unwrap_or(Err(RequestError::CutOff)) {
                Ok(Some(request)) => (self.answer(&request, &mut admitted).await, false),
                Ok(None) => return,
                Err(error) => {
                    self.tell_trouble(&error);
                    (Action::TryLater, true)
                }
            };
            self.metrics.policy_requests.of(outcome(&action)).increment(1);
            let answer = format!("action={action}\n\n");
            let said = timeout(EXCHANGE, stream.write_all(answer.as_bytes())).await;
            if last || !matches!(said, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// What is done with a recipient. `admitted` is the session that was let in last, and whose it is.
    async fn answer(&self, request: &Request, admitted: &mut Option<(IpAddr, Vec<u8>)>) -> Action {
        if !request.at_rcpt {
            return Action::Dunno;
        }
        let whose = Whose { address: request.client, peer: self.judge.register.key(request.client) };
        let now = boot_now();
        if request.login.is_some() {
            // As at our own AUTH: whatever else sends from its address, it is served.
            self.judge.register.authenticate(request.client, now.plus(self.authenticated_for), now);
        }
        let session = (request.client, request.instance.clone());
        if request.instance.is_empty() || admitted.as_ref() != Some(&session) {
            // As for a connection of our own: a limited peer has a rate of them.
            match self.judge.register.admit(request.client, now) {
                Admission::Admitted => *admitted = Some(session),
                Admission::Limited => return Action::HangUp(reply::PEER_LIMITED.line.trim_end().to_owned()),
                Admission::Blocked => return Action::blocked(),
            }
        }
        let (path, sender) = match (whole(ForwardPath::parse(&request.recipient, true)), &request.sender) {
            (Ok(path), sender) => (path, whole(ReversePath::parse(sender, true)).ok()),
            (Err(error), _) => return Action::Say(format!("501 5.1.3 {error}")),
        };
        // Postfix says so, and has found out.
        let login = request.login.as_deref().map(Login::proven);
        let certificate = request.certificate.as_ref().filter(|_| self.names_certificates);
        let certificate = certificate.map(|name| ClientCertificate::verified(vec![name.clone()]));
        let facts = Facts {
            peer: request.client,
            local: request.server,
            // One that cannot be read is none, and none takes away what a grant is narrowed to.
            sender: sender.as_ref().map(Sender::of),
            login: login.as_ref(),
            certificate: certificate.as_ref(),
        };
        let judgement = match self.judge.judge_now(&facts, &path) {
            Some(judgement) => judgement,
            None => {
                let said = self.judge.ask(&path).await;
                self.judge.judge_told(&facts, &path, said)
            }
        };
        let sender = sender.map_or("", |sender| sender.text());
        match judgement.outcome {
            Outcome::Pass(passage) => {
                self.docket().count(judgement.decision);
                match passage {
                    Passage::Route(_) => Action::Dunno,
                    Passage::Relay(..) => Action::Permit,
                }
            }
            Outcome::Answer(answer) => {
                self.docket().refused(whose, sender, &path, &judgement, Instant::now());
                Action::Say(answer.line.trim_end().to_owned())
            }
            Outcome::Refuse(refusal, strike) => {
                // Who has a grant earns no strikes, whatever else it asks for.
                let strike = strike.filter(|_| self.judge.policy.grant(&facts).is_none());
                self.refuse(whose, sender, &path, &judgement, refusal, strike)
            }
        }
    }

    fn refuse(
        &self,
        whose: Whose,
        sender: &str,
        path: &ForwardPath<'_>,
        judgement: &Judgement<'_>,
        refusal: Reply,
        strike: Option<Strike>,
    ) -> Action {
        let (now, at) = (Instant::now(), boot_now());
        let mut docket = self.docket();
        docket.refused(whose, sender, path, judgement, now);
        let Some(strike) = strike else { return Action::reply(refusal) };
        let Some(struck) = self.judge.register.strike(whose.address, strike, at) else {
            return Action::reply(refusal);
        };
        docket.struck(whose, strike, struck, at, now);
        match struck.sanction {
            Sanction::Blocked { .. } => Action::last_reply(refusal),
            Sanction::None | Sanction::Limited { .. } => Action::reply(refusal),
        }
    }

    fn docket(&self) -> std::sync::MutexGuard<'_, Docket> {
        // Nothing that is done under the lock can leave it half-done.
        self.docket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_trouble(&self, error: &impl std::fmt::Display) {
        let now = Instant::now();
        let mut told = self.trouble_told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| now.duration_since(told) >= TROUBLE_INTERVAL) {
            *told = Some(now);
            tracing::warn!({ field::ERROR } = %error, "a policy request could not be answered; Postfix is told to try later");
        }
    }
}

fn outcome(action: &Action) -> PolicyOutcome {
    match action {
        Action::Dunno => PolicyOutcome::Passed,
        Action::Permit => PolicyOutcome::Permitted,
        Action::Say(reply) if reply.starts_with('4') => PolicyOutcome::TryLater,
        Action::Say(_) => PolicyOutcome::Refused,
        Action::HangUp(_) => PolicyOutcome::HungUp,
        Action::TryLater => PolicyOutcome::Malformed,
    }
}
