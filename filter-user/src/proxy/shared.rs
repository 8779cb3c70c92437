//! What all workers share: the judge, the bounds over all sessions, and the way to reach every
//! worker's sessions. Nothing here is locked for longer than one look.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use filter_common::PeerKey;

use super::backend::BackendSettings;
use super::destination::{DestinationSettings, Destinations};
use super::mailbox::{Address, Signal};
use super::own_listeners::OwnListeners;
use super::tls::ServerTls;
use crate::auth::Authenticator;
use crate::config::{AuthSettings, Config, TrueAddress};
use crate::judge::Judge;
use crate::peers::{Guesses, OpenSessions};
use crate::smtp::{Deadlines, Limits};

/// How the proxy serves.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Our name.
    pub hostname: String,
    /// Bounds of a session.
    pub limits: Limits,
    /// Time-outs of a session.
    pub deadlines: Deadlines,
    /// TLS towards clients, where there is any.
    pub tls: Option<Arc<ServerTls>>,
    /// For the TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// Wait before the banner.
    pub greet_delay: Duration,
    /// For the peer to take our replies.
    pub write_timeout: Duration,
    /// For open sessions, when the daemon stops.
    pub drain_timeout: Duration,
    /// Sessions in all.
    pub max_sessions: usize,
    /// How backends are spoken to.
    pub backend: Arc<BackendSettings>,
    /// Where mail goes; the first is the default backend.
    pub destinations: Vec<DestinationSettings>,
    /// Who may say who the client is.
    pub true_address: TrueAddress,
    /// Whether the address that a client has connected to may grant something.
    pub local_matters: bool,
    /// How clients authenticate.
    pub auth: AuthSettings,
    /// Refusals logged a second, by each worker.
    pub log_refusals: u32,
}

/// Shared by all workers.
#[derive(Debug)]
pub struct Shared {
    /// How to serve.
    pub settings: ProxySettings,
    /// Who may send to whom, and who did what.
    pub judge: Arc<Judge>,
    /// Who knows logins, where we ask somebody.
    pub authenticator: Option<Authenticator>,
    /// Who has failed to authenticate how often.
    pub guesses: Guesses,
    /// How many sessions each peer has.
    pub open_sessions: OpenSessions,
    /// Where mail goes.
    pub destinations: Arc<Destinations>,
    sessions: AtomicUsize,
    workers: OnceLock<Vec<Address>>,
}

impl ProxySettings {
    /// The proxy's part of a configuration; apart what had to be looked up, read or started: where mail goes, where we
    /// listen, and TLS.
    #[must_use]
    pub fn new(
        config: &Config,
        destinations: Vec<DestinationSettings>,
        own_listeners: OwnListeners,
        tls: Option<Arc<ServerTls>>,
    ) -> Self {
        Self {
            hostname: config.hostname.clone(),
            limits: config.smtp_limits(),
            deadlines: config.smtp_deadlines(),
            tls,
            tls_handshake_timeout: config.tls.handshake_timeout,
            greet_delay: config.greet_delay,
            write_timeout: config.write_timeout,
            drain_timeout: config.drain_timeout,
            max_sessions: config.max_sessions,
            backend: Arc::new(BackendSettings {
                hostname: config.hostname.clone(),
                own_listeners,
                dial_timeout: config.backend.dial_timeout,
                reply_timeout: config.backend.reply_timeout,
                final_timeout: config.backend.final_timeout,
            }),
            true_address: config.true_address.clone(),
            destinations,
            local_matters: !config.policy_settings().internal_addresses.is_empty(),
            auth: config.auth.clone(),
            log_refusals: config.log_refusals,
        }
    }
}

impl Shared {
    /// Nobody is served yet.
    #[must_use]
    pub fn new(
        config: &Config,
        settings: ProxySettings,
        judge: Arc<Judge>,
        authenticator: Option<Authenticator>,
    ) -> Self {
        Self {
            destinations: Arc::new(Destinations::new(settings.destinations.clone())),
            settings,
            judge,
            authenticator,
            guesses: Guesses::new(config.auth.max_attempts_per_peer, config.strike_decay, config.max_peers),
            open_sessions: OpenSessions::new(u32::try_from(config.max_sessions_per_peer).unwrap_or(u32::MAX)),
            sessions: AtomicUsize::new(0),
            workers: OnceLock::new(),
        }
    }

    /// Sessions open now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Counts one session more, unless there are as many as there may be.
    pub(super) fn open_session(&self) -> bool {
        if self.sessions.fetch_add(1, Ordering::Relaxed) < self.settings.max_sessions {
            return true;
        }
        self.sessions.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Counts one session less.
    pub(super) fn close_session(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// The peer was blocked: ends its other sessions, wherever they are.
    pub(super) fn reset_others(&self, peer: PeerKey) {
        if self.open_sessions.count(peer) > 1 {
            self.signal(Signal::Reset(peer));
        }
    }

    /// Ends all sessions of a peer by a reset, wherever they are.
    pub fn end_sessions(&self, peer: PeerKey) {
        if self.open_sessions.count(peer) > 0 {
            self.signal(Signal::Reset(peer));
        }
    }

    /// Tells every worker.
    pub(super) fn signal(&self, signal: Signal) {
        for worker in self.workers.get().into_iter().flatten() {
            worker.send(signal);
        }
    }

    /// The workers there are; said once.
    pub(super) fn set_workers(&self, workers: Vec<Address>) {
        // Said twice, the first stands: workers are started once.
        let _ = self.workers.set(workers);
    }
}
