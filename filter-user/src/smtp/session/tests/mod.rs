//! The session under what no transcript would write: the clock, bounds to the octet, random octets at any cut (`cuts`),
//! proofs in any order (`proofs`).

use std::time::{Duration, Instant};

mod cuts;
mod proofs;

use super::super::reply::{AUTH_FAILED, BACKEND_LOST, RELAYING_PROHIBITED, UNKNOWN_RECIPIENT};
use super::super::{
    Answer, AuthOffer, BackendReply, BareNewline, CloseReason, Deadlines, Limits, Next, Offence, Offered,
    Piece, Question, Service, Session, TlsOffer,
};
use crate::address::ForwardPath;

const LIMITS: Limits = Limits {
    command_line: 128,
    commands: 2000,
    errors: 20,
    recipients: 100,
    message_size: 1000,
    auth_line: 200,
    auth_attempts: 3,
    unknown_recipients: 10,
    bare_newline: BareNewline::Normalise,
};

fn service(limits: Limits) -> Service {
    let deadlines = Deadlines {
        command: Duration::from_secs(300),
        data: Duration::from_secs(180),
        session: Duration::from_secs(3600),
    };
    let offered = Offered {
        eight_bit_mime: true,
        smtputf8: true,
        dsn: true,
        tls: TlsOffer::StartTls,
        auth: AuthOffer::By("PLAIN LOGIN".to_owned()),
        xclient: true,
        ..Offered::default()
    };
    Service::new("mx.example.org", limits, deadlines, offered)
}

/// The response that is right.
const RIGHT: &[u8] = b"cmlnaHQ=";

/// A client's octets on one side, a server that takes recipients of example.org and the password [`RIGHT`] on the other.
struct Dialogue {
    service: Service,
    session: Session,
    now: Instant,
    unread: Vec<u8>,
    said: Vec<u8>,
    recipients: u32,
    messages: Vec<Vec<u8>>,
    message: Vec<u8>,
    closed: Option<CloseReason>,
}

impl Dialogue {
    fn begin(limits: Limits) -> Self {
        let service = service(limits);
        let now = Instant::now();
        let mut session = Session::new(&service, now);
        let mut said = Vec::new();
        session.handle_accept(&service, &mut said, now);
        said.clear();
        Self {
            service,
            session,
            now,
            unread: Vec::new(),
            said,
            recipients: 0,
            messages: Vec::new(),
            message: Vec::new(),
            closed: None,
        }
    }

    fn hear(&mut self, octets: &[u8]) {
        self.unread.extend_from_slice(octets);
        let input = std::mem::take(&mut self.unread);
        let mut rest = &input[..];
        while self.closed.is_none() {
            let handled = self.session.handle_input(&self.service, rest, &mut self.said, self.now);
            rest = &rest[handled.consumed..];
            match handled.next {
                Next::Read | Next::StartTls => break,
                Next::Close(reason) => self.closed = Some(reason),
                Next::Ask(question) => {
                    let answer = self.answer(question);
                    self.session.handle_answer(&self.service, answer, &mut self.said, self.now);
                }
                Next::Data => {
                    assert!(self.recipients > 0, "354 without a recipient");
                    if !self.hear_data(&mut rest) {
                        break;
                    }
                }
            }
        }
        assert!(rest.len() < self.service.limits.auth_line || self.closed.is_some(), "nothing piles up");
        self.unread = rest.to_vec();
    }

    /// Whether the message came to its end.
    fn hear_data(&mut self, rest: &mut &[u8]) -> bool {
        loop {
            let handled = self.session.handle_data(&self.service, rest, &mut self.said, self.now);
            *rest = &rest[handled.consumed..];
            match handled.piece {
                Piece::Pass(octets) => self.message.extend_from_slice(octets),
                Piece::Insert(octets) => self.message.extend_from_slice(octets),
                Piece::Discard => self.message.clear(),
                Piece::Read => return false,
                Piece::EndRefused => {
                    self.message.clear();
                    return true;
                }
                Piece::End => {
                    self.messages.push(std::mem::take(&mut self.message));
                    let handled = self.session.handle_input(&self.service, rest, &mut self.said, self.now);
                    assert_eq!((handled.consumed, handled.next), (0, Next::Read), "parked");
                    let lines = BackendReply { code: 250, lines: b"250 2.0.0 queued\r\n" };
                    let answer = Answer::Backend(lines);
                    self.session.handle_answer(&self.service, answer, &mut self.said, self.now);
                    return true;
                }
            }
        }
    }

