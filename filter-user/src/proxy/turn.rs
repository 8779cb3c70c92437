//! A session's turn: reads what came, does command by command what can be done at once, and replies in one write. A
//! refused session is served here alone, from the worker's scratch buffers, and allocates nothing.

use std::io;
use std::os::fd::AsFd;

use zeroize::Zeroize as _;

use super::driver::{Driver, End};
use super::envelope::Envelope;
use super::wire::ReadNow;
use super::worker::Worker;
use crate::address::ForwardPath;
use crate::judge::{Judgement, Outcome, Passage};
use crate::peers::Strike;
use crate::smtp::{Answer, BackendReply, CloseReason, Next, Question, reply};
use crate::telemetry::label::TimeoutKind;

/// What a session needs that its turn cannot give.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    /// A balancer's word for whom it connects.
    ProxyHeader,
    /// A while before the banner.
    Banner,
    /// The client's next command, of a transaction that the backend knows of.
    Command,
    /// The client to take our replies.
    Flush,
    /// The client to take our last words.
    LastWords(End),
    /// A directory's word about the recipient in the envelope.
    Lookup,
    /// The backend's word about a recipient that may pass.
    Recipient(Passage),
    /// The backend's word about DATA.
    Data,
    /// Whoever judges what the client said in AUTH.
    Auth,
    /// Message data to be handed on.
    Pump,
}

/// How far a turn got.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// All that came is answered.
    Done,
    /// It needs something that takes time.
    Needs(Pending),
    /// The session is over.
    Over(End),
}

impl Turn {
    /// Whether the input that led here is to be wiped.
    fn heard_a_secret(&self) -> bool {
        matches!(self, Self::Needs(Pending::Auth))
    }
}

impl Driver {
    /// Takes the session's turn. A read that does not fill the buffer has emptied the socket, and the next octet wakes
    /// the session anew; `to_the_end` reads on until the socket says so itself, which is needed where it may have been
    /// closed behind the last octet.
    pub(super) fn turn(&mut self, worker: &Worker, socket: &impl ReadNow, to_the_end: bool) -> Turn {
        if let Some(turn) = self.shake_hands(worker, socket) {
            return turn;
        }
        let mut borrowed = worker.scratch.borrow_mut();
        let scratch = &mut *borrowed;
        loop {
            scratch.out.clear();
            scratch.out.append(&mut self.replies);
            let mut emptied = false;
            let turn = if std::mem::take(&mut self.unread) {
                let mut held = std::mem::take(&mut self.held);
                let turn = self.handle(worker, &held, &mut scratch.out);
                if turn.heard_a_secret() {
                    held.zeroize();
                }
                turn
            } else {
                let start = self.held.len();
                let space = &mut scratch.input[start..];
                let read = match self.read_now(socket, space) {
                    Ok((0, _)) => Err(Turn::Over(End::HungUp)),
                    Ok(read) => Ok(read),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(self.rest(worker)),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => Err(Turn::Over(End::HungUp)),
                };
                match read {
                    Ok((read, was_all)) => {
                        emptied = was_all && !to_the_end;
                        scratch.input[..start].copy_from_slice(&self.held);
                        self.held.clear();
                        let input = &mut scratch.input[..start + read];
                        let turn = self.handle(worker, input, &mut scratch.out);
                        if turn.heard_a_secret() {
                            input.zeroize();
                        }
                        turn
                    }
                    Err(turn) => {
                        if let Turn::Over(End::Drained) = turn {
                            reply::SHUTTING_DOWN.say(&mut scratch.out);
                        }
                        return self.reply(socket, &scratch.out, turn);
                    }
                }
            };
            if let Turn::Needs(_) = turn {
                // The batch goes on behind the backend's answer: its replies leave together.
                self.replies.extend_from_slice(&scratch.out);
                return turn;
            }
            let turn = self.reply(socket, &scratch.out, turn);
            if self.is_shaking_hands()
                && let Turn::Done = turn
            {
                // STARTTLS was accepted, and said so; what comes next is for the handshake.
                break;
            }
            if emptied && let Turn::Done = turn {
                return self.rest(worker);
            }
            let Turn::Done = turn else { return turn };
        }
        drop(borrowed);
        self.turn(worker, socket, to_the_end)
    }

    /// The daemon may be stopping: says so to who has nothing under way.
    pub(super) fn drain(&mut self, socket: &impl AsFd) -> Turn {
        if self.is_shaking_hands() {
            return Turn::Over(End::Drained);
        }
        self.reply(socket, reply::SHUTTING_DOWN.line.as_bytes(), Turn::Over(End::Drained))
    }

    /// The client has taken too long.
    pub(super) fn overdue(&mut self, worker: &Worker, socket: &impl AsFd) -> Turn {
        if self.is_shaking_hands() {
            return self.handshake_overdue(worker);
        }
        let mut out = std::mem::take(&mut self.replies);
        let over = self.session.handle_timeout(&self.service, &mut out, worker.clock.now());
        let turn = over
            .map_or(Turn::Done, |reason| Turn::Over(self.timed_out(worker, TimeoutKind::Command, reason)));
        self.reply(socket, &out, turn)
    }

    /// The end of a session that took too long for one thing, or altogether.
    pub(super) fn timed_out(&self, worker: &Worker, kind: TimeoutKind, reason: CloseReason) -> End {
        let altogether = self.opened.elapsed() >= worker.shared.settings.deadlines.session;
        worker.report.timed_out(if altogether { TimeoutKind::Session } else { kind });
        End::Closed(reason)
    }

    /// Nothing more has come.
    fn rest(&self, worker: &Worker) -> Turn {
        if worker.is_draining() && !self.in_transaction() { Turn::Over(End::Drained) } else { Turn::Done }
    }

