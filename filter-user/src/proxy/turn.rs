//! A session's turn: reads what came, does command by command what can be done at once, and replies in one write. A
//! refused session is served here alone, from the worker's scratch buffers, and allocates nothing.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};

use super::delivery::Passage;
use super::driver::{Driver, End};
use super::envelope::Envelope;
use super::judge::{Outcome, judge};
use super::listener::send_now;
use super::slots::Call;
use crate::policy::Facts;
use crate::smtp::{Answer, CloseReason, Next, Question, reply};
use crate::telemetry::label::TimeoutKind;

/// What a session needs that its turn cannot give.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    /// The backend's word about a recipient that may pass.
    Recipient(Passage),
    /// The backend's word about DATA.
    Data,
    /// Message data to be handed on.
    Pump,
}

/// How far a turn got.
pub(super) enum Turn {
    /// All that came is answered.
    Done,
    /// The backend is needed.
    Needs(Pending),
    /// The session is over.
    Over(End),
}

impl Driver {
    /// Takes the session's turn: reads, does what can be done at once, replies in one write.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
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
                    self.seat.leave();
                    self.send(&scratch.out);
                    if !self.replies.is_empty() && !self.seat.take_again() {
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
                    self.blocked |= self.worker.strike(self.client.ip(), self.peer, strike, self.granted);
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
            self.blocked |= self.worker.note_offence(self.client.ip(), self.peer, offence, self.granted);
        }
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

    /// The end of a session that took too long for one thing, or altogether.
    pub(super) fn timed_out(&self, kind: TimeoutKind, reason: CloseReason) -> End {
        let altogether = self.opened.elapsed() >= self.worker.shared.settings.deadlines.session;
        self.worker.report.timed_out(if altogether { TimeoutKind::Session } else { kind });
        End::Closed(reason)
    }

    pub(super) fn set_deadline(&self) {
        self.worker.slots.borrow_mut().set_deadline(self.slot, self.session.deadline());
    }
}
