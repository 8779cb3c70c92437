//! The sessions that every peer is given, as scripts of `smtp-load`. The answers that count are named with each.

use std::time::Duration;

use smtp_load::clients::crowd::{Leaves, Script, Step};

use super::tally::Part;
use crate::peers::{HONEST, LOCAL_DOMAIN, OUTSIDE};
use crate::ratio::Dialogue;

const EHLO: &str = "EHLO client.far.example\r\n";
const MAIL: &str = "MAIL FROM:<forged@victim.example>\r\n";
const DATA: &str = "DATA\r\n";
const QUIT: &str = "QUIT\r\n";

/// Recipients of one harvest.
pub(super) const RECIPIENTS: u32 = 1_000;

fn intruder(script: Script) -> Part {
    Part { script, source: None }
}

fn honest_client(script: Script) -> Part {
    Part { script, source: Some(HONEST) }
}

fn rcpt(recipient: &str) -> String {
    format!("RCPT TO:<{recipient}>\r\n")
}

fn local() -> String {
    rcpt(&format!("user@{LOCAL_DOMAIN}"))
}

/// One relay attempt. Of the answers to RCPT and QUIT, the second alone is a yes.
pub(super) fn relay_attempt(dialogue: Dialogue) -> Part {
    let ehlo = Step::say(1, EHLO);
    let steps = match dialogue {
        Dialogue::Plain => {
            vec![ehlo, Step::say(2, MAIL), Step::say(3, rcpt(OUTSIDE)), Step::say(4, QUIT)]
        }
        Dialogue::Pipelined => vec![ehlo, Step::say(2, format!("{MAIL}{}{QUIT}", rcpt(OUTSIDE)))],
    };
    intruder(Script::new(steps, (4, 5), 5))
}

/// A thousand relay attempts in one session, and in one write or one after the other. Of the answers to them and to QUIT, the last alone is a yes.
pub(super) fn harvest(dialogue: Dialogue) -> Part {
    let attempts = (0..RECIPIENTS).map(|number| rcpt(&format!("user{number:04}@elsewhere.example")));
    let mut steps = vec![Step::say(1, EHLO), Step::say(2, MAIL)];
    match dialogue {
        Dialogue::Pipelined => steps.push(Step::say(3, attempts.collect::<String>() + QUIT)),
        Dialogue::Plain => {
            steps.extend((3..).zip(attempts).map(|(replies, attempt)| Step::say(replies, attempt)));
            steps.push(Step::say(3 + RECIPIENTS, QUIT));
        }
    }
    intruder(Script::new(steps, (4, 4 + RECIPIENTS), 4 + RECIPIENTS))
}

/// A message of so many KiB. The answer to it is a yes.
pub(super) fn honest(kib: u32) -> Part {
    let mut message = text(kib);
    message.push_str(".\r\n");
    let steps = vec![
        Step::say(1, EHLO),
        Step::say(2, MAIL),
        Step::say(3, local()),
        Step::say(4, DATA),
        Step::say(5, message),
        Step::say(6, QUIT),
    ];
    honest_client(Script::new(steps, (6, 6), 7))
}

/// A relay attempt that goes on to DATA, and says its message where that is granted. The answer to DATA counts.
pub(super) fn insistent(kib: u32) -> Part {
    let mut message = text(kib);
    message.push_str(".\r\n");
    let steps = vec![
        Step::say(1, EHLO),
        Step::say(2, MAIL),
        Step::say(3, rcpt(OUTSIDE)),
        Step::say(4, DATA),
        Step::say(5, message).if_granted(),
        Step::say(6, QUIT),
    ];
    intruder(Script::new(steps, (5, 5), 7))
}

/// Says EHLO and stays for so long. Two answers come.
pub(super) fn idle(stays: Duration) -> Part {
    let mut script = Script::new(vec![Step::say(1, EHLO)], (2, 2), 2);
    script.leaves = Leaves::AfterConnecting(stays);
    intruder(script)
}

/// The answers that a session of [`idle`] hears.
pub(super) const ANSWERS_IDLE: u64 = 2;

/// Says half of a message and stays for so long. Five answers come.
pub(super) fn busy(stays: Duration) -> Part {
    let steps = vec![
        Step::say(1, EHLO),
        Step::say(2, MAIL),
        Step::say(3, local()),
        Step::say(4, DATA),
        Step::say(5, text(8)),
    ];
    let mut script = Script::new(steps, (5, 5), 5);
    script.leaves = Leaves::AfterConnecting(stays);
    honest_client(script)
}

/// The answers that a session of [`busy`] hears.
pub(super) const ANSWERS_BUSY: u64 = 5;

/// A message of so many KiB, without its end.
fn text(kib: u32) -> String {
    let mut text = "From: <forged@victim.example>\r\nSubject: one of many\r\n\r\n".to_owned();
    let length = usize::try_from(kib).unwrap_or(usize::MAX).saturating_mul(1024);
    while text.len() < length {
        text.push_str("All work and no play makes this a line of exactly so many octets in a text.\r\n");
    }
    text
}
