//! The rows once more, through the session machine: what RCPT reads is what the policy decides on, and what the policy
//! says is what the client hears.

use std::time::{Duration, Instant};

use filter_user::address::ForwardPath;
use filter_user::policy::Decision;
use filter_user::smtp::reply::{DIRECTORY_UNAVAILABLE, RELAYING_PROHIBITED, UNKNOWN_RECIPIENT};
use filter_user::smtp::{
    Answer, BackendReply, BareNewline, Deadlines, Limits, Next, Offered, Question, Service, Session,
};

/// What a backend says that takes everything.
const TAKEN: &str = "250 2.1.5 taken behind\r\n";

fn service() -> Service {
    let limits = Limits {
        command_line: 2048,
        commands: 100,
        errors: 20,
        recipients: 100,
        message_size: 1_000_000,
        auth_line: 12_288,
        auth_attempts: 3,
        unknown_recipients: 10,
        bare_newline: BareNewline::Refuse,
    };
    let minute = Duration::from_secs(60);
    let deadlines = Deadlines { command: minute, data: minute, session: minute };
    let offered = Offered { smtputf8: true, ..Offered::default() };
    Service::new("mx.example.org", limits, deadlines, offered)
}

/// What a client hears to RCPT with this path, from a session whose policy decides so.
pub(super) fn heard(path: &str, decide: impl Fn(&ForwardPath<'_>) -> Decision) -> String {
    let (service, now) = (service(), Instant::now());
    let mut session = Session::new(&service, now);
    let mut out = Vec::new();
    session.handle_accept(&service, &mut out, now);
    for line in ["EHLO a.example", "MAIL FROM:<a@far.example> SMTPUTF8", &format!("RCPT TO:{path}")] {
        out.clear();
        let octets = format!("{line}\r\n");
        let mut rest = octets.as_bytes();
        loop {
            let handled = session.handle_input(&service, rest, &mut out, now);
            rest = &rest[handled.consumed..];
            let Next::Ask(question) = handled.next else { break };
            let answer = match &question {
                Question::Rcpt(rcpt) => match decide(&rcpt.path) {
                    Decision::Route(_) | Decision::Relay(..) => behind(TAKEN),
                    Decision::Answer(_) => behind("550 5.1.10 an answer of the table\r\n"),
                    Decision::Prohibited(_) => Answer::Refuse(RELAYING_PROHIBITED),
                    Decision::UnknownRecipient => Answer::Refuse(UNKNOWN_RECIPIENT),
                    Decision::TryLater => Answer::Refuse(DIRECTORY_UNAVAILABLE),
                },
                _ => Answer::Accept,
            };
            session.handle_answer(&service, answer, &mut out, now);
        }
    }
    String::from_utf8(out).unwrap()
}

fn behind(line: &'static str) -> Answer<'static> {
    Answer::Backend(BackendReply { code: line[..3].parse().unwrap(), lines: line.as_bytes() })
}

/// Whether this is what a client should hear of an outcome: a row's number, the decision, and more.
pub(super) fn is_reply_to(heard: &str, outcome: &str) -> bool {
    let columns: Vec<&str> = outcome.split("  ").collect();
    match columns[..] {
        ["1", error] => heard.starts_with(&format!("501 5.1.3 {error}; syntax: RCPT TO:")),
        [_, decision, ..] if decision.starts_with("prohibited") => heard == RELAYING_PROHIBITED.line,
        [_, "unknown recipient", ..] => heard == UNKNOWN_RECIPIENT.line,
        [_, "try later", ..] => heard == DIRECTORY_UNAVAILABLE.line,
        [_, decision, ..] if decision.starts_with("answer ") => heard.starts_with("550 5.1.10 "),
        [_, decision, ..] if decision.starts_with("route") || decision.starts_with("relay (") => {
            heard == TAKEN
        }
        _ => false,
    }
}
