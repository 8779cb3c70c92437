//! How remote directories are asked: on the daemon's runtime, not on that of who asks; within a time; once for all who
//! ask the same at once; and not again while the answer is remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use super::cache::{Cache, Era};
use super::error::DirectoryError;
use super::question::Question;
use super::remote::Remote;
use crate::config::DirectorySettings;
use crate::policy::DirectoryAnswer;
use crate::telemetry::Metrics;
use crate::telemetry::label::{CachedAnswer, RemoteAnswer};

/// What all remote directories share.
#[derive(Debug)]
pub(super) struct Asking {
    runtime: Handle,
    cache: Cache,
    /// By the era too: an answer to a question of before everything was forgotten is none to one of after it.
    under_way: Mutex<HashMap<(Era, Question), Told>>,
    metrics: Metrics,
}

/// Where those who wait for the same answer are told of it.
type Told = watch::Receiver<Option<DirectoryAnswer>>;

/// A mailbox that is in question.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// As it was asked for.
    pub(super) exact: Question,
    /// The mailbox that it is an extension of.
    pub(super) base: Option<Question>,
}

impl Asking {
    pub(super) fn new(settings: &DirectorySettings, runtime: Handle) -> Self {
        Self {
            runtime,
            cache: Cache::new(settings.cache_size, settings.cache_for, settings.cache_unknown_for),
            under_way: Mutex::default(),
            metrics: Metrics::new(),
        }
    }

    /// What is remembered.
    pub(super) fn remembered(&self, case: &Case) -> Option<DirectoryAnswer> {
        let now = Instant::now();
        let answer = match (self.cache.get(&case.exact, now)?, &case.base) {
            (true, _) => DirectoryAnswer::Known,
            (false, Some(base)) if self.cache.get(base, now)? => DirectoryAnswer::Extension,
            (false, _) => DirectoryAnswer::Unknown,
        };
        let cached = match answer {
            DirectoryAnswer::Unknown => CachedAnswer::Unknown,
            _ => CachedAnswer::Known,
        };
        self.metrics.directory_cache_hits.of(cached).increment(1);
        Some(answer)
    }

    /// Forgets what is remembered.
    pub(super) fn forget(&self) {
        self.cache.clear();
    }

    /// Asks, or waits with who has asked already. The question goes on, for the others and to be remembered, when who
    /// asked does not wait for the answer.
    pub(super) async fn ask(
        self: Arc<Self>,
        remote: Remote,
        case: Case,
        within: Duration,
    ) -> DirectoryAnswer {
        let mut told = {
            let question = (self.cache.era(), case.exact.clone());
            let mut under_way = self.locked();
            match under_way.get(&question) {
                Some(told) => told.clone(),
                None => {
                    let (tell, told) = watch::channel(None);
                    under_way.insert(question.clone(), told.clone());
                    let ended = Ended { asking: Arc::clone(&self), question };
                    let asking = Arc::clone(&self);
                    self.runtime.spawn(async move {
                        let answer = asking.find_out(&remote, &case, within).await;
                        // Whoever asks from now on finds what is remembered.
                        drop(ended);
                        tell.send_replace(Some(answer));
                    });
                    told
                }
            }
        };
        // Without an answer it ends only where a library gave up on what a server sent, or the daemon stops.
        let answer = told.wait_for(Option::is_some).await.ok().and_then(|answer| *answer);
        answer.unwrap_or(DirectoryAnswer::Unavailable)
    }

    async fn find_out(&self, remote: &Remote, case: &Case, within: Duration) -> DirectoryAnswer {
        let until_known = async {
            if self.known(remote, &case.exact).await? {
                return Ok(DirectoryAnswer::Known);
            }
            match &case.base {
                Some(base) if self.known(remote, base).await? => Ok(DirectoryAnswer::Extension),
                _ => Ok(DirectoryAnswer::Unknown),
            }
        };
        let outcome = timeout(within, until_known).await;
        let outcome = outcome.unwrap_or(Err(DirectoryError::TimedOut(within)));
        outcome.unwrap_or_else(|error| {
            remote.tell(Err(&error));
            self.metrics.directory_answers.of(RemoteAnswer::CannotSay).increment(1);
            self.metrics.directory_failures.of(remote.kind()).increment(1);
            DirectoryAnswer::Unavailable
        })
    }

    async fn known(&self, remote: &Remote, question: &Question) -> Result<bool, DirectoryError> {
        if let Some(known) = self.cache.get(question, Instant::now()) {
            return Ok(known);
        }
        let (begun, era) = (Instant::now(), self.cache.era());
        self.metrics.directory_questions.of(remote.kind()).increment(1);
        let known = remote.ask(question).await;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.metrics.directory_microseconds.of(remote.kind()).increment(took);
        let known = known?;
        remote.tell(Ok(()));
        let answer = if known { RemoteAnswer::Known } else { RemoteAnswer::Unknown };
        self.metrics.directory_answers.of(answer).increment(1);
        self.cache.put(question.clone(), known, era, Instant::now());
        Ok(known)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<(Era, Question), Told>> {
        // Nothing that is done under the lock can leave it half-done.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is under way until this is dropped, however it ends.
struct Ended {
    asking: Arc<Asking>,
    question: (Era, Question),
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.asking.locked().remove(&self.question);
    }
}
