//! Where a session has to wait: for the backend's word, or for a client that is slow to take our replies. Each wait is a
//! future of its own, made only when it is needed, and ends when the peer is blocked meanwhile.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::delivery::Word;
use super::driver::{Driver, End};
use super::slots::Call;
use super::true_address::TrueClient;
use super::turn::Pending;
use super::worker::Worker;
use crate::smtp::Service;

/// A session that waits for something else than its client's next command is never overdue by that.
const NOT_OVERDUE: Duration = Duration::from_secs(86_400);

impl Driver {
    /// Gets the backend's word, unless the peer is blocked meanwhile.
    pub(super) async fn ask_backend(&mut self, pending: Pending) -> Option<End> {
        let (worker, slot) = (Rc::clone(&self.worker), self.slot);
        // The backend has its own time-outs, and message data is timed where it is read.
        worker.slots.borrow_mut().set_deadline(slot, Instant::now() + NOT_OVERDUE);
        let end = unless_blocked(&worker, slot, self.consult(pending)).await.unwrap_or(Some(End::Blocked));
        self.blocked |= end == Some(End::Blocked);
        self.set_deadline();
        end
    }

    async fn consult(&mut self, pending: Pending) -> Option<End> {
        let offer = Rc::clone(&self.offer);
        let service = offer.service(self.granted);
        let shared = Arc::clone(&self.worker.shared);
        let settings = &shared.settings.backend;
        let mut delivery = self.delivery.take().unwrap_or_default();
        let word = match pending {
            Pending::Recipient(passage) => {
                let envelope = self.envelope.take().unwrap_or_default();
                let local = self.local.or_else(|| self.stream.local_addr().ok());
                let client = TrueClient {
                    address: self.client,
                    local,
                    helo: envelope.helo(),
                    extended: envelope.extended(),
                };
                let word =
                    delivery.recipient(passage, &envelope, &client, settings, &shared.capabilities).await;
                self.worker.report.dialled(delivery.take_dials());
                self.worker.report.passed(self.client.ip(), passage, &envelope, &word);
                self.envelope = Some(envelope);
                word
            }
            Pending::Data => {
                let word = delivery.data(settings).await;
                self.worker.report.backend_said(&word);
                word
            }
            Pending::Pump => {
                self.delivery = Some(delivery);
                return self.pump().await;
            }
        };
        self.delivery = Some(delivery);
        self.answer_with(service, &word);
        None
    }

    pub(super) fn answer_with(&mut self, service: &Service, word: &Word) {
        self.session.handle_answer(service, word.as_answer(), &mut self.replies, Instant::now());
    }

    /// Sends what is left, at the client's pace, for as long as it may take; the session reads nothing meanwhile.
    pub(super) async fn flush(&mut self) -> Option<End> {
        if self.replies.is_empty() {
            return None;
        }
        let within = self.worker.shared.settings.write_timeout;
        let replies = std::mem::take(&mut self.replies);
        let writing = timeout(within, write_all(&self.stream, &replies));
        match unless_blocked(&self.worker, self.slot, writing).await {
            Some(Ok(Ok(()))) => None,
            Some(Ok(Err(_))) => Some(End::HungUp),
            Some(Err(_)) => Some(End::StoppedReading),
            None => {
                self.blocked = true;
                Some(End::Blocked)
            }
        }
    }
}

/// Waits for something, unless the session's peer is blocked before it comes.
async fn unless_blocked<F: Future>(worker: &Worker, slot: usize, waiting: F) -> Option<F::Output> {
    let mut waiting = pin!(waiting);
    poll_fn(|cx| {
        {
            let mut slots = worker.slots.borrow_mut();
            slots.listen(slot, cx.waker());
            if slots.take_call(slot) == Call::Reset {
                return Poll::Ready(None);
            }
        }
        waiting.as_mut().poll(cx).map(Some)
    })
    .await
}

async fn write_all(stream: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        stream.writable().await?;
        match stream.try_write(octets) {
            Ok(sent) => octets = &octets[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
