//! Connections to one remote directory: a bounded number, kept for the next question, dialled anew by themselves, and
//! closed when nobody asks. Says once that the directory is away, and once that it is back.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::error::DirectoryError;
use super::question::Question;
use crate::telemetry::field;

/// A connection that nobody has used for so long is closed: who is asked again keeps it, and a server has not hung up yet.
const IDLE: Duration = Duration::from_secs(30);
/// After a dial that failed, everyone is told so for a while, instead of dialling again for each of them.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often the log is told at most that it is away.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// A kind of remote directory: how it is dialled, and how it is asked.
pub(super) trait Server: fmt::Debug + Send + Sync + 'static {
    /// A connection that is ready for a question.
    type Connection: fmt::Debug + Send + 'static;

    /// Connects, and does all that comes before the first question.
    fn dial(&self) -> impl Future<Output = Result<Self::Connection, DirectoryError>> + Send;

    /// Whether this mailbox is known. After an error the connection is dropped.
    fn ask(
        &self,
        connection: &mut Self::Connection,
        question: &Question,
    ) -> impl Future<Output = Result<bool, DirectoryError>> + Send;

    /// Whether a connection has served long enough, and another is better dialled for the next question.
    fn is_spent(&self, _connection: &Self::Connection) -> bool {
        false
    }
}

/// The connections to one server.
#[derive(Debug)]
pub(super) struct Pool<S: Server> {
    name: String,
    server: S,
    at_once: Semaphore,
    idle: Mutex<Vec<(S::Connection, Instant)>>,
    sweeping: AtomicBool,
    /// The last dial failed, at this moment.
    away_since: Mutex<Option<Instant>>,
    told: Mutex<Told>,
}

/// What the log was told of the directory last.
#[derive(Debug, Default)]
struct Told {
    away: bool,
    at: Option<Instant>,
}

impl<S: Server> Pool<S> {
    /// At most so many connections to a server that logs call so. None is made yet.
    pub(super) fn new(name: String, server: S, connections: usize) -> Self {
        Self {
            name,
            server,
            at_once: Semaphore::new(connections),
            idle: Mutex::default(),
            sweeping: AtomicBool::new(false),
            away_since: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Whether this mailbox is known. Waits for a connection as long as it takes: the time is the caller's to bound.
    pub(super) async fn ask(self: &Arc<Self>, question: &Question) -> Result<bool, DirectoryError> {
        let _permit = self.at_once.acquire().await.map_err(|_| DirectoryError::StillAway)?;
        if let Some(mut connection) = self.take_idle() {
            // It may have been closed meanwhile; then another is dialled.
            match self.server.ask(&mut connection, question).await {
                Ok(known) => {
                    self.give_back(connection);
                    return Ok(known);
                }
                Err(DirectoryError::Lost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut connection = self.dial().await?;
        let known = self.server.ask(&mut connection, question).await?;
        self.give_back(connection);
        Ok(known)
    }

    /// Tells the log how a question ended, where that is news. Of one that now answers and now does not, no more often
    /// than at an interval.
    pub(super) fn tell(&self, outcome: Result<(), &DirectoryError>) {
        let mut told = locked(&self.told);
        match outcome {
            Ok(()) if told.away => {
                told.away = false;
                tracing::info!({ field::DIRECTORY } = self.name, "the directory answers again");
            }
            Err(error) if !told.away && told.at.is_none_or(|at| at.elapsed() >= TELL_INTERVAL) => {
                *told = Told { away: true, at: Some(Instant::now()) };
                tracing::warn!(
                    { field::DIRECTORY } = self.name,
                    { field::ERROR } = %error,
                    "the directory does not answer; clients are told to try later"
                );
            }
            Ok(()) | Err(_) => {}
        }
    }

    async fn dial(&self) -> Result<S::Connection, DirectoryError> {
        if locked(&self.away_since).is_some_and(|since| since.elapsed() < RETRY_AFTER) {
            return Err(DirectoryError::StillAway);
        }
        let dialled = self.server.dial().await;
        *locked(&self.away_since) = dialled.is_err().then(Instant::now);
        dialled
    }

    fn take_idle(&self) -> Option<S::Connection> {
        locked(&self.idle).pop().map(|(connection, _)| connection)
    }

    fn give_back(self: &Arc<Self>, connection: S::Connection) {
        if self.server.is_spent(&connection) {
            return;
        }
        locked(&self.idle).push((connection, Instant::now()));
        if !self.sweeping.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(self).sweep());
        }
    }

    /// Closes what nobody uses, until nothing is left.
    async fn sweep(self: Arc<Self>) {
        loop {
            sleep(IDLE / 2).await;
            let mut idle = locked(&self.idle);
            idle.retain(|(_, since)| since.elapsed() < IDLE);
            if idle.is_empty() {
                self.sweeping.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that is done under these locks can leave them half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
