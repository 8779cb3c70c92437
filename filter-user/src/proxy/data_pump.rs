//! Pumps one message from the client to the backend: bounded memory, each waiting for the other, and nothing that the
//! backend could take for whole unless it is.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncReadExt;

use super::delivery::Word;
use super::driver::{Driver, End};
use super::report::MessageEnd;
use crate::smtp::Piece;
use crate::telemetry::label::TimeoutKind;

/// Octets read at once; with as many again on their way out, what a message holds in memory.
const CHUNK: usize = 64 * 1024;
/// Pieces smaller than this are gathered, larger ones sent from where they lie.
const GATHERED: usize = 4 * 1024;

impl Driver {
    /// Pumps until the message has an end, good or bad.
    pub(super) async fn pump(&mut self) -> Option<End> {
        let mut input = self.worker.buffer();
        let mut gathered = self.worker.buffer();
        input.append(&mut self.held);
        let end = self.pump_through(&mut input, &mut gathered).await;
        self.held.extend_from_slice(&input);
        self.unread = true;
        self.worker.give_back_buffer(input);
        self.worker.give_back_buffer(gathered);
        end
    }

    async fn pump_through(&mut self, input: &mut Vec<u8>, gathered: &mut Vec<u8>) -> Option<End> {
        let offer = Rc::clone(&self.offer);
        let service = offer.service(self.granted);
        let shared = Arc::clone(&self.worker.shared);
        let settings = &shared.settings.backend;
        let began = Instant::now();
        let mut octets = 0u64;
        // 354 must be out before the client sends anything.
        if let Some(end) = self.flush().await {
            return self.message_broken_off(end, octets);
        }
        loop {
            let mut at = 0;
            let needs_more = loop {
                let handled =
                    self.session.handle_data(service, &input[at..], &mut self.replies, Instant::now());
                at += handled.consumed;
                match handled.piece {
                    Piece::Read => break true,
                    Piece::Insert(inserted) => gathered.extend_from_slice(inserted),
                    Piece::Pass(passed) => {
                        octets += passed.len() as u64;
                        if passed.len() < GATHERED {
                            gathered.extend_from_slice(passed);
                        } else {
                            self.hand_on(gathered).await;
                            self.hand_on_piece(passed).await;
                        }
                        if gathered.len() >= CHUNK {
                            self.hand_on(gathered).await;
                        }
                    }
                    Piece::Discard => {
                        gathered.clear();
                        if let Some(delivery) = &mut self.delivery {
                            delivery.abandon();
                        }
                    }
                    Piece::EndRefused => {
                        if let Some(delivery) = &mut self.delivery {
                            delivery.abandon();
                        }
                        self.end_message();
                        self.worker.report.message(
                            self.client.ip(),
                            self.envelope.as_deref(),
                            MessageEnd::Refused,
                            octets,
                        );
                        break false;
                    }
                    Piece::End => {
                        self.hand_on(gathered).await;
                        let recipients = self.delivery.as_ref().map_or(0, |delivery| delivery.recipients());
                        let word = match &mut self.delivery {
                            Some(delivery) => delivery.end(settings).await,
                            None => Word::Ours(crate::smtp::reply::BACKEND_LOST, None),
                        };
                        let end = MessageEnd::Answered { word: &word, recipients, took: began.elapsed() };
                        self.worker.report.message(self.client.ip(), self.envelope.as_deref(), end, octets);
                        self.answer_with(service, &word);
                        self.end_message();
                        break false;
                    }
                }
            };
            input.drain(..at);
            if !needs_more {
                return None;
            }
            self.hand_on(gathered).await;
            input.reserve(CHUNK);
            let deadline = tokio::time::Instant::from_std(self.session.deadline());
            match tokio::time::timeout_at(deadline, self.stream.read_buf(input)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return self.message_broken_off(End::HungUp, octets),
                Err(_) => {
                    let over = self.session.handle_timeout(service, &mut self.replies, Instant::now());
                    if let Some(reason) = over {
                        self.flush().await;
                        let end = self.timed_out(TimeoutKind::Data, reason);
                        return self.message_broken_off(end, octets);
                    }
                }
            }
        }
    }

    async fn hand_on(&mut self, gathered: &mut Vec<u8>) {
        if !gathered.is_empty() {
            self.hand_on_piece(gathered).await;
            gathered.clear();
        }
    }

    /// Hands on a piece; if the backend does not take it, the message is lost and the client told at its end.
    async fn hand_on_piece(&mut self, piece: &[u8]) {
        let Some(delivery) = &mut self.delivery else { return };
        if !delivery.is_open() {
            return;
        }
        if let Err(word) = delivery.pass(piece, &self.worker.shared.settings.backend).await {
            self.worker.report.backend_said(&word);
            if let Word::Ours(reply, _) = word {
                self.session.handle_message_lost(reply);
            }
        }
    }

    fn message_broken_off(&mut self, end: End, octets: u64) -> Option<End> {
        if let Some(delivery) = &mut self.delivery {
            delivery.abandon();
        }
        self.worker.report.message(self.client.ip(), self.envelope.as_deref(), MessageEnd::BrokenOff, octets);
        Some(end)
    }

    fn end_message(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.reset();
        }
        if let Some(envelope) = &mut self.envelope {
            envelope.clear();
        }
    }
}
