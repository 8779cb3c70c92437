//! Who is asked about a login: the backends, in their order. The first that knows the login answers; one that cannot
//! say makes the answer "try later", unless another proves it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::credentials::Credentials;
use super::dovecot::{Dovecot, Said};
use super::exchange::{Exchange, Step};
use super::facts::ExchangeFacts;
use super::password_file::{ITERATIONS, PasswordFile, PasswordFileError};
use super::scram::{SHA_256, SHA_256_PLUS, ScramVerifier};
use crate::config::{AuthBackend, AuthSettings};

/// What a reload read.
#[derive(Debug)]
pub struct Reloaded {
    /// The file.
    pub path: PathBuf,
    /// How many logins it has now; after an error, what was read before stays in force.
    pub logins: Result<usize, PasswordFileError>,
}

/// Knows who may authenticate, and how. Shared by all workers.
#[derive(Clone, Debug)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backends: Vec<Backend>,
    allowed: Vec<String>,
    within: Duration,
    /// How often what can be offered has changed.
    changes: Arc<AtomicU64>,
}

/// One that knows logins.
#[derive(Debug)]
pub(super) enum Backend {
    File(FileBackend),
    Dovecot(Dovecot),
}

/// A password file, as it was last read.
#[derive(Debug)]
pub(super) struct FileBackend {
    path: PathBuf,
    current: ArcSwap<PasswordFile>,
    /// Where passwords are hashed: not on a worker's thread, and not more at once than there are cores.
    runtime: Handle,
    room: Arc<Semaphore>,
    /// What the imitations of those who do not exist are made of.
    secret: [u8; 32],
}

/// What one backend knows.
enum Answer {
    Proven(String),
    Wrong,
    Unknown,
    Unavailable,
}

impl Authenticator {
    /// Reads the password files and begins to talk to Dovecot, on this runtime. None where no login is known here.
    pub fn start(settings: &AuthSettings, runtime: &Handle) -> Result<Option<Self>, PasswordFileError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let room = Arc::new(Semaphore::new(cores));
        let mut backends = Vec::new();
        let changes = Arc::new(AtomicU64::new(0));
        for backend in &settings.backends {
            backends.push(match backend {
                AuthBackend::File(path) => {
                    Backend::File(FileBackend::load(path.clone(), runtime.clone(), Arc::clone(&room))?)
                }
                AuthBackend::Dovecot(address) => Backend::Dovecot(Dovecot::start(
                    address.clone(),
                    settings.timeout,
                    runtime,
                    Arc::clone(&changes),
                )),
                AuthBackend::PassThrough => continue,
            });
        }
        let inner =
            Inner { backends, allowed: settings.mechanisms.clone(), within: settings.timeout, changes };
        Ok((!inner.backends.is_empty()).then(|| Self { inner: Arc::new(inner) }))
    }

    /// The mechanisms that can be offered now, on a connection with channel binding or without. What Dovecot once
    /// offered it is believed to offer while it is away: its clients are to try later, not to think that we have no AUTH.
    #[must_use]
    pub fn mechanisms(&self, with_binding: bool) -> Vec<String> {
        let offers =
            |name: &str| self.inner.backends.iter().any(|backend| backend.offers(name, with_binding));
        self.inner.allowed.iter().filter(|name| offers(name)).cloned().collect()
    }

    /// A number that is another one when [`mechanisms`](Self::mechanisms) may be others.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::Acquire)
    }

    /// Waits until every Dovecot has said which mechanisms it has.
    pub async fn ready(&self) {
        for backend in &self.inner.backends {
            if let Backend::Dovecot(dovecot) = backend {
                dovecot.has_spoken().await;
            }
        }
    }

    /// Begins an exchange; none where the mechanism is not offered. Its first step takes the initial response.
    #[must_use]
    pub fn begin(&self, mechanism: &str, facts: ExchangeFacts) -> Option<Exchange> {
        Exchange::new(self.clone(), mechanism, facts)
    }

    /// Reads the password files again, each whole or not at all.
    #[must_use]
    pub fn reload(&self) -> Vec<Reloaded> {
        let files = self.inner.backends.iter().filter_map(|backend| match backend {
            Backend::File(file) => Some(file),
            Backend::Dovecot(_) => None,
        });
        let reloaded =
            files.map(|file| Reloaded { path: file.path.clone(), logins: file.reload() }).collect();
        self.inner.changes.fetch_add(1, Ordering::Release);
        reloaded
    }

    /// Whether this login has this password.
    pub(super) async fn verify(&self, credentials: Credentials, facts: &ExchangeFacts) -> Step {
        let credentials = Arc::new(credentials);
        let mut unless_proven = Step::Failed;
        for backend in &self.inner.backends {
            let answer = match timeout(self.inner.within, backend.verify(&credentials, facts)).await {
                Ok(answer) => answer,
                Err(_) => Answer::Unavailable,
            };
            match answer {
                Answer::Proven(login) => return Step::proven(&login),
                Answer::Wrong => return Step::Failed,
                Answer::Unknown => {}
                Answer::Unavailable => unless_proven = Step::Unavailable,
            }
        }
        unless_proven
    }

    /// Who is to take SCRAM for a login: the first that knows it, or else the last.
    pub(super) fn scram_backend(&self, login: &str, plus: bool) -> Option<&Backend> {
        let name = if plus { SHA_256_PLUS } else { SHA_256 };
        let mut last = None;
        for backend in self.inner.backends.iter().filter(|backend| backend.offers(name, plus)) {
            match backend {
                Backend::File(file) if !file.knows_for_scram(login) => last = Some(backend),
                Backend::File(_) | Backend::Dovecot(_) => return Some(backend),
            }
        }
        last
    }

    /// The first Dovecot that has a mechanism.
    pub(super) fn dovecot_with(&self, mechanism: &str) -> Option<&Dovecot> {
        self.inner.backends.iter().find_map(|backend| match backend {
            Backend::Dovecot(dovecot) if dovecot.offers(mechanism) => Some(dovecot),
            Backend::Dovecot(_) | Backend::File(_) => None,
        })
    }
}

