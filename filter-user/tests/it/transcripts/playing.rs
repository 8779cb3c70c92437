//! Plays a transcript against a session: the driver's part, without sockets and with the transcript's own clock. The
//! `B:` lines of MAIL and RCPT are written here, for a backend that can everything: `proxy::envelope` is not public, and
//! has its own tests of what it writes.

use std::time::Instant;

use filter_user::smtp::reply::BACKEND_LOST;
use filter_user::smtp::{Answer, BackendReply, Next, Piece, Question, Session};

use super::authenticator::Authenticator;
use super::policy::Judge;
use super::script::{Script, Settings, Step};
use super::services::Services;

/// How the client's octets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// What stands between two answers in one write; the answers are awaited.
    AsWritten,
    /// Every octet by itself.
    OctetByOctet,
    /// All that is sent at one time in one write.
    AllAtOnce,
}

/// A decision, an offence, or the end.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) may_be_left_out: bool,
}

/// What came of a transcript.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) replies: Vec<String>,
    pub(super) decisions: Vec<Said>,
    pub(super) backend: Vec<String>,
    /// The first answer that was not the one awaited.
    pub(super) out_of_turn: Option<String>,
}

/// Plays the whole transcript.
pub(super) fn play(script: &Script, writes: Writes) -> Played {
    let mut player = Player::begin(script);
    let mut unsent = Vec::new();
    for step in &script.steps {
        match step {
            Step::Send(octets) => unsent.extend_from_slice(octets),
            Step::Expect(count) => {
                if writes == Writes::AsWritten {
                    player.hear(&std::mem::take(&mut unsent));
                    player.expect_said(&script.replies[..*count]);
                }
            }
            Step::Wait(time) => {
                player.hear_in(&std::mem::take(&mut unsent), writes);
                player.now += *time;
                player.time_passed();
            }
            Step::Handshake => {
                player.hear_in(&std::mem::take(&mut unsent), writes);
                player.handshake();
            }
        }
    }
    player.hear_in(&unsent, writes);
    player.end()
}

struct Player<'s> {
    settings: &'s Settings,
    judge: Judge,
    authenticator: Authenticator<'s>,
    services: Services,
    session: Session,
    now: Instant,
    unread: Vec<u8>,
    out: Vec<u8>,
    closed: bool,
    /// MAIL as the backend will be told it, while it was not.
    mail: Option<String>,
    message: Vec<u8>,
    decisions: Vec<Said>,
    backend: Vec<String>,
    out_of_turn: Option<String>,
}

impl<'s> Player<'s> {
    fn begin(script: &'s Script) -> Self {
        let settings = &script.settings;
        let services = Services::new(settings);
        let now = Instant::now();
        let session = Session::new(services.now(), now);
        let mut player = Self {
            settings,
            judge: Judge::new(settings),
            authenticator: Authenticator::new(&script.outcomes),
            services,
            session,
            now,
            unread: Vec::new(),
            out: Vec::new(),
            closed: false,
            mail: None,
            message: Vec::new(),
            decisions: Vec::new(),
            backend: Vec::new(),
            out_of_turn: None,
        };
        if settings.early {
            player.session.handle_early_talk(player.services.now(), &mut player.out);
            player.hear(b"");
        } else {
            player.session.handle_accept(player.services.now(), &mut player.out, now);
            assert_eq!(player.out, b"220 mx.example.org ESMTP relaygate\r\n");
            player.out.clear();
        }
        player
    }

    fn hear_in(&mut self, octets: &[u8], writes: Writes) {
        let size = if writes == Writes::OctetByOctet { 1 } else { octets.len().max(1) };
        octets.chunks(size).for_each(|octets| self.hear(octets));
    }

    fn hear(&mut self, octets: &[u8]) {
        self.unread.extend_from_slice(octets);
        let input = std::mem::take(&mut self.unread);
        let mut rest = &input[..];
        while !self.closed {
            let handled = self.session.handle_input(self.services.now(), rest, &mut self.out, self.now);
            rest = &rest[handled.consumed..];
            self.note_offence();
            match handled.next {
                Next::Read => break,
                Next::StartTls => {
                    assert!(rest.is_empty(), "the handshake begins with what was sent before it");
                    break;
                }
                Next::Close(reason) => self.close(&format!("{reason:?}")),
                Next::Ask(question) => self.answer(question),
                Next::Data => {
                    if !self.hear_data(&mut rest) {
                        break;
                    }
                }
            }
        }
        self.unread = rest.to_vec();
    }

    /// Whether the message came to its end.
    fn hear_data(&mut self, rest: &mut &[u8]) -> bool {
        loop {
            let handled = self.session.handle_data(self.services.now(), rest, &mut self.out, self.now);
            *rest = &rest[handled.consumed..];
            self.note_offence();
            match handled.piece {
                Piece::Pass(octets) => self.message.extend_from_slice(octets),
                Piece::Insert(octets) => self.message.extend_from_slice(octets),
                Piece::Discard => {}
                Piece::Read => return false,
                Piece::EndRefused => {
                    self.message.clear();
                    self.backend.push("dropped".to_owned());
                    return true;
                }
                Piece::End => {
                    self.answer(Question::EndOfData);
                    return true;
                }
            }
            if self.settings.backend.get("message").is_some_and(|said| said == "lost") {
                self.session.handle_message_lost(BACKEND_LOST);
            }
        }
    }