    fn answer(&mut self, question: Question<'_>) -> Answer<'static> {
        match question {
            Question::Rcpt(rcpt) => {
                let refusal = match rcpt.path {
                    ForwardPath::Mailbox(mailbox) if mailbox.text == "nobody@example.org" => {
                        UNKNOWN_RECIPIENT
                    }
                    ForwardPath::Mailbox(mailbox) if !mailbox.text.ends_with("@example.org") => {
                        RELAYING_PROHIBITED
                    }
                    _ => {
                        self.recipients += 1;
                        return Answer::Accept;
                    }
                };
                Answer::Refuse(refusal)
            }
            Question::Auth(auth) => self.authenticate(auth.initial.map(|said| said.0)),
            Question::AuthResponse(response) => self.authenticate(Some(response.0)),
            Question::StartTls | Question::AuthCancelled => Answer::Accept,
            Question::Hello(_) | Question::Mail(_) | Question::Reset | Question::Xclient(_) => {
                self.recipients = 0;
                Answer::Accept
            }
            Question::Data => Answer::Accept,
            Question::EndOfData => unreachable!("asked by Piece::End"),
        }
    }

    fn authenticate(&self, response: Option<&[u8]>) -> Answer<'static> {
        match response {
            None | Some(b"") => Answer::Challenge(b"UGFzc3dvcmQ6"),
            Some(RIGHT) => Answer::Accept,
            Some(_) => Answer::Refuse(AUTH_FAILED),
        }
    }

    fn handshake(&mut self) {
        self.unread.clear();
        self.session.handle_tls(&self.service, self.now);
    }

    fn said(&self) -> &str {
        std::str::from_utf8(&self.said).unwrap()
    }

    fn codes(&self) -> Vec<&str> {
        self.said().lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| &line[..3]).collect()
    }
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 128, "{} octets", size_of::<Session>());
}

#[test]
fn a_thousand_pipelined_recipients_end_at_the_error_limit() {
    let mut dialogue = Dialogue::begin(LIMITS);
    dialogue.hear(b"EHLO a\r\nMAIL FROM:<>\r\n");
    dialogue.hear("RCPT TO:<a@far.example>\r\n".repeat(1000).as_bytes());
    let codes = dialogue.codes();
    assert_eq!(codes.iter().filter(|code| **code == "550").count(), 20);
    assert_eq!(codes.last(), Some(&"421"));
    assert_eq!(dialogue.closed, Some(CloseReason::TooManyErrors));
    assert_eq!(dialogue.session.poll_offence(), Some(Offence::TooManyErrors));
    assert_eq!(dialogue.session.poll_offence(), None, "told once");
}

#[test]
fn a_line_without_an_end_is_given_up_early() {
    let mut dialogue = Dialogue::begin(LIMITS);
    let mut heard = 0;
    while dialogue.closed.is_none() {
        dialogue.hear(&[b'a'; 100]);
        heard += 100;
    }
    assert!(heard <= 17 * LIMITS.command_line, "{heard}");
    assert_eq!(dialogue.said(), "500 5.5.2 line has no end\r\n");
    assert_eq!(dialogue.session.poll_offence(), Some(Offence::LineTooLong));
}

#[test]
fn a_line_may_be_as_long_as_its_limit_and_no_longer() {
    for (len, code) in [(127, "250"), (128, "250"), (129, "500"), (1000, "500")] {
        let mut dialogue = Dialogue::begin(LIMITS);
        dialogue.hear(format!("NOOP {}\r\nQUIT\r\n", "a".repeat(len - 7)).as_bytes());
        assert_eq!(dialogue.codes(), [code, "221"], "{len}");
    }
}

