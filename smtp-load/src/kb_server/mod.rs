//! The server of KB Q255695: it takes every message whole, for whomever it may be, finds out afterwards that there is no
//! such recipient, and sends the non-delivery report, body and all, to whatever MAIL FROM said. The demo shows what that
//! costs, and whom. It does that work honestly and no other: it sends nothing but to the one address it was given.

mod report;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::clients::{Connection, ConnectionError};
use crate::sink::{Sink, SinkBehaviour, SinkCounts, TakenMessage};

pub use report::non_delivery_report;

/// The server.
#[derive(Clone, Debug)]
pub struct KbServer {
    /// Its name, and the only domain it has mailboxes in.
    pub domain: String,
    /// The local-parts of its mailboxes.
    pub mailboxes: Vec<String>,
    /// Where all reports go, whatever the domain they are for: the fixed route to the victim's host.
    pub report_route: SocketAddr,
    /// A directory where messages lie until they are dealt with, each written through to the disk.
    pub spool: Option<PathBuf>,
    /// For each answer of the report's receiver.
    pub patience: Duration,
}

/// What it has done so far.
#[derive(Debug, Default)]
pub struct KbCounts {
    taken: Arc<SinkCounts>,
    delivered: AtomicU64,
    reports_sent: AtomicU64,
    report_bytes: AtomicU64,
    reports_failed: AtomicU64,
    done: AtomicU64,
}

/// The same, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KbSnapshot {
    /// Connections it had.
    pub sessions: u64,
    /// Messages that it took.
    pub messages_taken: u64,
    /// Octets of message data that it took.
    pub body_bytes: u64,
    /// Messages that went to a mailbox.
    pub delivered: u64,
    /// Reports that the forged sender's host took.
    pub reports_sent: u64,
    /// Octets of them.
    pub report_bytes: u64,
    /// Reports that could not be sent.
    pub reports_failed: u64,
    /// Messages that were taken and are not dealt with.
    pub waiting: u64,
}

impl KbCounts {
    /// Reads them.
    #[must_use]
    pub fn snapshot(&self) -> KbSnapshot {
        let done = self.done.load(Relaxed);
        let messages_taken = self.taken.messages();
        KbSnapshot {
            sessions: self.taken.sessions(),
            messages_taken,
            body_bytes: self.taken.body_bytes(),
            delivered: self.delivered.load(Relaxed),
            reports_sent: self.reports_sent.load(Relaxed),
            report_bytes: self.report_bytes.load(Relaxed),
            reports_failed: self.reports_failed.load(Relaxed),
            // A message may be dealt with before its 250 is counted.
            waiting: messages_taken.saturating_sub(done),
        }
    }
}

/// Messages that wait for the queue's worker; a client waits when there are more.
const QUEUE: usize = 1000;

impl KbServer {
    /// Serves until it is dropped.
    ///
    /// # Errors
    /// When the listener or the queue's thread fails.
    pub async fn serve(self, listener: TcpListener, counts: Arc<KbCounts>) -> io::Result<()> {
        let (hand, queue) = mpsc::channel(QUEUE);
        let behaviour = SinkBehaviour {
            hostname: format!("mail.{}", self.domain),
            xclient: ["NAME", "ADDR", "PORT", "PROTO", "HELO"].map(String::from).into(),
            hands_to: Some(hand),
            ..SinkBehaviour::default()
        };
        let taken = counts.taken.clone();
        // It ends when the channel does, that is with this future.
        std::thread::Builder::new().name("queue".into()).spawn(move || self.work_off(queue, &counts))?;
        Sink::serve(listener, behaviour, taken).await
    }

    fn work_off(&self, mut queue: mpsc::Receiver<TakenMessage>, counts: &KbCounts) {
        let mut number = 0u64;
        while let Some(message) = queue.blocking_recv() {
            number += 1;
            let spooled = self.spool.as_deref().map(|directory| Spooled::write(directory, number, &message));
            for recipient in message.recipient_paths() {
                if self.has_mailbox(recipient) {
                    counts.delivered.fetch_add(1, Relaxed);
                } else if !message.sender().is_empty() {
                    // The null reverse-path is a report's own: nobody is told of that (RFC 5321 section 6.1).
                    match self.send_report(&message, recipient) {
                        Ok(length) => {
                            counts.reports_sent.fetch_add(1, Relaxed);
                            counts.report_bytes.fetch_add(length, Relaxed);
                        }
                        Err(_) => {
                            counts.reports_failed.fetch_add(1, Relaxed);
                        }
                    }
                }
            }
            drop(spooled);
            counts.done.fetch_add(1, Relaxed);
        }
    }

    fn has_mailbox(&self, recipient: &str) -> bool {
        recipient.rsplit_once('@').is_some_and(|(local_part, domain)| {
            domain.eq_ignore_ascii_case(&self.domain)
                && self.mailboxes.iter().any(|mailbox| mailbox.eq_ignore_ascii_case(local_part))
        })
    }

    fn send_report(&self, message: &TakenMessage, recipient: &str) -> Result<u64, ConnectionError> {
        let report = non_delivery_report(&self.domain, message, recipient);
        let (mut connection, _) = Connection::open(self.report_route, None, self.patience)?;
        connection.must("EHLO", &format!("EHLO mail.{}", self.domain))?;
        connection.must("MAIL", "MAIL FROM:<>")?;
        connection.must("RCPT", &format!("RCPT TO:<{}>", message.sender()))?;
        connection.must("DATA", "DATA")?;
        let reply = connection.message(&report)?;
        if !reply.is_positive() {
            return Err(ConnectionError::Refused { command: "the report", reply });
        }
        let _ = connection.command("QUIT");
        Ok(report.len() as u64)
    }
}

/// A message's file in the spool; gone when it is dropped. A spool that cannot be written is no reason to stop: this
/// server is for show, and the disk's part of the cost is then missing from it.
struct Spooled {
    path: PathBuf,
}

impl Spooled {
    fn write(directory: &Path, number: u64, message: &TakenMessage) -> io::Result<Self> {
        let path = directory.join(format!("{number:016x}"));
        let mut file = std::fs::File::create_new(&path)?;
        let spooled = Self { path };
        writeln!(file, "{}\n{}", message.mail_from, message.recipients.join("\n"))?;
        file.write_all(&message.wire_body)?;
        file.sync_data()?;
        Ok(spooled)
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
