//! Takes the answer to the question that the session is parked on. What is asked is decided elsewhere.

use std::time::Instant;

use super::super::data::DataScanner;
use super::super::order::{Phase, Recipients};
use super::super::question::Answer;
use super::super::reply::{self, Reply};
use super::super::service::Service;
use super::{Message, Parked, Session, State};

impl Session {
    /// Answers the question that the session is parked on; does nothing if there is none. What comes of it is said by
    /// [`Session::handle_input`], which is to be called next.
    pub fn handle_answer(&mut self, service: &Service, answer: Answer<'_>, out: &mut Vec<u8>, now: Instant) {
        let State::Answer(parked) = self.state else {
            return;
        };
        self.await_command(service, now);
        if let Some(code) = refusal(parked, answer, out) {
            self.refused(parked);
            self.handle_refused(service, code, out);
        } else {
            self.accepted(service, parked, answer, out, now);
        }
    }

    fn accepted(
        &mut self,
        service: &Service,
        parked: Parked,
        answer: Answer<'_>,
        out: &mut Vec<u8>,
        now: Instant,
    ) {
        let own = match parked {
            Parked::Hello { extended } => {
                // never the backend's: it may offer what we do not
                out.extend_from_slice(service.hello(extended).as_bytes());
                self.phase = Phase::Greeted;
                return;
            }
            Parked::Mail { smtputf8 } => {
                self.phase = Phase::Transaction { smtputf8, recipients: Recipients::NoneYet };
                reply::SENDER_TAKEN
            }
            Parked::Rcpt => {
                if let Phase::Transaction { recipients, .. } = &mut self.phase {
                    *recipients = match *recipients {
                        Recipients::Accepted(count) => Recipients::Accepted(count.saturating_add(1)),
                        Recipients::NoneYet | Recipients::AllRefused => Recipients::Accepted(1),
                    };
                }
                reply::RECIPIENT_TAKEN
            }
            Parked::Data => {
                let message = Message { scanner: DataScanner::default(), size: 0, refusal: None };
                self.state = State::Message(message);
                self.state_deadline = now + service.deadlines.data;
                reply::START_MESSAGE
            }
            Parked::EndOfData | Parked::Reset => {
                self.phase = Phase::Greeted;
                reply::DONE
            }
        };
        match answer {
            Answer::Backend(said) => out.extend_from_slice(said.lines),
            Answer::Accept | Answer::Refuse(_) => own.say(out),
        }
    }

    /// What a refusal does to the transaction.
    fn refused(&mut self, parked: Parked) {
        match (parked, &mut self.phase) {
            (Parked::Rcpt, Phase::Transaction { recipients, .. }) if *recipients == Recipients::NoneYet => {
                *recipients = Recipients::AllRefused;
            }
            // the message is over, whatever became of it
            (Parked::EndOfData, _) => self.phase = Phase::Greeted,
            _ => {}
        }
    }
}

/// Says a refusal, if the answer is one, and gives its code.
fn refusal(parked: Parked, answer: Answer<'_>, out: &mut Vec<u8>) -> Option<u16> {
    let say = |reply: Reply, out: &mut Vec<u8>| {
        reply.say(out);
        Some(reply.code())
    };
    match answer {
        // that a message was taken is for the backend to say: whoever forgets to ask it loses no mail
        Answer::Accept if parked == Parked::EndOfData => say(reply::BACKEND_LOST, out),
        Answer::Accept => None,
        Answer::Refuse(reply) => say(reply, out),
        Answer::Backend(said) => match (parked, said.code) {
            (Parked::Data, 354) => None,
            (Parked::Data, code) if code < 400 => say(reply::BACKEND_GARBLED, out),
            (_, 200..=299) => None,
            (_, 400..=599) => {
                out.extend_from_slice(said.lines);
                Some(said.code)
            }
            // neither yes nor no: a reply that has no place here
            _ => say(reply::BACKEND_GARBLED, out),
        },
    }
}
