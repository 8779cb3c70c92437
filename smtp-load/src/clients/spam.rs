//! A forged-sender spam run: many messages for recipients that do not exist, with the victim's address as reverse-path,
//! so that a server that bounces later carries the message to the victim (KB Q255695). Keeps to the address it is given.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::connection::{Connection, ConnectionError};
use super::honest::message_text;

/// The run.
#[derive(Clone, Debug)]
pub struct SpamRun {
    /// Where the server is.
    pub target: SocketAddr,
    /// The address it comes from, if not the one that the kernel chooses.
    pub source: Option<IpAddr>,
    /// The forged reverse-path: the victim.
    pub forged_sender: String,
    /// The domain in which recipients are made up.
    pub recipient_domain: String,
    /// Messages in all, each in a session of its own.
    pub messages: u64,
    /// Sessions at once.
    pub at_once: usize,
    /// Octets of each message's text.
    pub body: usize,
    /// For the connection and for each answer.
    pub patience: Duration,
    /// For the whole run: no message is begun after that.
    pub at_most: Duration,
}

/// What became of the run.
#[derive(Clone, Debug, Default)]
pub struct SpamOutcome {
    /// Messages tried.
    pub tried: u64,
    /// Messages that the server took.
    pub accepted: u64,
    /// Messages that it refused with a reply, at whatever point.
    pub refused: u64,
    /// Messages that came to nothing without a refusal: no connection, reset, no answer.
    pub unanswered: u64,
    /// Octets of message data sent.
    pub body_bytes: u64,
    /// How often which reply code ended a message.
    pub by_code: BTreeMap<u16, u64>,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
}

impl SpamOutcome {
    fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.body_bytes += other.body_bytes;
        for (code, count) in other.by_code {
            *self.by_code.entry(code).or_default() += count;
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

impl SpamRun {
    /// Sends it all; `progress` counts the messages that are done with. Blocks the calling thread.
    #[must_use]
    pub fn send(&self, progress: &AtomicU64) -> SpamOutcome {
        let next = AtomicU64::new(0);
        let end = Instant::now() + self.at_most;
        let mut outcome = SpamOutcome::default();
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..self.at_once.max(1))
                .map(|_| scope.spawn(|| self.send_some(&next, end, progress)))
                .collect();
            for sender in senders {
                match sender.join() {
                    Ok(part) => outcome.add(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        outcome
    }

    fn send_some(&self, next: &AtomicU64, end: Instant, progress: &AtomicU64) -> SpamOutcome {
        let mut outcome = SpamOutcome::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.messages || Instant::now() >= end {
                return outcome;
            }
            outcome.tried += 1;
            match self.send_one(number, &mut outcome.body_bytes) {
                Ok(()) => outcome.accepted += 1,
                Err(ConnectionError::Refused { command, reply }) => {
                    outcome.refused += 1;
                    *outcome.by_code.entry(reply.code).or_default() += 1;
                    *outcome.errors.entry(format!("{command}: {reply}")).or_default() += 1;
                }
                Err(error) => {
                    outcome.unanswered += 1;
                    *outcome.errors.entry(error.to_string()).or_default() += 1;
                }
            }
            progress.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send_one(&self, number: u64, body_bytes: &mut u64) -> Result<(), ConnectionError> {
        let (mut connection, banner) = Connection::open(self.target, self.source, self.patience)?;
        if !banner.is_positive() {
            return Err(ConnectionError::Refused { command: "connection", reply: banner });
        }
        let recipient = format!("nobody{number}@{}", self.recipient_domain);
        connection.must("EHLO", "EHLO bulk.far.example")?;
        connection.must("MAIL", &format!("MAIL FROM:<{}>", self.forged_sender))?;
        connection.must("RCPT", &format!("RCPT TO:<{recipient}>"))?;
        connection.must("DATA", "DATA")?;
        let text = message_text(&self.forged_sender, &recipient, &format!("offer {number}"), self.body);
        *body_bytes += text.len() as u64;
        let reply = connection.message(&text)?;
        if !reply.is_positive() {
            return Err(ConnectionError::Refused { command: "message", reply });
        }
        let _ = connection.command("QUIT");
        Ok(())
    }
}
