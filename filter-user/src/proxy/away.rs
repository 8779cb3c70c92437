//! Where a session has to wait for something else than its client's next command: the backend's word, a client that is
//! slow to take our replies. It does so in a task of its own, made only then, and comes back when it is idle again.
//! Every wait ends when the peer is blocked meanwhile.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::driver::{Driver, End};
use super::sessions::Here;
use super::true_address::TrueClient;
use super::turn::{Pending, Turn};
use super::worker::Worker;
use crate::address::ForwardPath;
use crate::judge::Passage;
use crate::policy::Login;
use crate::smtp::{Answer, reply};

/// Takes a session through its waits, until it is over or idle.
pub(super) async fn go(worker: Rc<Worker>, place: usize, here: Here, pending: Pending) {
    let Here { mut driver, socket } = here;
    match TcpStream::from_std(socket) {
        Ok(stream) => {
            let mut away = AwaySession { worker: &worker, place, stream };
            let end = away.through(&mut driver, pending).await;
            let AwaySession { stream, .. } = away;
            come_back(&worker, place, driver, stream, end);
        }
        Err(error) => {
            worker.report.accept_failed(&error);
            driver.close_unserved(&worker);
            worker.sessions.borrow_mut().end_away(place);
        }
    }
    worker.one_less_away();
}

fn come_back(worker: &Worker, place: usize, mut driver: Driver, stream: TcpStream, end: Option<End>) {
    let mut sessions = worker.sessions.borrow_mut();
    if let Some(end) = end {
        driver.close(worker, &stream, end);
        sessions.end_away(place);
        return;
    }
    driver.give_up_room();
    // What came while nobody listened is told of once more.
    let socket =
        stream.into_std().and_then(|socket| worker.poller.tell_again(&socket, place).map(|()| socket));
    match socket {
        Ok(socket) => sessions.bring_back(place, Here { driver, socket }),
        Err(error) => {
            worker.report.accept_failed(&error);
            driver.close_unserved(worker);
            sessions.end_away(place);
        }
    }
}

/// A session's connection while it is away.
pub(super) struct AwaySession<'w> {
    pub(super) worker: &'w Rc<Worker>,
    pub(super) place: usize,
    pub(super) stream: TcpStream,
}

