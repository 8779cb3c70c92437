//! Takes the answer to the question that the session is parked on. What is asked is decided elsewhere.

use std::time::Instant;

use super::super::data::DataScanner;
use super::super::order::{Phase, Recipients};
use super::super::question::Answer;
use super::super::reply::{self, Reply};
use super::super::service::Service;
use super::super::xclient::Told;
use super::{CloseReason, Message, Offence, Parked, Session, State};

impl Session {
    /// Answers the question that the session is parked on; does nothing if there is none. What comes of it is said by
    /// [`Session::handle_input`], which is to be called next.
    pub fn handle_answer(&mut self, service: &Service, answer: Answer<'_>, out: &mut Vec<u8>, now: Instant) {
        let State::Answer(parked) = self.state else {
            return;
        };
        self.await_command(service, now);
        if parked == Parked::AuthCancelled {
            // The client was told when it happened.
        } else if let (Parked::Auth, Answer::Challenge(challenge)) = (parked, answer) {
            self.challenge(service, challenge, out);
        } else if let Some(code) = refusal(parked, answer, out) {
            self.refused(parked);
            match parked {
                Parked::Auth => self.handle_auth_refused(service, code, out),
                Parked::Xclient { .. } => self.turn_away(),
                _ => self.handle_refused(service, code, out),
            }
            if parked == Parked::Rcpt && is_of_nobody(answer) {
                self.handle_unknown_recipient(service, out);
            }
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
                self.told = Told::default();
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
            Parked::StartTls => {
                self.state = State::Tls;
                reply::START_TLS
            }
            Parked::Auth => {
                self.authenticated = true;
                reply::AUTHENTICATED
            }
            Parked::Xclient { told } => {
                self.start_over(told);
                out.extend_from_slice(service.greeting().as_bytes());
                return;
            }
            Parked::AuthCancelled => return,
        };
        match answer {
            Answer::Backend(said) => out.extend_from_slice(said.lines),
            Answer::Accept | Answer::Refuse(_) | Answer::Challenge(_) => own.say(out),
        }
    }

    /// Who asks for one name after the other, to learn which there are, learns no more.
    fn handle_unknown_recipient(&mut self, service: &Service, out: &mut Vec<u8>) {
        self.unknown_recipients = self.unknown_recipients.saturating_add(1);
        let closed = matches!(self.state, State::Closed(_));
        if !closed && self.unknown_recipients >= service.limits.unknown_recipients {
            reply::TOO_MANY_UNKNOWN_RECIPIENTS.say(out);
            self.close_offended(CloseReason::TooManyUnknownRecipients, Offence::TooManyUnknownRecipients);
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
        Answer::Challenge(_) => say(reply::BACKEND_GARBLED, out),
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

/// Whether a refusal says that there is no such recipient: ours does, and so does a backend's own with RFC 3463's 5.1.1.
fn is_of_nobody(answer: Answer<'_>) -> bool {
    match answer {
        Answer::Refuse(reply) => reply == reply::UNKNOWN_RECIPIENT,
        Answer::Backend(said) => {
            said.code == 550 && said.lines.get(4..).is_some_and(|text| text.starts_with(b"5.1.1"))
        }
        Answer::Accept | Answer::Challenge(_) => false,
    }
}
