//! Takes commands: line by line, each refused, done, or made a question. Messages and answers are taken elsewhere.

use std::time::Instant;

use super::super::command::Command;
use super::super::foreign;
use super::super::line::{self, Line};
use super::super::offered::AuthOffer;
use super::super::order::{Phase, Recipients, Row, Verb};
use super::super::question::Question;
use super::super::reply::{self, Reply};
use super::super::service::Service;
use super::{CloseReason, Handled, LineOf, Next, Offence, Parked, Session, State};

/// How many lines' length of one over-long line is swallowed for its end to come.
const SWALLOWED_LINES: usize = 16;

impl Session {
    /// Takes what the peer sent: whole commands are done one by one, up to the first that asks something.
    pub fn handle_input<'b>(
        &mut self,
        service: &Service,
        input: &'b [u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Handled<'b> {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            match self.state {
                State::Closed(reason) => return Handled { consumed, next: Next::Close(reason) },
                State::Message(_) => return Handled { consumed, next: Next::Data },
                State::Answer(_) => return Handled { consumed, next: Next::Read },
                State::Accepted if rest.is_empty() => return Handled { consumed, next: Next::Read },
                State::Accepted => self.handle_early_talk(service, out),
                State::Tls if rest.is_empty() => return Handled { consumed, next: Next::StartTls },
                State::Tls => {
                    reply::TALK_BEFORE_TLS.say(out);
                    self.close_offended(CloseReason::TalkBeforeTls, Offence::TalkBeforeTls);
                }
                State::ExchangeOver => {
                    self.state = State::Answer(Parked::AuthCancelled);
                    return Handled { consumed, next: Next::Ask(Question::AuthCancelled) };
                }
                State::LineEnd { of, swallowed } => {
                    match self.swallow(service, rest, (of, swallowed), out, now) {
                        0 if self.state == (State::LineEnd { of, swallowed }) => {
                            return Handled { consumed, next: Next::Read };
                        }
                        done => consumed += done,
                    }
                }
                State::AuthResponse => match line::find(rest, service.limits.auth_line) {
                    Line::Complete(text) => {
                        consumed += text.len() + 2;
                        if let Some(question) = self.handle_response(service, text, out, now) {
                            return Handled { consumed, next: Next::Ask(question) };
                        }
                    }
                    Line::Partial => return Handled { consumed, next: Next::Read },
                    Line::TooLong => self.state = State::LineEnd { of: LineOf::AuthResponse, swallowed: 0 },
                    Line::BareNewline(_) => self.handle_bare_newline(out),
                },
                State::Command if foreign::begins(rest) => self.handle_foreign(out),
                State::Command => match line::find(rest, service.limits.command_line) {
                    Line::Complete(text) => {
                        consumed += text.len() + 2;
                        if let Some(question) = self.handle_line(service, text, out, now) {
                            return Handled { consumed, next: Next::Ask(question) };
                        }
                    }
                    Line::Partial => return Handled { consumed, next: Next::Read },
                    Line::TooLong if foreign::is_line(rest) => self.handle_foreign(out),
                    Line::TooLong if service.offered.xclient && is_xclient(rest) => {
                        self.handle_long_xclient(out)
                    }
                    Line::TooLong => self.state = State::LineEnd { of: LineOf::Command, swallowed: 0 },
                    Line::BareNewline(text) if foreign::is_line(text) => self.handle_foreign(out),
                    Line::BareNewline(_) => self.handle_bare_newline(out),
                },
            }
        }
    }

    fn handle_foreign(&mut self, out: &mut Vec<u8>) {
        reply::NOT_SMTP.say(out);
        self.close_offended(CloseReason::NotSmtp, Offence::NotSmtp);
    }

    /// How long it is may be the client's doing, by its name.
    fn handle_long_xclient(&mut self, out: &mut Vec<u8>) {
        self.note_long_line(LineOf::Command);
        reply::LINE_TOO_LONG.say(out);
        self.turn_away();
    }

    fn handle_bare_newline(&mut self, out: &mut Vec<u8>) {
        reply::BARE_NEWLINE_IN_COMMAND.say(out);
        self.close_offended(CloseReason::BareNewline, Offence::BareNewline);
    }

    /// Takes a part of an over-long line; says how much. Its reply waits for its end, as any line's does.
    fn swallow(
        &mut self,
        service: &Service,
        rest: &[u8],
        (of, swallowed): (LineOf, usize),
        out: &mut Vec<u8>,
        now: Instant,
    ) -> usize {
        let bound = of.limit(service).saturating_mul(SWALLOWED_LINES);
        match line::find(rest, bound.saturating_sub(swallowed)) {
            Line::Complete(text) => {
                self.await_command(service, now);
                if self.count_command(service, out) {
                    self.note_long_line(of);
                    match of {
                        LineOf::Command => self.refuse(service, reply::LINE_TOO_LONG, out),
                        LineOf::AuthResponse => self.end_exchange(service, reply::AUTH_LINE_TOO_LONG, out),
                    }
                }
                text.len() + 2
            }
            Line::Partial => {
                // a CR stays: only the next octet says what it is
                let done = rest.len() - usize::from(rest.ends_with(b"\r"));
                self.state = State::LineEnd { of, swallowed: swallowed + done };
                done
            }
            Line::TooLong => {
                self.note_long_line(of);
                reply::LINE_WITHOUT_END.say(out);
                self.close_offended(CloseReason::LineTooLong, Offence::LineTooLong);
                0
            }
            Line::BareNewline(_) => {
                self.handle_bare_newline(out);
                0
            }
        }
    }

    fn note_long_line(&mut self, of: LineOf) {
        let reached = match of {
            LineOf::Command => &mut self.reached.command_line,
            LineOf::AuthResponse => &mut self.reached.auth_line,
        };
        *reached = reached.saturating_add(1);
    }

    /// Whether one more command may be said.
    pub(super) fn count_command(&mut self, service: &Service, out: &mut Vec<u8>) -> bool {
        self.commands = self.commands.saturating_add(1);
        if self.commands > service.limits.commands {
            reply::TOO_MANY_COMMANDS.say(out);
            self.state = State::Closed(CloseReason::TooManyCommands);
            return false;
        }
        true
    }

    fn handle_line<'b>(
        &mut self,
        service: &Service,
        line: &'b [u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Option<Question<'b>> {
        self.await_command(service, now);
        if !self.count_command(service, out) {
            return None;
        }
        if memchr::memchr(0, line).is_some() {
            self.refuse(service, reply::NUL_IN_COMMAND, out);
            return None;
        }
        let Some((row, arguments)) = Row::of(line) else {
            if foreign::is_line(line) {
                self.handle_foreign(out);
            } else {
                self.refuse(service, reply::UNKNOWN_COMMAND, out);
            }
            return None;
        };
        if let Err(reply) = self.may_say(service, row) {
            self.refuse(service, reply, out);
            return None;
        }
        let smtputf8 = matches!(self.phase, Phase::Transaction { smtputf8: true, .. });
        match Command::parse(row.verb, arguments, &service.offered, smtputf8) {
            Ok(command) => self.handle_command(service, command, out),
            Err(refusal) => {
                refusal.say(out);
                match row.verb {
                    Verb::Xclient => self.turn_away(),
                    _ => self.handle_refused(service, refusal.code(), out),
                }
                None
            }
        }
    }

    /// Whether the peer may say this now: it is offered, it is its turn, and the peer has proved itself where it must.
    fn may_say(&mut self, service: &Service, row: &Row) -> Result<(), Reply> {
        let offered = &service.offered;
        if let Err(reply) = offered.offers(row.verb) {
            if row.verb == Verb::Auth && offered.auth == AuthOffer::Never {
                self.auth_not_offered = self.auth_not_offered.saturating_add(1);
            }
            return Err(reply);
        }
        row.may_be_said(self.phase)?;
        match row.verb {
            Verb::Auth if self.authenticated => Err(reply::AUTHENTICATED_ALREADY),
            Verb::Mail if offered.auth_first && !self.authenticated => {
                Err(if offered.auth == AuthOffer::OverTls {
                    reply::STARTTLS_FIRST
                } else {
                    reply::AUTH_FIRST
                })
            }
            _ => Ok(()),
        }
    }

    /// Does a command that is well-formed and may be said now.
    fn handle_command<'b>(
        &mut self,
        service: &Service,
        command: Command<'b>,
        out: &mut Vec<u8>,
    ) -> Option<Question<'b>> {
        let limits = &service.limits;
        let (parked, question) = match command {
            Command::Hello(hello) => (Parked::Hello { extended: hello.extended }, Question::Hello(hello)),
            Command::Mail(mail) if mail.size.is_some_and(|size| size > limits.message_size) => {
                self.reached.message_size = self.reached.message_size.saturating_add(1);
                self.refuse(service, reply::MESSAGE_TOO_BIG, out);
                return None;
            }
            Command::Mail(mail) => (Parked::Mail { smtputf8: mail.smtputf8 }, Question::Mail(mail)),
            Command::Rcpt(_) if self.accepted_recipients() >= limits.recipients => {
                self.reached.recipients = self.reached.recipients.saturating_add(1);
                self.refuse(service, reply::TOO_MANY_RECIPIENTS, out);
                return None;
            }
            Command::Rcpt(rcpt) => (Parked::Rcpt, Question::Rcpt(rcpt)),
            Command::Data => (Parked::Data, Question::Data),
            Command::StartTls => (Parked::StartTls, Question::StartTls),
            Command::Auth(auth) => (Parked::Auth, Question::Auth(auth)),
            Command::Xclient(xclient) => {
                (Parked::Xclient { told: self.told.and(&xclient) }, Question::Xclient(xclient))
            }
            Command::Rset if matches!(self.phase, Phase::Transaction { .. }) => {
                (Parked::Reset, Question::Reset)
            }
            Command::Rset | Command::Noop => {
                reply::DONE.say(out);
                return None;
            }
            Command::Vrfy => {
                reply::CANNOT_VERIFY.say(out);
                return None;
            }
            Command::Help => {
                out.extend_from_slice(service.help().as_bytes());
                return None;
            }
            Command::Quit => {
                reply::CLOSING.say(out);
                self.state = State::Closed(CloseReason::Quit);
                return None;
            }
        };
        self.state = State::Answer(parked);
        Some(question)
    }

    fn accepted_recipients(&self) -> u32 {
        match self.phase {
            Phase::Transaction { recipients: Recipients::Accepted(count), .. } => count,
            _ => 0,
        }
    }
}

fn is_xclient(line: &[u8]) -> bool {
    Row::of(line).is_some_and(|(row, _)| row.verb == Verb::Xclient)
}