impl AwaySession<'_> {
    /// Waits and takes turns, until the session is over or idle.
    async fn through(&mut self, driver: &mut Driver, mut pending: Pending) -> Option<End> {
        loop {
            let end = self.wait(driver, pending).await;
            if end.is_some() {
                return end;
            }
            self.worker.clock.read();
            pending = match driver.turn(self.worker, &self.stream, true) {
                Turn::Done if driver.in_transaction() => Pending::Command,
                Turn::Done => return None,
                Turn::Needs(pending) => pending,
                Turn::Over(end) => return Some(end),
            };
            // XCLIENT may have made it another's.
            self.worker.sessions.borrow_mut().is_of(self.place, driver.peer);
        }
    }

    async fn wait(&mut self, driver: &mut Driver, pending: Pending) -> Option<End> {
        match pending {
            Pending::ProxyHeader => self.proxy_header(driver).await,
            Pending::Banner => self.banner(driver).await,
            Pending::Command => self.command(driver).await,
            Pending::Flush => self.flush(driver).await,
            Pending::LastWords(end) => self.flush(driver).await.or(Some(end)),
            Pending::Lookup => self.look_up(driver).await,
            Pending::Recipient(_) | Pending::Data => self.consult(driver, pending).await,
            Pending::Auth => self.authenticate(driver).await,
            Pending::Pump => self.pump(driver).await,
        }
    }

    /// Says the banner after a while, unless the peer cannot wait for it.
    pub(super) async fn banner(&mut self, driver: &mut Driver) -> Option<End> {
        // Whoever talks now is an early talker; whoever hangs up is found out by the first turn.
        let waiting = timeout(self.worker.shared.settings.greet_delay, self.stream.readable());
        if self.unless_blocked(waiting).await.is_none() {
            return Some(End::Blocked);
        }
        driver.greet(self.worker, &self.stream)
    }

    /// Waits for the client: the session is not idle, so it has not gone back.
    async fn command(&mut self, driver: &mut Driver) -> Option<End> {
        let deadline = tokio::time::Instant::from_std(driver.session.deadline());
        match self.unless_blocked(timeout_at(deadline, self.stream.readable())).await {
            Some(Ok(_)) => None,
            None => Some(End::Blocked),
            Some(Err(_)) => match driver.overdue(self.worker, &self.stream) {
                Turn::Over(end) | Turn::Needs(Pending::LastWords(end)) => Some(end),
                Turn::Done | Turn::Needs(_) => None,
            },
        }
    }

    /// Gets the directories' word, and the backend's where the recipient may pass.
    async fn look_up(&mut self, driver: &mut Driver) -> Option<End> {
        let judge = Arc::clone(&self.worker.shared.judge);
        // As the session's own parser has taken it.
        let recipient = format!("<{}>", driver.envelope.as_ref().map_or("", |envelope| envelope.recipient()));
        let Ok((path, _)) = ForwardPath::parse(recipient.as_bytes(), true) else {
            driver.tell(Answer::Refuse(reply::DIRECTORY_UNAVAILABLE));
            return None;
        };
        let Some(said) = self.unless_blocked(judge.ask(&path)).await else { return Some(End::Blocked) };
        self.worker.clock.read();
        let judgement = judge.judge_told(&driver.facts(), &path, said);
        match driver.heed(self.worker, &path, &judgement) {
            Err(passage) => {
                if let Some(envelope) = &mut driver.envelope {
                    envelope.name_recipient(&path, matches!(passage, Passage::Route(_)));
                }
                self.consult(driver, Pending::Recipient(passage)).await
            }
            Ok(answer) => {
                driver.tell(answer);
                if !driver.blocked {
                    return None;
                }
                // Its last words, if it takes them at once.
                let replies = std::mem::take(&mut driver.replies);
                let _ = driver.send(&self.stream, &replies, false);
                Some(End::Blocked)
            }
        }
    }

    /// Gets the backend's word.
    async fn consult(&mut self, driver: &mut Driver, pending: Pending) -> Option<End> {
        let shared = Arc::clone(&self.worker.shared);
        let settings = &shared.settings.backend;
        let mut delivery = driver.delivery.take().unwrap_or_default();
        let word = if let Pending::Recipient(passage) = pending {
            let envelope = driver.envelope.take().unwrap_or_default();
            let local = driver.local.or_else(|| self.stream.local_addr().ok());
            let client = TrueClient {
                address: driver.client,
                local,
                helo: envelope.helo(),
                extended: envelope.extended(),
                login: driver.login().map(Login::name),
            };
            let asking = delivery.recipient(passage, &envelope, &client, settings, &shared.destinations);
            let word = self.unless_blocked(asking).await;
            self.worker.report.dialled(&delivery.take_dials());
            if let Some(word) = &word {
                self.worker.report.passed(driver.whose(), passage, &envelope, delivery.host(), word);
            }
            driver.envelope = Some(envelope);
            word
        } else {
            let word = self.unless_blocked(delivery.data(settings)).await;
            if let Some(word) = &word {
                self.worker.report.backend_said(word);
            }
            word
        };
        driver.delivery = Some(delivery);
        let Some(word) = word else {
            driver.abandon_delivery();
            return Some(End::Blocked);
        };
        driver.tell(word.as_answer());
        None
    }

    /// Sends what is left, at the client's pace, for as long as it may take; the session reads nothing meanwhile.
    pub(super) async fn flush(&mut self, driver: &mut Driver) -> Option<End> {
        if !driver.has_unsent() {
            return None;
        }
        let within = self.worker.shared.settings.write_timeout;
        match self.unless_blocked(timeout(within, driver.send_rest(&self.stream))).await {
            Some(Ok(Ok(()))) => None,
            Some(Ok(Err(_))) => Some(End::HungUp),
            Some(Err(_)) => Some(End::StoppedReading),
            None => Some(End::Blocked),
        }
    }

    /// See [`Worker::unless_blocked`].
    pub(super) async fn unless_blocked<F: Future>(&self, waiting: F) -> Option<F::Output> {
        self.worker.unless_blocked(self.place, waiting).await
    }
}

impl Driver {
    /// Gives the session its answer; the reply waits for the rest of its batch.
    pub(super) fn tell(&mut self, answer: Answer<'_>) {
        self.session.handle_answer(&self.service, answer, &mut self.replies, Instant::now());
    }

    /// An idle session keeps no room that is empty. Where something is left it stays: to move it would leave a copy behind.
    fn give_up_room(&mut self) {
        for buffer in [&mut self.replies, &mut self.held] {
            if buffer.is_empty() {
                *buffer = Vec::new();
            }
        }
    }

    /// Takes leave of the backend: it knows the client as another.
    pub(super) fn leave_delivery(&mut self) {
        if let Some(mut delivery) = self.delivery.take() {
            delivery.quit();
        }
    }

    /// Drops the backend without a word.
    pub(super) fn abandon_delivery(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.abandon();
        }
    }
}
