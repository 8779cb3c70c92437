//! Mail from somebody who has something to say: sent one after the other, and delivered only if the server says 250.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::connection::{Connection, ConnectionError};

/// Honest messages for one recipient.
#[derive(Clone, Debug)]
pub struct HonestMail {
    /// Where the server is.
    pub target: SocketAddr,
    /// The address it comes from, if not the one that the kernel chooses.
    pub source: Option<IpAddr>,
    /// Who sends.
    pub sender: String,
    /// Who is to have it.
    pub recipient: String,
    /// How many messages.
    pub messages: u64,
    /// Octets of each message's text.
    pub body: usize,
    /// Wait between two.
    pub pause: Duration,
    /// For each answer.
    pub patience: Duration,
}

/// What became of honest mail.
#[derive(Clone, Debug, Default)]
pub struct HonestOutcome {
    /// Messages that were answered with 250 after the dot.
    pub delivered: u64,
    /// What went wrong with the others.
    pub errors: Vec<String>,
    /// The longest time that a message took, from the first packet to 250.
    pub slowest: Duration,
}

impl HonestMail {
    /// Sends all of it. Blocks the calling thread.
    #[must_use]
    pub fn send(&self) -> HonestOutcome {
        let mut outcome = HonestOutcome::default();
        for number in 0..self.messages {
            if number > 0 {
                std::thread::sleep(self.pause);
            }
            let started = Instant::now();
            match self.send_one(number) {
                Ok(()) => {
                    outcome.delivered += 1;
                    outcome.slowest = outcome.slowest.max(started.elapsed());
                }
                Err(error) => outcome.errors.push(error.to_string()),
            }
        }
        outcome
    }

    fn send_one(&self, number: u64) -> Result<(), ConnectionError> {
        let (mut connection, banner) = Connection::open(self.target, self.source, self.patience)?;
        if !banner.is_positive() {
            return Err(ConnectionError::Refused { command: "the connection", reply: banner });
        }
        connection.must("EHLO", "EHLO honest.far.example")?;
        connection.must("MAIL", &format!("MAIL FROM:<{}>", self.sender))?;
        connection.must("RCPT", &format!("RCPT TO:<{}>", self.recipient))?;
        connection.must("DATA", "DATA")?;
        let subject = format!("honest message {number}");
        let reply = connection.message(&message_text(&self.sender, &self.recipient, &subject, self.body))?;
        if reply.code != 250 {
            return Err(ConnectionError::Refused { command: "the message", reply });
        }
        // What the server makes of QUIT changes nothing: the message is its business since the 250.
        let _ = connection.command("QUIT");
        Ok(())
    }
}

/// A message with a header and a text of at least `body` octets, in lines.
#[must_use]
pub fn message_text(sender: &str, recipient: &str, subject: &str, body: usize) -> Vec<u8> {
    let mut text = format!(
        "From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
         Message-ID: <{}@far.example>\r\n\r\n",
        subject.replace(' ', ".")
    )
    .into_bytes();
    let line = b"All work and no play makes this a line of exactly so many octets in a text.\r\n";
    let end = text.len() + body;
    while text.len() < end {
        text.extend_from_slice(line);
    }
    text
}