impl Backend {
    /// LOGIN is PLAIN in two answers: whoever takes the one is offered for the other.
    fn offers(&self, name: &str, with_binding: bool) -> bool {
        match (self, name) {
            (Self::File(_), "PLAIN" | "LOGIN") => true,
            (Self::File(file), SHA_256) => file.has_verifiers(),
            (Self::File(file), SHA_256_PLUS) => with_binding && file.has_verifiers(),
            (Self::File(_), _) => false,
            (Self::Dovecot(dovecot), "LOGIN") => dovecot.offers("PLAIN"),
            (Self::Dovecot(dovecot), name) => dovecot.offers(name),
        }
    }

    async fn verify(&self, credentials: &Arc<Credentials>, facts: &ExchangeFacts) -> Answer {
        match self {
            Self::File(file) => file.verify(credentials).await,
            Self::Dovecot(dovecot) => {
                match dovecot.begin("PLAIN", facts, Some(&credentials.to_plain())).await {
                    Said::Proven(login) => Answer::Proven(login),
                    // Dovecot does not tell a wrong password from a login that it does not know.
                    Said::Refused => Answer::Unknown,
                    Said::Challenge(..) | Said::Unavailable => Answer::Unavailable,
                }
            }
        }
    }
}

impl FileBackend {
    fn load(path: PathBuf, runtime: Handle, room: Arc<Semaphore>) -> Result<Self, PasswordFileError> {
        let current = ArcSwap::from_pointee(PasswordFile::load(&path)?);
        Ok(Self { path, current, runtime, room, secret: random()? })
    }

    fn reload(&self) -> Result<usize, PasswordFileError> {
        let read = PasswordFile::load(&self.path)?;
        if read.is_empty() && !self.current.load().is_empty() {
            return Err(PasswordFileError::Emptied { path: self.path.clone() });
        }
        let count = read.len();
        self.current.store(Arc::new(read));
        Ok(count)
    }

    async fn verify(&self, credentials: &Arc<Credentials>) -> Answer {
        let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else { return Answer::Unavailable };
        let (file, credentials) = (self.current.load_full(), Arc::clone(credentials));
        let verified = self.runtime.spawn_blocking(move || {
            let verified = file.verify(credentials.login(), &credentials.prepared_password());
            drop(permit);
            (verified, super::credentials::prepared_login(credentials.login()))
        });
        match verified.await {
            Ok((Some(true), Some(login))) => Answer::Proven(login),
            Ok((Some(_), _)) => Answer::Wrong,
            Ok((None, _)) => Answer::Unknown,
            // The runtime is being shut down.
            Err(_) => Answer::Unavailable,
        }
    }

    fn has_verifiers(&self) -> bool {
        self.current.load().iterations().is_some()
    }

    fn knows_for_scram(&self, login: &str) -> bool {
        self.current.load().scram(login).is_some()
    }

    /// What a proof is compared with: the login's own verifier, or an imitation that looks like one.
    pub(super) fn scram(&self, login: &str) -> Arc<ScramVerifier> {
        let file = self.current.load();
        file.scram(login).unwrap_or_else(|| {
            let iterations = file.iterations().unwrap_or(ITERATIONS);
            Arc::new(ScramVerifier::imitation(&self.secret, login, iterations))
        })
    }
}

fn random() -> Result<[u8; 32], PasswordFileError> {
    let half = || {
        argon2::password_hash::try_generate_salt().map_err(|error| PasswordFileError::Hash(error.to_string()))
    };
    let mut secret = [0; 32];
    secret[..16].copy_from_slice(&half()?);
    secret[16..].copy_from_slice(&half()?);
    Ok(secret)
}
