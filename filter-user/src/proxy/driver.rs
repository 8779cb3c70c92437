//! Drives one session: the only loop that calls `smtp::Session`. A session that is refused is served from the worker's
//! scratch buffers alone; only where a backend must be asked does it get a future and buffers of its own.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use filter_common::{PeerKey, Sanction};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::clock::boot_now;
use super::delivery::{Delivery, Passage, Word};
use super::envelope::Envelope;
use super::judge::{Outcome, judge, strike_of};
use super::listener::{has_talked, reset_at_close, send_now};
use super::offer::Offer;
use super::slots::Call;
use super::true_address::TrueClient;
use super::worker::Worker;
use crate::peers::Strike;
use crate::policy::Facts;
use crate::smtp::{Answer, CloseReason, Next, Question, Session, reply};
use crate::telemetry::label::TimeoutKind;

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

/// What a session needs that its turn cannot give.
#[derive(Clone, Copy, Debug)]
enum Pending {
    /// The backend's word about a recipient that may pass.
    Recipient(Passage),
    /// The backend's word about DATA.
    Data,
    /// Message data to be handed on.
    Pump,
}

/// How far a turn got.
enum Turn {
    /// All that came is answered.
    Done,
    /// The backend is needed.
    Needs(Pending),
    /// The session is over.
    Over(End),
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
    local: Option<SocketAddr>,
    peer: PeerKey,
    pub(super) granted: bool,
    /// Whether it counts among its peer's sessions.
    counted: bool,
    /// Whether it is counted now.
    open: bool,
    blocked: bool,
    opened: Instant,
    slot: usize,
}

impl Driver {
    /// A connection that was just accepted.
    pub(super) fn new(
        worker: Rc<Worker>,
        stream: TcpStream,
        client: SocketAddr,
        local: Option<SocketAddr>,
        peer: PeerKey,
        counted: bool,
    ) -> Self {
        let offer = worker.offer();
        let granted = worker.shared.policy.grant(&Facts { peer: client.ip(), local }).is_some();
        let opened = Instant::now();
        let session = Session::new(offer.service(granted), opened);
        let slot = worker.slots.borrow_mut().insert(peer, session.deadline());
        worker.report.session_opened();
        Self {
            worker,
            stream,
            session,
            offer,
            delivery: None,
            envelope: None,
            held: Vec::new(),
            unread: false,
            replies: Vec::new(),
            client,
            local,
            peer,
            granted,
            counted,
            open: true,
            blocked: false,
            opened,
            slot,
        }
    }

    /// Serves it to its end.
    pub(super) async fn run(mut self) {
        let mut end = self.greet().await;
        while end.is_none() {
            let turn = poll_fn(|cx| self.poll_turn(cx)).await;
            end = match turn {
                Turn::Done => self.flush().await,
                Turn::Needs(pending) => Box::pin(self.ask_backend(pending)).await,
                Turn::Over(over) => {
                    self.flush().await;
                    Some(over)
                }
            };
        }
        if let Some(end) = end {
            self.finish(end);
        }
    }

    /// Says the banner, unless the peer cannot wait for it.
    async fn greet(&mut self) -> Option<End> {
        let delay = self.worker.shared.settings.greet_delay;
        if !delay.is_zero() {
            // Whoever talks now is an early talker; whoever hangs up is found out below.
            let _ = tokio::time::timeout(delay, self.stream.readable()).await;
        }
        let worker = Rc::clone(&self.worker);
        let mut scratch = worker.scratch.borrow_mut();
        let out = &mut scratch.out;
        out.clear();
        let offer = Rc::clone(&self.offer);
        let service = offer.service(self.granted);
        let early = has_talked(&self.stream);
        if early {
            self.session.handle_early_talk(service, out);
            self.note_offence();
        } else {
            self.session.handle_accept(service, out, Instant::now());
        }
        let sent = send_now(&self.stream, out);
        worker.slots.borrow_mut().set_deadline(self.slot, self.session.deadline());
        match sent {
            _ if self.blocked => Some(End::Blocked),
            _ if early => Some(End::Closed(CloseReason::EarlyTalker)),
            Ok(sent) => {
                self.replies.extend_from_slice(&out[sent..]);
                None
            }
            Err(_) => Some(End::HungUp),
        }
    }

