//! What must come of a row: the reply to its RCPT, and what reaches Postfix.

use filter_user::policy::domain_set::canonical;
use filter_user::smtp::{Reply, reply};

use super::client::Said;
use super::scene::ANSWERS;
use crate::decisions::rows::Row;

/// What Postfix itself says of an address literal whose tag it does not know.
const NOT_KNOWN_TO_POSTFIX: &str = "501 5.1.3 Bad recipient address syntax\r\n";

pub(super) struct Expected {
    reply: ExpectedReply,
    /// At which port, and whom.
    arrival: Option<(usize, String)>,
}

enum ExpectedReply {
    /// Postfix's own.
    Backend,
    /// One that begins with this.
    Ours(String),
}

impl Expected {
    pub(super) fn of(row: &Row<'_>) -> Self {
        let columns: Vec<_> = row.expected().collect();
        let refused = |reply: &str| Self { reply: ExpectedReply::Ours(reply.to_owned()), arrival: None };
        match columns[..] {
            ["1", error] => refused(&format!("501 5.1.3 {error}; ")),
            [_, decision, ..] if decision.starts_with("prohibited") => {
                refused(reply::RELAYING_PROHIBITED.line)
            }
            [_, "unknown recipient", ..] => refused(reply::UNKNOWN_RECIPIENT.line),
            [_, "try later", ..] => refused(reply::DIRECTORY_UNAVAILABLE.line),
            [_, decision, ..] => match decision.strip_prefix("answer ") {
                Some(number) => refused(&format!("{}\r\n", ANSWERS[number.parse::<usize>().unwrap()])),
                None => {
                    let destination = decision.split_once("destination ");
                    let port =
                        destination.map_or(0, |(_, number)| number.trim_end_matches(')').parse().unwrap());
                    let routed = decision.starts_with("route");
                    let arrival = Some((port, mailbox(row.path, routed)));
                    Self { reply: ExpectedReply::Backend, arrival }
                }
            },
            _ => panic!("{}:{}: says nothing of what must come of it", row.file, row.number),
        }
    }

    pub(super) fn compare(&self, said: &Said) -> Result<(), String> {
        let fits = match &self.reply {
            ExpectedReply::Ours(begin) => said.to_rcpt.starts_with(begin),
            ExpectedReply::Backend => {
                let ours = Reply::ALL.iter().any(|listed| listed.reply.line == said.to_rcpt);
                !ours && (said.to_rcpt.starts_with("250") || said.to_rcpt == NOT_KNOWN_TO_POSTFIX)
            }
        };
        let awaited = match &self.reply {
            ExpectedReply::Ours(begin) => begin,
            ExpectedReply::Backend => "250 from Postfix",
        };
        if fits { Ok(()) } else { Err(format!("awaited {awaited:?}, was told {:?}", said.to_rcpt)) }
    }

    /// What reaches Postfix, unless it has refused that.
    pub(super) fn arrival(self, said: &Said) -> Option<(usize, String)> {
        self.arrival.filter(|_| said.to_rcpt.starts_with("250"))
    }
}

/// The mailbox that the backend is told: without a source route, a domain of ours as A-labels.
fn mailbox(path: &str, routed: bool) -> String {
    let inner = path.trim_start_matches('<').trim_end_matches('>');
    let inner = match inner.strip_prefix('@') {
        Some(route) => route.split_once(':').map_or(inner, |(_, mailbox)| mailbox),
        None => inner,
    };
    match inner.rsplit_once('@') {
        // Only the postmaster is ours at an address, and the backend may not know that the address is.
        Some((_, domain)) if routed && domain.starts_with('[') => comparable("postmaster"),
        Some((local_part, domain)) if routed && !domain.is_ascii() => {
            comparable(&format!("{local_part}@{}", canonical(domain).unwrap_or(domain.into())))
        }
        _ => comparable(inner),
    }
}

/// A mailbox as it compares: Postfix notes it without quotes, and says whose postmaster is meant.
pub(super) fn comparable(mailbox: &str) -> String {
    let plain: String = mailbox.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    match plain.rsplit_once('@') {
        Some((local_part, domain)) => format!("{local_part}@{}", domain.to_lowercase()),
        None => format!("{}@mail.example.test", plain.to_lowercase()),
    }
}