    fn answer(&mut self, question: Question<'_>) {
        let said;
        let answer = match question {
            Question::Hello(_) | Question::Reset => {
                self.mail = None;
                Answer::Accept
            }
            Question::Mail(mail) => {
                self.judge.begin(&mail);
                let size = mail.size.map_or(String::new(), |size| format!(" SIZE={size}"));
                let body = if mail.eight_bit { " BODY=8BITMIME" } else { "" };
                let utf8 = if mail.smtputf8 { " SMTPUTF8" } else { "" };
                let ret = mail.ret.map_or(String::new(), |ret| format!(" RET={ret}"));
                let envid = mail.envid.map_or(String::new(), |envid| format!(" ENVID={envid}"));
                self.mail = Some(format!("MAIL FROM:<{}>{size}{body}{utf8}{ret}{envid}", mail.path.text()));
                Answer::Accept
            }
            Question::Rcpt(rcpt) => {
                let (answer, decision) = self.judge.judge(&rcpt);
                self.decisions.push(Said { text: decision, may_be_left_out: true });
                if answer == Answer::Accept {
                    self.backend.extend(self.mail.take());
                    let notify = rcpt.notify.map_or(String::new(), |notify| format!(" NOTIFY={notify}"));
                    let orcpt = rcpt.orcpt.map_or(String::new(), |orcpt| format!(" ORCPT={orcpt}"));
                    said =
                        self.tell(format!("RCPT TO:<{}>{notify}{orcpt}", rcpt.path.text()), "250 2.1.5 ok");
                    backend_answer(&said)
                } else {
                    answer
                }
            }
            Question::StartTls => Answer::Accept,
            Question::Auth(_) | Question::AuthResponse(_) => self.authenticator.answer(&question),
            Question::AuthCancelled => {
                self.decisions.push(Said { text: "exchange dropped".to_owned(), may_be_left_out: true });
                Answer::Accept
            }
            Question::Xclient(client) => {
                self.mail = None;
                let said = self.judge.speak_for(&client);
                self.decisions.push(Said { text: said, may_be_left_out: true });
                Answer::Accept
            }
            Question::Data => {
                said = self.tell("DATA".to_owned(), "354 go ahead");
                backend_answer(&said)
            }
            Question::EndOfData => {
                let message = String::from_utf8_lossy(&std::mem::take(&mut self.message)).into_owned();
                assert!(message.is_empty() || message.ends_with("\r\n"), "the dot must stand alone");
                let lines = message.split_terminator("\r\n").map(|line| line.escape_debug().to_string());
                self.backend.extend(lines);
                self.backend.push(".".to_owned());
                said = self.reply_to("end", "250 2.0.0 queued");
                backend_answer(&said)
            }
        };
        self.session.handle_answer(self.services.now(), answer, &mut self.out, self.now);
        self.note_offence();
    }

    fn tell(&mut self, command: String, yes: &str) -> String {
        let said = self.reply_to(&command, yes);
        self.backend.push(command);
        said
    }

    fn reply_to(&self, command: &str, yes: &str) -> String {
        let scripted = self.settings.backend.iter().find(|(begin, _)| command.starts_with(begin.as_str()));
        format!("{}\r\n", scripted.map_or(yes, |(_, reply)| reply))
    }

    fn handshake(&mut self) {
        assert!(self.unread.is_empty() || self.closed, "octets in the clear are left over at the handshake");
        self.services.over_tls = true;
        self.session.handle_tls(self.services.now(), self.now);
    }

    fn time_passed(&mut self) {
        if self.closed {
            return;
        }
        if let Some(reason) = self.session.handle_timeout(self.services.now(), &mut self.out, self.now) {
            self.close(&format!("{reason:?}"));
        }
    }

    fn note_offence(&mut self) {
        while let Some(offence) = self.session.poll_offence() {
            let text = format!("offence, {}", words(&format!("{offence:?}")));
            self.decisions.push(Said { text, may_be_left_out: false });
        }
    }

    fn close(&mut self, reason: &str) {
        self.closed = true;
        self.decisions.push(Said { text: format!("closed, {}", words(reason)), may_be_left_out: false });
    }

    fn replies(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.out).split_terminator("\r\n").map(str::to_owned).collect()
    }

    fn expect_said(&mut self, expected: &[String]) {
        if self.out_of_turn.is_none() {
            self.out_of_turn = super::same_lines("S:", expected, &self.replies()).err();
        }
    }

    fn end(self) -> Played {
        Played {
            replies: self.replies(),
            decisions: self.decisions,
            backend: self.backend,
            out_of_turn: self.out_of_turn.or_else(|| self.authenticator.left_over()),
        }
    }
}

fn backend_answer(said: &str) -> Answer<'_> {
    Answer::Backend(BackendReply { code: said[..3].parse().unwrap_or(0), lines: said.as_bytes() })
}

/// `TooManyErrors` as `too many errors`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