#[test]
fn a_message_may_be_as_big_as_its_limit_and_no_bigger() {
    for (len, code) in [(999, "250"), (1000, "250"), (1001, "552"), (100_000, "552")] {
        let mut dialogue = Dialogue::begin(LIMITS);
        dialogue.hear(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
        dialogue.hear(format!("{}\r\n.\r\nQUIT\r\n", "a".repeat(len - 2)).as_bytes());
        assert_eq!(dialogue.codes()[4..], [code, "221"], "{len}");
    }
}

#[test]
fn time_runs_out_by_state_and_by_session() {
    let mut dialogue = Dialogue::begin(LIMITS);
    let begin = dialogue.now;
    let after = |seconds| begin + Duration::from_secs(seconds);
    assert_eq!(dialogue.session.deadline(), after(300));
    dialogue.now = after(200);
    dialogue.hear(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nNO");
    assert_eq!(dialogue.session.deadline(), after(500));
    dialogue.now = after(400);
    dialogue.hear(b"O");
    assert_eq!(dialogue.session.deadline(), after(500), "half a command buys no time");
    dialogue.hear(b"P\r\nDATA\r\n");
    assert_eq!(dialogue.session.deadline(), after(580));
    dialogue.now = after(3500);
    dialogue.hear(b"a\r\n");
    assert_eq!(dialogue.session.deadline(), after(3600));
    let mut out = Vec::new();
    assert_eq!(dialogue.session.handle_timeout(&dialogue.service, &mut out, after(3599)), None);
    let closed = dialogue.session.handle_timeout(&dialogue.service, &mut out, after(3600));
    assert_eq!(closed, Some(CloseReason::TimedOut));
    assert_eq!(out, b"421 4.4.2 timed out\r\n");
}

#[test]
fn a_parked_session_has_only_its_own_deadline() {
    let service = service(LIMITS);
    let now = Instant::now();
    let mut out = Vec::new();
    let mut session = Session::new(&service, now);
    session.handle_accept(&service, &mut out, now);
    let handled = session.handle_input(&service, b"EHLO a\r\nNOOP\r\n", &mut out, now);
    assert!(matches!(handled.next, Next::Ask(Question::Hello(_))));
    assert_eq!(session.deadline(), now + Duration::from_secs(3600));
    let later = now + Duration::from_secs(60);
    session.handle_answer(&service, Answer::Accept, &mut out, later);
    assert_eq!(session.deadline(), later + Duration::from_secs(300));
}

#[test]
fn nothing_but_the_backend_takes_a_message() {
    let service = service(LIMITS);
    let now = Instant::now();
    let garbled = Answer::Backend(BackendReply { code: 354, lines: b"354 go on\r\n" });
    for answer in [Answer::Accept, garbled] {
        let mut out = Vec::new();
        let mut session = Session::new(&service, now);
        session.handle_accept(&service, &mut out, now);
        let mut rest: &[u8] = b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n";
        loop {
            let handled = session.handle_input(&service, rest, &mut out, now);
            rest = &rest[handled.consumed..];
            match handled.next {
                Next::Ask(_) => session.handle_answer(&service, Answer::Accept, &mut out, now),
                _ => break,
            }
        }
        assert_eq!(session.handle_data(&service, b".\r\n", &mut out, now).piece, Piece::End);
        out.clear();
        session.handle_answer(&service, answer, &mut out, now);
        assert!(out.starts_with(b"451 "), "{}", out.escape_ascii());
    }
}

#[test]
fn a_lost_message_is_answered_at_its_end() {
    let mut dialogue = Dialogue::begin(LIMITS);
    dialogue.hear(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\nhalf");
    dialogue.session.handle_message_lost(BACKEND_LOST);
    dialogue.hear(b" and half\r\n.");
    assert_eq!(dialogue.codes().last(), Some(&"354"));
    dialogue.hear(b"\r\nQUIT\r\n");
    assert_eq!(dialogue.codes()[4..], ["451", "221"]);
    assert!(dialogue.messages.is_empty());
}
