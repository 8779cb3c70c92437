//! Dovecot as the one that knows logins, the way Postfix asks it: by the client's side of its authentication protocol,
//! version 1, over one connection for all. A mechanism is Dovecot's own affair: what the client says is passed to it and
//! what it says to the client, so it may have any.

mod link;
mod protocol;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::facts::ExchangeFacts;
use crate::config::StreamAddress;
use link::Order;
use protocol::Reply;

/// Orders that may wait for the connection; more say "try later".
const QUEUE: usize = 1024;

/// What Dovecot says to what the client said.
#[derive(Debug)]
pub(super) enum Said {
    /// It asks the client this, in base64.
    Challenge(Conversation, String),
    /// The client is this login.
    Proven(String),
    /// It is not.
    Refused,
    /// It is away, or cannot say now.
    Unavailable,
}

/// A Dovecot. Its connection is a task of the daemon's runtime, which finds it again by itself.
#[derive(Clone, Debug)]
pub(super) struct Dovecot {
    orders: mpsc::Sender<Order>,
    offered: watch::Receiver<Vec<String>>,
    last_id: Arc<AtomicU32>,
    within: Duration,
}

impl Dovecot {
    /// Begins to talk to it.
    pub(super) fn start(
        address: StreamAddress,
        within: Duration,
        runtime: &Handle,
        changes: Arc<AtomicU64>,
    ) -> Self {
        let (orders, taken) = mpsc::channel(QUEUE);
        let (offers, offered) = watch::channel(Vec::new());
        let told = move |mechanisms: Vec<String>| {
            let changed = offers.send_if_modified(|known| {
                let differs = *known != mechanisms;
                *known = mechanisms;
                differs
            });
            changes.fetch_add(changed.into(), Ordering::Release);
        };
        runtime.spawn(link::keep(address, within, taken, told));
        Self { orders, offered, last_id: Arc::default(), within }
    }

    /// Whether it has a mechanism, by the last time that it said which it has.
    pub(super) fn offers(&self, mechanism: &str) -> bool {
        self.offered.borrow().iter().any(|offered| offered == mechanism)
    }

    /// Waits until it has said which mechanisms it has.
    pub(super) async fn has_spoken(&self) {
        // A connection that is given up for good speaks no more: nobody waits for it.
        let _ = self.offered.clone().wait_for(|mechanisms| !mechanisms.is_empty()).await;
    }

    /// Begins an exchange; the initial response is base64.
    pub(super) async fn begin(&self, mechanism: &str, facts: &ExchangeFacts, initial: Option<&str>) -> Said {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let line = protocol::begin(id, mechanism, facts, initial);
        Conversation { dovecot: self.clone(), id, open: true }.ask(line, true).await
    }
}

/// An exchange that Dovecot waits in. Dropped before its end, Dovecot is told so.
#[derive(Debug)]
pub(super) struct Conversation {
    dovecot: Dovecot,
    id: u32,
    open: bool,
}

impl Conversation {
    /// Gives it the client's response, in base64.
    pub(super) async fn answer(self, response: &str) -> Said {
        let line = protocol::go_on(self.id, response);
        self.ask(line, false).await
    }

    async fn ask(mut self, line: Zeroizing<Vec<u8>>, begins: bool) -> Said {
        if line.len() > protocol::MAX_LINE {
            return Said::Refused;
        }
        let (answer, answered) = oneshot::channel();
        if self.dovecot.orders.try_send(Order::Ask { id: self.id, line, begins, answer }).is_err() {
            self.open = false;
            return Said::Unavailable;
        }
        match timeout(self.dovecot.within, answered).await {
            Ok(Ok(Reply::Continue(challenge))) => Said::Challenge(self, challenge),
            // It takes too long: it is told that nobody waits any more.
            Err(_) => Said::Unavailable,
            Ok(ended) => {
                self.open = false;
                match ended {
                    Ok(Reply::Proven(login)) => Said::Proven(login),
                    Ok(Reply::Refused { temporary: false }) => Said::Refused,
                    // Or the connection was lost.
                    Ok(Reply::Refused { temporary: true } | Reply::Continue(_)) | Err(_) => Said::Unavailable,
                }
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        if self.open {
            // Where the queue is full, Dovecot ends it after a while by itself.
            let _ = self.dovecot.orders.try_send(Order::Cancel(self.id));
        }
    }
}