    /// Sends the replies of a turn, and says what comes of it.
    fn reply(&mut self, socket: &impl AsFd, out: &[u8], turn: Turn) -> Turn {
        if let Turn::Over(_) = turn {
            // Who reads our last word may connect again before we have closed: it is not counted twice.
            self.seat.leave();
        }
        // Who has said QUIT says nothing more. Of others the kernel may still hold input, and would reset at the close and
        // drop what waits for company; as it would after an offence.
        let are_last =
            matches!(turn, Turn::Over(End::Closed(CloseReason::Quit))) && !self.blocked && !self.unread;
        let sent = self.send(socket, out, are_last);
        if sent.is_err() {
            return Turn::Over(End::HungUp);
        }
        match turn {
            _ if !self.has_unsent() => turn,
            Turn::Done => Turn::Needs(Pending::Flush),
            Turn::Over(end) if !self.blocked && self.seat.take_again() => {
                Turn::Needs(Pending::LastWords(end))
            }
            Turn::Over(_) | Turn::Needs(_) => turn,
        }
    }

    /// Does what came, command by command.
    fn handle(&mut self, worker: &Worker, input: &[u8], out: &mut Vec<u8>) -> Turn {
        let now = worker.clock.now();
        let mut at = 0;
        loop {
            let handled = self.session.handle_input(&self.service, &input[at..], out, now);
            at += handled.consumed;
            self.note_offence(worker);
            let pending = match handled.next {
                Next::Read if !self.blocked => {
                    self.held.extend_from_slice(&input[at..]);
                    return Turn::Done;
                }
                Next::Read => None,
                Next::Close(reason) => {
                    self.unread = at < input.len();
                    return Turn::Over(End::Closed(reason));
                }
                Next::Data => Some(Pending::Pump),
                Next::StartTls => return self.start_tls(worker),
                Next::Ask(question) => match self.answer(worker, &question) {
                    Ok(answer) => {
                        self.session.handle_answer(&self.service, answer, out, now);
                        None
                    }
                    Err(pending) => Some(pending),
                },
            };
            if self.blocked {
                return Turn::Over(End::Blocked);
            }
            if let Some(pending) = pending {
                if let Pending::Auth = pending {
                    // It is empty, and its room may hold the beginning of what was said.
                    self.held.zeroize();
                }
                self.held.extend_from_slice(&input[at..]);
                self.unread = true;
                return Turn::Needs(pending);
            }
        }
    }

    /// Answers a question at once, or says what is needed for it.
    fn answer<'q>(&mut self, worker: &'q Worker, question: &Question<'q>) -> Result<Answer<'q>, Pending> {
        match question {
            Question::Hello(hello) => {
                self.end_transaction();
                self.introduce(worker, hello);
            }
            Question::Mail(mail) => {
                self.end_transaction();
                self.envelope(worker).begin(mail);
            }
            Question::Reset => self.end_transaction(),
            Question::Rcpt(rcpt) => {
                let Some(judgement) = worker.shared.judge.judge_now(&self.facts(), &rcpt.path) else {
                    self.envelope(worker).address_to(rcpt, false);
                    return Err(Pending::Lookup);
                };
                return self.heed(worker, &rcpt.path, &judgement).map_err(|passage| {
                    self.envelope(worker).address_to(rcpt, matches!(passage, Passage::Route(_)));
                    Pending::Recipient(passage)
                });
            }
            Question::Data => return Err(Pending::Data),
            // Asked while data is pumped, and answered there.
            Question::EndOfData => return Ok(Answer::Refuse(reply::BACKEND_LOST)),
            Question::StartTls if worker.shared.settings.tls.is_some() => {}
            // Not offered, so not asked.
            Question::StartTls => return Ok(Answer::Refuse(reply::TLS_UNAVAILABLE)),
            Question::Auth(command) => return self.begin_auth(worker, command),
            Question::AuthResponse(said) => return self.go_on_with_auth(*said),
            Question::AuthCancelled => self.cancel_auth(worker),
            Question::Xclient(said) => {
                self.end_transaction();
                return Ok(self.speak_for(worker, said));
            }
        }
        Ok(Answer::Accept)
    }

    /// What the session is told of a recipient that may not pass, which is counted for what it is; or why it may.
    pub(super) fn heed<'q>(
        &mut self,
        worker: &Worker,
        path: &ForwardPath<'_>,
        judgement: &Judgement<'q>,
    ) -> Result<Answer<'q>, Passage> {
        match judgement.outcome {
            Outcome::Pass(passage) => Err(passage),
            Outcome::Refuse(refusal, strike) => {
                self.note_refusal(worker, path, judgement, strike);
                Ok(Answer::Refuse(refusal))
            }
            Outcome::Answer(answer) => {
                self.note_refusal(worker, path, judgement, None);
                // Words that are not ours go the way of the backend's.
                Ok(Answer::Backend(BackendReply { code: answer.code, lines: answer.line.as_bytes() }))
            }
        }
    }

    /// A recipient may not pass: tells of it, and counts what it is.
    fn note_refusal(
        &mut self,
        worker: &Worker,
        path: &ForwardPath<'_>,
        judgement: &Judgement<'_>,
        strike: Option<Strike>,
    ) {
        let sender = self.envelope.as_ref().map_or("", |envelope| envelope.sender());
        worker.report.refused(self.whose(), sender, path, judgement);
        if let Some(strike) = strike {
            self.blocked |= worker.strike(self.whose(), strike, self.kind.granted);
        }
    }

    fn envelope(&mut self, worker: &Worker) -> &mut Envelope {
        self.envelope.get_or_insert_with(|| worker.envelope())
    }

    pub(super) fn end_transaction(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.reset();
        }
    }
}
