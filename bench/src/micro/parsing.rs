//! MAIL and RCPT, from the octets of the line to what they say with every part of it validated, beside smtp-proto on the same
//! lines.

use std::hint::black_box;

use anyhow::{Context, ensure};
use filter_user::smtp::Command;
use filter_user::smtp::line::{self, Line};
use filter_user::smtp::offered::Offered;
use filter_user::smtp::order::Row;

use super::Plan;
use super::contest::{Work, nanoseconds};
use crate::turns::in_turns;
use bench::judged::{Judged, Unit};

pub(super) const MAIL: &str = "parse MAIL";
pub(super) const RCPT: &str = "parse RCPT";
/// Whose parser does the same work.
pub(super) const SMTP_PROTO: &str = "smtp-proto";

/// Lines as real clients send them.
const MAIL_LINES: [&str; 4] = [
    "MAIL FROM:<someone@example.org>\r\n",
    "MAIL FROM:<bounce+1234.5678-someone=example.org@lists.example.com> SIZE=123456 BODY=8BITMIME\r\n",
    "MAIL FROM:<> SIZE=4321\r\n",
    "mail from:<a.b.c@mail.sub.example.net> SIZE=1048576\r\n",
];
const RCPT_LINES: [&str; 4] = [
    "RCPT TO:<someone@example.org>\r\n",
    "RCPT TO:<first.last+tag@mail.sub.example.com>\r\n",
    "RCPT TO:<victim@far.example>\r\n",
    "rcpt to:<postmaster@a-rather-long-name-of-a-domain.example.net>\r\n",
];
/// As many as relaygate takes by default.
const LONGEST_LINE: usize = 2048;

/// What parsing takes for each line.
pub(super) fn figures(plan: Plan, told: &dyn Fn()) -> anyhow::Result<Vec<Judged>> {
    let offered = Offered { eight_bit_mime: true, ..Offered::default() };
    let mut figures = Vec::new();
    for (what, lines) in [(MAIL, MAIL_LINES), (RCPT, RCPT_LINES)] {
        for line in lines {
            ensure!(ours(line.as_bytes(), &offered), "relaygate's parser refuses {line:?}");
            ensure!(theirs(line.as_bytes()), "smtp-proto refuses {line:?}");
        }
        let repeated = |parse: &dyn Fn(&[u8]) -> bool| {
            for _ in 0..plan.repeats {
                for line in lines {
                    black_box(parse(black_box(line.as_bytes())));
                }
            }
            plan.repeats * lines.len()
        };
        let mut contestants: [Work<'_>; 2] =
            [Box::new(|| repeated(&|line| ours(line, &offered))), Box::new(|| repeated(&theirs))];
        let took = in_turns(plan.rounds, &mut contestants, nanoseconds, told)?;
        let beside: (&'static str, &[f64]) = (SMTP_PROTO, &took[1]);
        let figure = Judged::of(what, 4, Unit::NanosecondsEach, &took[0], Some(beside));
        figures.push(figure.context("no round was measured")?);
    }
    Ok(figures)
}

fn ours(input: &[u8], offered: &Offered) -> bool {
    let Line::Complete(line) = line::find(input, LONGEST_LINE) else { return false };
    let Some((row, arguments)) = Row::of(line) else { return false };
    black_box(Command::parse(row.verb, arguments, offered, false)).is_ok()
}

fn theirs(input: &[u8]) -> bool {
    black_box(smtp_proto::Request::parse(&mut input.iter())).is_ok()
}
