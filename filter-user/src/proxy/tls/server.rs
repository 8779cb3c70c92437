//! TLS towards clients, as its files were last read: reading them again is whole or not at all, and disturbs no session.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::UnixTime;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::certificates::{Certificates, Lifetime};
use super::client_authority::ClientAuthority;
use super::connection::Tls;
use super::error::TlsError;
use super::provider;
use crate::config::{TlsSettings, TlsVersion};
use crate::policy::ClientCertificate;

/// Sessions that can be resumed of clients that take no tickets; a session has some 200 octets.
const REMEMBERED: usize = 10_000;

/// TLS towards clients; shared by all workers.
#[derive(Debug)]
pub struct ServerTls {
    settings: TlsSettings,
    /// What sessions are resumed from, by any worker. It outlives a reload: only keys of our own are in it, and what a
    /// resumed session's certificate proves is judged anew.
    remembered: Arc<dyn StoresServerSessions>,
    tickets: Arc<dyn ProducesTickets>,
    current: ArcSwap<InForce>,
}

/// What was read at one time.
#[derive(Debug)]
struct InForce {
    config: Arc<ServerConfig>,
    clients: Option<ClientAuthority>,
    lifetimes: Vec<Lifetime>,
}

/// What a finished handshake came to.
#[derive(Debug)]
pub(in crate::proxy) struct Established {
    /// Whether it was TLS 1.3, and not 1.2.
    pub(in crate::proxy) is_newest: bool,
    /// Whether it took up an earlier session.
    pub(in crate::proxy) is_resumed: bool,
    /// What the client has proven.
    pub(in crate::proxy) certificate: Option<ClientCertificate>,
}

impl ServerTls {
    /// Reads all that the settings name; nothing where they name no certificate.
    pub fn load(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        if settings.certificates.is_empty() {
            return Ok(None);
        }
        let remembered: Arc<dyn StoresServerSessions> = ServerSessionMemoryCache::new(REMEMBERED);
        let tickets = Ticketer::new().map_err(TlsError::Rustls)?;
        let read = InForce::read(settings, &remembered, &tickets)?;
        let settings = settings.clone();
        Ok(Some(Self { settings, remembered, tickets, current: ArcSwap::from_pointee(read) }))
    }

    /// Reads all files again. Sessions that are open go on as they began; after an error, what was read before stays in
    /// force.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = InForce::read(&self.settings, &self.remembered, &self.tickets)?;
        self.current.store(Arc::new(read));
        Ok(())
    }

    /// When the first certificate ends, in seconds of Unix time.
    #[must_use]
    pub fn first_end(&self) -> i64 {
        self.current.load().lifetimes.iter().map(|lifetime| lifetime.ends).min().unwrap_or(i64::MAX)
    }

    /// When each certificate ends: its file, and the time in seconds of Unix time.
    #[must_use]
    pub fn ends(&self) -> Vec<(PathBuf, i64)> {
        let in_force = self.current.load();
        in_force.lifetimes.iter().map(|lifetime| (lifetime.path.clone(), lifetime.ends)).collect()
    }

    /// Certificates that clients will not like today. They are used all the same: they still encrypt.
    #[must_use]
    pub fn warnings(&self, now: SystemTime) -> Vec<String> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let warning = |lifetime: &Lifetime| {
            let what = match lifetime {
                Lifetime { ends, .. } if *ends < now => "has expired",
                Lifetime { begins, .. } if *begins > now => "is not valid yet",
                _ => return None,
            };
            let path = lifetime.path.display();
            Some(format!(
                "tls-certificate = {path}: the certificate {what}: clients that verify it will not send"
            ))
        };
        self.current.load().lifetimes.iter().filter_map(warning).collect()
    }

    /// A connection whose handshake is to begin.
    pub(in crate::proxy) fn begin(&self) -> io::Result<Tls> {
        let config = Arc::clone(&self.current.load().config);
        ServerConnection::new(config).map(Tls::new).map_err(io::Error::other)
    }

    /// What a finished handshake came to.
    pub(in crate::proxy) fn established(&self, tls: &Tls) -> Established {
        let connection = tls.connection();
        let in_force = self.current.load();
        let certificate = connection.peer_certificates().and_then(|chain| {
            in_force.clients.as_ref().and_then(|clients| clients.proof(chain, UnixTime::now()))
        });
        Established {
            is_newest: connection.protocol_version() == Some(ProtocolVersion::TLSv1_3),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate,
        }
    }
}

impl InForce {
    fn read(
        settings: &TlsSettings,
        remembered: &Arc<dyn StoresServerSessions>,
        tickets: &Arc<dyn ProducesTickets>,
    ) -> Result<Self, TlsError> {
        let provider = provider();
        let certificates = Certificates::read(&settings.certificates, &provider)?;
        let lifetimes = certificates.lifetimes().to_vec();
        let clients = settings
            .client_authorities
            .as_ref()
            .map(|path| ClientAuthority::read(path, &provider))
            .transpose()?;
        let versions: &[&SupportedProtocolVersion] = match settings.minimum_version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(TlsError::Rustls)?;
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(clients.asks()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.session_storage = Arc::clone(remembered);
        config.ticketer = Arc::clone(tickets);
        // A client holds one connection and comes back with one: a second ticket would be sent for nothing.
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config), clients, lifetimes })
    }
}
