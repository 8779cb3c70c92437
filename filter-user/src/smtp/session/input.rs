//! Takes commands: line by line, each refused, done, or made a question. Messages and answers are taken elsewhere.

use std::time::Instant;

use super::super::command::Command;
use super::super::foreign;
use super::super::line::{self, Line};
use super::super::order::{Phase, Recipients, Row};
use super::super::question::Question;
use super::super::reply;
use super::super::service::Service;
use super::{CloseReason, Handled, Next, Offence, Parked, Session, State};

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
                State::LineEnd { swallowed } => match self.swallow(service, rest, swallowed, out, now) {
                    0 if self.state == (State::LineEnd { swallowed }) => {
                        return Handled { consumed, next: Next::Read };
                    }
                    done => consumed += done,
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
                    Line::TooLong => self.state = State::LineEnd { swallowed: 0 },
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

    fn handle_bare_newline(&mut self, out: &mut Vec<u8>) {
        reply::BARE_NEWLINE_IN_COMMAND.say(out);
        self.close_offended(CloseReason::BareNewline, Offence::BareNewline);
    }

    /// Takes a part of an over-long line; says how much. Its reply waits for its end, as any line's does.
    fn swallow(
        &mut self,
        service: &Service,
        rest: &[u8],
        swallowed: usize,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> usize {
        let bound = service.limits.command_line.saturating_mul(SWALLOWED_LINES);
        match line::find(rest, bound.saturating_sub(swallowed)) {
            Line::Complete(text) => {
                self.await_command(service, now);
                if self.count_command(service, out) {
                    self.reached.command_line = self.reached.command_line.saturating_add(1);
                    self.refuse(service, reply::LINE_TOO_LONG, out);
                }
                text.len() + 2
            }
            Line::Partial => {
                // a CR stays: only the next octet says what it is
                let done = rest.len() - usize::from(rest.ends_with(b"\r"));
                self.state = State::LineEnd { swallowed: swallowed + done };
                done
            }
            Line::TooLong => {
                self.reached.command_line = self.reached.command_line.saturating_add(1);
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

    /// Whether one more command may be said.
    fn count_command(&mut self, service: &Service, out: &mut Vec<u8>) -> bool {
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
        if let Err(reply) = row.may_be_said(self.phase) {
            self.refuse(service, reply, out);
            return None;
        }
        let smtputf8 = matches!(self.phase, Phase::Transaction { smtputf8: true, .. });
        match Command::parse(row.verb, arguments, service.extensions, smtputf8) {
            Ok(command) => self.handle_command(service, command, out),
            Err(refusal) => {
                refusal.say(out);
                self.handle_refused(service, refusal.code(), out);
                None
            }
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
                reply::HELP.say(out);
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
