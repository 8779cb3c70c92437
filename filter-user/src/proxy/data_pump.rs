//! Pumps one message from the client to the backend: bounded memory, each waiting for the other, and nothing that the
//! backend could take for whole unless it is.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

use super::away::AwaySession;
use super::delivery::Word;
use super::driver::{Driver, End};
use super::report::MessageEnd;
use crate::smtp::{Piece, reply};
use crate::telemetry::label::TimeoutKind;

/// Octets read at once; with as many again on their way out, what a message holds in memory.
const CHUNK: usize = 64 * 1024;
/// Pieces smaller than this are gathered, larger ones sent from where they lie.
const GATHERED: usize = 4 * 1024;

/// How far the input at hand has brought a message.
enum Progress {
    /// More is needed.
    Reads,
    /// The message has ended, good or bad.
    Ended,
    /// The session has.
    Over(End),
}

/// A message on its way.
struct Message {
    began: Instant,
    octets: u64,
    /// Small pieces that wait for more.
    gathered: Vec<u8>,
}

impl AwaySession<'_> {
    /// Pumps until the message has an end, good or bad.
    pub(super) async fn pump(&mut self, driver: &mut Driver) -> Option<End> {
        let mut input = self.worker.buffer();
        input.append(&mut driver.held);
        let mut message = Message { began: Instant::now(), octets: 0, gathered: self.worker.buffer() };
        let end = self.pump_through(driver, &mut input, &mut message).await;
        driver.held.extend_from_slice(&input);
        driver.unread = true;
        self.worker.give_back_buffer(input);
        if end.is_some() {
            driver.abandon_delivery();
            self.report(driver, MessageEnd::BrokenOff, &message);
        }
        self.worker.give_back_buffer(message.gathered);
        end
    }

    async fn pump_through(
        &mut self,
        driver: &mut Driver,
        input: &mut Vec<u8>,
        message: &mut Message,
    ) -> Option<End> {
        // 354 must be out before the client sends anything.
        if let Some(end) = self.flush(driver).await {
            return Some(end);
        }
        loop {
            match self.hand_on_input(driver, input, message).await {
                Progress::Ended => return None,
                Progress::Over(end) => return Some(end),
                Progress::Reads => {}
            }
            input.reserve(CHUNK);
            let deadline = tokio::time::Instant::from_std(driver.session.deadline());
            let reading = timeout_at(deadline, driver.read(&mut self.stream, input));
            match self.worker.unless_blocked(self.place, reading).await {
                Some(Ok(Ok(1..))) => {}
                Some(Ok(Ok(0) | Err(_))) => return Some(End::HungUp),
                None => return Some(End::Blocked),
                Some(Err(_)) => {
                    let over =
                        driver.session.handle_timeout(&driver.service, &mut driver.replies, Instant::now());
                    if let Some(reason) = over {
                        self.flush(driver).await;
                        return Some(driver.timed_out(self.worker, TimeoutKind::Data, reason));
                    }
                }
            }
        }
    }

    /// Hands on what the input at hand is good for.
    async fn hand_on_input(
        &mut self,
        driver: &mut Driver,
        input: &mut Vec<u8>,
        message: &mut Message,
    ) -> Progress {
        let mut at = 0;
        let progress = loop {
            let now = Instant::now();
            let handled = driver.session.handle_data(&driver.service, &input[at..], &mut driver.replies, now);
            at += handled.consumed;
            match handled.piece {
                Piece::Read => {
                    if !self.hand_on_gathered(driver, message).await {
                        break Progress::Over(End::Blocked);
                    }
                    break Progress::Reads;
                }
                Piece::Insert(inserted) => message.gathered.extend_from_slice(inserted),
                Piece::Pass(passed) => {
                    message.octets += passed.len() as u64;
                    let large = passed.len() >= GATHERED;
                    if !large {
                        message.gathered.extend_from_slice(passed);
                    }
                    if (large || message.gathered.len() >= CHUNK)
                        && !self.hand_on_gathered(driver, message).await
                    {
                        break Progress::Over(End::Blocked);
                    }
                    if large && !self.hand_on(driver, passed).await {
                        break Progress::Over(End::Blocked);
                    }
                }
                Piece::Discard => {
                    message.gathered.clear();
                    driver.abandon_delivery();
                }
                Piece::EndRefused => {
                    driver.abandon_delivery();
                    self.report(driver, MessageEnd::Refused, message);
                    driver.end_message();
                    break Progress::Ended;
                }
                Piece::End => {
                    if !self.hand_on_gathered(driver, message).await || !self.end(driver, message).await {
                        break Progress::Over(End::Blocked);
                    }
                    break Progress::Ended;
                }
            }
        };
        input.drain(..at);
        progress
    }

    /// The client's dot has come: gets the one answer that counts. Says no where the peer was blocked meanwhile.
    async fn end(&mut self, driver: &mut Driver, message: &Message) -> bool {
        let shared = Arc::clone(&self.worker.shared);
        let recipients = driver.delivery.as_ref().map_or(0, |delivery| delivery.recipients());
        let word = match &mut driver.delivery {
            Some(delivery) => match self.unless_blocked(delivery.end(&shared.settings.backend)).await {
                Some(word) => word,
                None => return false,
            },
            None => Word::Ours(reply::BACKEND_LOST, None),
        };
        let end = MessageEnd::Answered { word: &word, recipients, took: message.began.elapsed() };
        self.report(driver, end, message);
        driver.tell(word.as_answer());
        driver.end_message();
        true
    }

    async fn hand_on_gathered(&mut self, driver: &mut Driver, message: &mut Message) -> bool {
        if message.gathered.is_empty() {
            return true;
        }
        let unblocked = self.hand_on(driver, &message.gathered).await;
        message.gathered.clear();
        unblocked
    }

    /// Hands on a piece; if the backend does not take it, the message is lost and the client told at its end. Says no
    /// where the peer was blocked meanwhile.
    async fn hand_on(&mut self, driver: &mut Driver, piece: &[u8]) -> bool {
        let shared = Arc::clone(&self.worker.shared);
        let Some(delivery) = driver.delivery.as_mut().filter(|delivery| delivery.is_open()) else {
            return true;
        };
        match self.unless_blocked(delivery.pass(piece, &shared.settings.backend)).await {
            Some(Ok(())) => true,
            Some(Err(word)) => {
                self.worker.report.backend_said(&word);
                if let Word::Ours(reply, _) = word {
                    driver.session.handle_message_lost(reply);
                }
                true
            }
            None => false,
        }
    }

    fn report(&self, driver: &Driver, end: MessageEnd<'_>, message: &Message) {
        let envelope = driver.envelope.as_deref();
        self.worker.report.message(driver.whose(), envelope, end, message.octets);
    }
}

impl Driver {
    fn end_message(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.reset();
        }
        if let Some(envelope) = &mut self.envelope {
            envelope.clear();
        }
    }
}