    /// Takes the session's turn: reads, does what can be done at once, replies in one write.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let worker = Rc::clone(&self.worker);
        let mut call = {
            let mut slots = worker.slots.borrow_mut();
            slots.listen(self.slot, cx.waker());
            slots.take_call(self.slot)
        };
        let mut scratch = worker.scratch.borrow_mut();
        let scratch = &mut *scratch;
        loop {
            scratch.out.clear();
            scratch.out.append(&mut self.replies);
            if let Some(over) = self.obey(call, &mut scratch.out) {
                self.send(&scratch.out);
                return Poll::Ready(Turn::Over(over));
            }
            if call == Call::Overdue {
                call = Call::None;
            }
            let turn = if std::mem::take(&mut self.unread) {
                let held = std::mem::take(&mut self.held);
                self.handle(&held, &mut scratch.out)
            } else {
                let start = self.held.len();
                scratch.input[..start].copy_from_slice(&self.held);
                let mut buffer = ReadBuf::new(&mut scratch.input[start..]);
                match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                    Poll::Pending => {
                        self.replies.extend_from_slice(&scratch.out);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Turn::Over(End::HungUp)),
                    Poll::Ready(Ok(())) => {}
                }
                let read = buffer.filled().len();
                if read == 0 {
                    return Poll::Ready(Turn::Over(End::HungUp));
                }
                self.held.clear();
                self.handle(&scratch.input[..start + read], &mut scratch.out)
            };
            match turn {
                Turn::Needs(_) => {
                    // The batch goes on behind the backend's answer: its replies leave together.
                    self.replies.extend_from_slice(&scratch.out);
                    return Poll::Ready(turn);
                }
                Turn::Over(_) => {
                    // Who reads our last word may connect again before we have closed: it is not counted twice.
                    self.uncount();
                    self.send(&scratch.out);
                    if !self.replies.is_empty() && !self.count_again() {
                        self.replies.clear();
                    }
                    return Poll::Ready(turn);
                }
                Turn::Done => {
                    self.send(&scratch.out);
                    if !self.replies.is_empty() {
                        return Poll::Ready(turn);
                    }
                }
            }
        }
    }

    /// What the session was called for, other than its socket.
    fn obey(&mut self, call: Call, out: &mut Vec<u8>) -> Option<End> {
        match call {
            Call::None => None,
            Call::Reset => {
                self.blocked = true;
                Some(End::Blocked)
            }
            Call::Drain if self.delivery.as_ref().is_some_and(|delivery| delivery.is_open()) => None,
            Call::Drain => {
                out.extend_from_slice(reply::SHUTTING_DOWN.line.as_bytes());
                Some(End::Drained)
            }
            Call::Overdue => {
                let offer = Rc::clone(&self.offer);
                let now = Instant::now();
                let over = self.session.handle_timeout(offer.service(self.granted), out, now);
                self.set_deadline();
                over.map(|reason| self.timed_out(TimeoutKind::Command, reason))
            }
        }
    }

    /// Does what came, command by command.
    fn handle(&mut self, input: &[u8], out: &mut Vec<u8>) -> Turn {
        let now = Instant::now();
        let offer = Rc::clone(&self.offer);
        let service = offer.service(self.granted);
        let mut at = 0;
        loop {
            let handled = self.session.handle_input(service, &input[at..], out, now);
            at += handled.consumed;
            self.note_offence();
            let pending = match handled.next {
                Next::Read => {
                    self.held.extend_from_slice(&input[at..]);
                    self.set_deadline();
                    return if self.blocked { Turn::Over(End::Blocked) } else { Turn::Done };
                }
                Next::Close(reason) => return Turn::Over(End::Closed(reason)),
                Next::Data => Some(Pending::Pump),
                Next::Ask(question) => match self.answer(&question) {
                    Ok(answer) => {
                        self.session.handle_answer(service, answer, out, now);
                        None
                    }
                    Err(pending) => Some(pending),
                },
            };
            if self.blocked {
                return Turn::Over(End::Blocked);
            }
            if let Some(pending) = pending {
                self.held.extend_from_slice(&input[at..]);
                self.unread = true;
                return Turn::Needs(pending);
            }
        }
    }

    /// Answers a question at once, or says what is needed for it.
    fn answer(&mut self, question: &Question<'_>) -> Result<Answer<'static>, Pending> {
        match question {
            Question::Hello(hello) => {
                self.end_transaction();
                self.envelope().introduce(hello);
            }
            Question::Mail(mail) => {
                self.end_transaction();
                self.envelope().begin(mail);
            }
            Question::Reset => self.end_transaction(),
            Question::Rcpt(rcpt) => {
                let facts = Facts { peer: self.client.ip(), local: self.local };
                let judgement = judge(&self.worker.shared, &facts, &rcpt.path);
                let (refusal, strike) = match judgement.outcome {
                    Outcome::Pass(passage) => {
                        self.envelope().address_to(rcpt);
                        return Err(Pending::Recipient(passage));
                    }
                    Outcome::Refuse(refusal, strike) => (refusal, strike),
                };
                let sender = self.envelope.as_ref().map_or("", |envelope| envelope.sender());
                self.worker.report.refused(self.client.ip(), sender, rcpt, &judgement);
                if let Some(strike) = strike {
                    self.strike(strike);
                }
                return Ok(Answer::Refuse(refusal));
            }
            Question::Data => return Err(Pending::Data),
            // Asked while data is pumped, and answered there.
            Question::EndOfData => return Ok(Answer::Refuse(reply::BACKEND_LOST)),
        }
        Ok(Answer::Accept)
    }

    fn envelope(&mut self) -> &mut Envelope {
        self.envelope.get_or_insert_with(|| self.worker.envelope())
    }

    fn end_transaction(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.reset();
        }
    }

    fn note_offence(&mut self) {
        if let Some(offence) = self.session.poll_offence() {
            self.worker.report.offence(self.client.ip(), offence);
            self.strike(strike_of(offence));
        }
    }

    /// Counts an offence; who has a grant commits none.
    fn strike(&mut self, strike: Strike) {
        if self.granted {
            return;
        }
        let now = boot_now();
        let struck = self.worker.shared.register.strike(self.client.ip(), strike, now);
        self.worker.report.struck(self.peer, strike, struck, now);
        if let Sanction::Blocked { .. } = struck.sanction {
            self.blocked = true;
            if struck.escalated {
                self.worker.shared.reset_others(self.peer);
            }
        }
    }

    /// Gets the backend's word, unless the peer is blocked meanwhile.
    async fn ask_backend(&mut self, pending: Pending) -> Option<End> {
        let worker = Rc::clone(&self.worker);
        let slot = self.slot;
        // The backend has its own time-outs, and message data is timed where it is read.
        worker.slots.borrow_mut().set_deadline(slot, Instant::now() + Duration::from_secs(86_400));
        let end = {
            let mut asking = std::pin::pin!(self.consult(pending));
            poll_fn(|cx| {
                {
                    let mut slots = worker.slots.borrow_mut();
                    slots.listen(slot, cx.waker());
                    if slots.take_call(slot) == Call::Reset {
                        return Poll::Ready(Some(End::Blocked));
                    }
                }
                asking.as_mut().poll(cx)
            })
            .await
        };
        if end == Some(End::Blocked) {
            self.blocked = true;
        }
        self.set_deadline();
        end
    }

    async fn consult(&mut self, pending: Pending) -> Option<End> {
        let offer = Rc::clone(&self.offer);
        let service = offer.service(self.granted);
        let shared = std::sync::Arc::clone(&self.worker.shared);
        let settings = &shared.settings.backend;
        let mut delivery = self.delivery.take().unwrap_or_default();
        let word = match pending {
            Pending::Recipient(passage) => {
                let envelope = self.envelope.take().unwrap_or_default();
                let local = self.local.or_else(|| self.stream.local_addr().ok());
                let client = TrueClient {
                    address: self.client,
                    local,
                    helo: envelope.helo(),
                    extended: envelope.extended(),
                };
                let word = delivery.recipient(passage, &envelope, &client, settings, &shared.capabilities).await;
                self.worker.report.dialled(delivery.take_dials());
                self.worker.report.passed(self.client.ip(), passage, &envelope, &word);
                self.envelope = Some(envelope);
                word
            }
            Pending::Data => {
                let word = delivery.data(settings).await;
                self.worker.report.backend_said(&word);
                word
            }
            Pending::Pump => {
                self.delivery = Some(delivery);
                return self.pump().await;
            }
        };
        self.delivery = Some(delivery);
        self.answer_with(service, &word);
        None
    }

    pub(super) fn answer_with(&mut self, service: &crate::smtp::Service, word: &Word) {
        self.session.handle_answer(service, word.as_answer(), &mut self.replies, Instant::now());
    }

    /// Sends what the client takes now and keeps the rest.
    fn send(&mut self, out: &[u8]) {
        let sent = if out.is_empty() { Ok(0) } else { send_now(&self.stream, out) };
        match sent {
            Ok(sent) => self.replies.extend_from_slice(&out[sent..]),
            // The next read says what became of the client.
            Err(_) => self.replies.clear(),
        }
    }

    /// Sends what is left, at the client's pace, for as long as it may take; the session reads nothing meanwhile.
    pub(super) async fn flush(&mut self) -> Option<End> {
        if self.replies.is_empty() {
            return None;
        }
        let within = self.worker.shared.settings.write_timeout;
        let replies = std::mem::take(&mut self.replies);
        let mut writing = std::pin::pin!(tokio::time::timeout(within, write_all(&self.stream, &replies)));
        let written = poll_fn(|cx| {
            {
                let mut slots = self.worker.slots.borrow_mut();
                slots.listen(self.slot, cx.waker());
                if slots.take_call(self.slot) == Call::Reset {
                    return Poll::Ready(None);
                }
            }
            writing.as_mut().poll(cx).map(Some)
        })
        .await;
        match written {
            Some(Ok(Ok(()))) => None,
            Some(Ok(Err(_))) => Some(End::HungUp),
            Some(Err(_)) => Some(End::StoppedReading),
            None => {
                self.blocked = true;
                Some(End::Blocked)
            }
        }
    }

    /// The session is as good as over.
    fn uncount(&mut self) {
        if std::mem::replace(&mut self.open, false) {
            let shared = &self.worker.shared;
            shared.close_session();
            if self.counted {
                shared.open_sessions.close(self.peer);
            }
        }
    }

    /// It is not over yet; says whether it still may be open.
    fn count_again(&mut self) -> bool {
        let shared = &self.worker.shared;
        if !shared.open_session() {
            return false;
        }
        if self.counted && !shared.open_sessions.open(self.peer) {
            shared.close_session();
            return false;
        }
        self.open = true;
        true
    }

    /// The end of a session that took too long for one thing, or altogether.
    pub(super) fn timed_out(&self, kind: TimeoutKind, reason: CloseReason) -> End {
        let altogether = self.opened.elapsed() >= self.worker.shared.settings.deadlines.session;
        self.worker.report.timed_out(if altogether { TimeoutKind::Session } else { kind });
        End::Closed(reason)
    }

    fn set_deadline(&self) {
        self.worker.slots.borrow_mut().set_deadline(self.slot, self.session.deadline());
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

impl Drop for Driver {
    fn drop(&mut self) {
        self.uncount();
        self.worker.slots.borrow_mut().remove(self.slot);
        if let Some(envelope) = self.envelope.take() {
            self.worker.give_back_envelope(envelope);
        }
    }
}

async fn write_all(stream: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        stream.writable().await?;
        match stream.try_write(octets) {
            Ok(sent) => octets = &octets[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
