//! One connection to a backend: introduced with the client's true address, then one command after the other, each
//! answered within its time or given up. How the TCP connection is made is in `dial`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::backend_error::BackendError;
use super::capabilities::Capabilities;
use super::destination::{DestinationSettings, Host};
use super::dial;
use super::own_listeners::OwnListeners;
use super::reply_reader::{GarbledReply, OwnedReply, take_reply};
use super::tls::{ClientTls, ServerStream};
use super::true_address::TrueClient;
use crate::config::{ClientAddress, TlsLevel};

/// Octets read from the backend at once.
const READ: usize = 4096;

/// How backends are spoken to, and how long they may take.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// Our name towards them.
    pub hostname: String,
    /// Where no backend can be.
    pub own_listeners: OwnListeners,
    /// For the connection and the banner.
    pub dial_timeout: Duration,
    /// For each reply before the message.
    pub reply_timeout: Duration,
    /// For the reply after the dot.
    pub final_timeout: Duration,
}

/// What is refused where the client's own name is, which it said to us.
pub(super) const CLIENTS_HELO: &str = "the client's HELO";

/// A connection on which EHLO was answered.
#[derive(Debug)]
pub(super) struct Backend {
    stream: ServerStream,
    host: Arc<Host>,
    received: Vec<u8>,
    /// What it said it can do.
    pub(super) capabilities: Capabilities,
    /// What it said so before it was told of the client by XCLIENT: the same to everybody, where what it says behind that
    /// may be for one client alone.
    pub(super) greeted_with: Capabilities,
    /// A transaction was begun and must be reset before the next one.
    pub(super) dirty: bool,
}

impl Backend {
    /// Connects and says EHLO, as nobody: to learn what the backend can do.
    pub(super) async fn probe(
        host: &Arc<Host>,
        way: &DestinationSettings,
        settings: &BackendSettings,
    ) -> Result<Capabilities, BackendError> {
        let mut backend = Self::open(host, way, settings, None).await?;
        let capabilities = backend.capabilities.clone();
        // The courtesy of a QUIT: whether it arrives changes nothing.
        let _ = backend.send(b"QUIT\r\n", settings.reply_timeout, "QUIT").await;
        Ok(capabilities)
    }

    /// Connects, introduces the client and is ready for MAIL.
    pub(super) async fn dial(
        host: &Arc<Host>,
        way: &DestinationSettings,
        settings: &BackendSettings,
        client: &TrueClient<'_>,
    ) -> Result<Self, BackendError> {
        let mut backend = Self::open(host, way, settings, Some(client)).await?;
        backend.greeted_with.clone_from(&backend.capabilities);
        if way.client_address != ClientAddress::Xclient {
            return Ok(backend);
        }
        if let Some(command) = client.xclient_command(&backend.capabilities) {
            // RFC 5321 greeting anew: a server that takes XCLIENT starts the session over (XCLIENT_README).
            let answer = backend.ask(command.as_bytes(), settings.reply_timeout, "XCLIENT").await?;
            if answer.is_positive() {
                backend.hello(client.helo, settings).await.map_err(|error| match error {
                    // It is the client's name, and its address, that it does not like.
                    BackendError::Refused { summary, .. } => {
                        BackendError::Refused { what: CLIENTS_HELO, summary }
                    }
                    other => other,
                })?;
            } else {
                return Err(BackendError::Refused { what: "XCLIENT", summary: answer.summary() });
            }
        }
        Ok(backend)
    }

    /// Sends a command and waits for its reply.
    pub(super) async fn ask(
        &mut self,
        command: &[u8],
        within: Duration,
        what: &'static str,
    ) -> Result<OwnedReply, BackendError> {
        self.expect_silence(what)?;
        self.send(command, within, what).await?;
        self.reply(within, what).await
    }

    /// Nothing may have come before it was asked for: it would be taken for the answer to the next command, and after
    /// the dot that must be the backend's own word.
    pub(super) fn expect_silence(&mut self, what: &'static str) -> Result<(), BackendError> {
        match self.stream.has_talked() {
            Err(_) => Err(BackendError::Lost { what }),
            Ok(false) if self.received.is_empty() => Ok(()),
            Ok(_) => Err(BackendError::Garbled { what, garbled: GarbledReply::Unasked }),
        }
    }

    /// Sends octets.
    pub(super) async fn send(
        &mut self,
        octets: &[u8],
        within: Duration,
        what: &'static str,
    ) -> Result<(), BackendError> {
        match timeout(within, self.stream.write_all(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(BackendError::Lost { what }),
            Err(_) => Err(BackendError::TimedOut { what, after: within }),
        }
    }

    /// Waits for the next reply.
    pub(super) async fn reply(
        &mut self,
        within: Duration,
        what: &'static str,
    ) -> Result<OwnedReply, BackendError> {
        match timeout(within, self.next_reply(what)).await {
            Ok(answer) => answer,
            Err(_) => Err(BackendError::TimedOut { what, after: within }),
        }
    }

    /// Whose connection this is.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Whether nobody between us can listen.
    pub(super) fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// Says goodbye without waiting.
    pub(super) fn quit(self) {
        self.stream.leave(b"QUIT\r\n");
    }

    async fn next_reply(&mut self, what: &'static str) -> Result<OwnedReply, BackendError> {
        loop {
            match take_reply(&mut self.received) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(garbled) => return Err(BackendError::Garbled { what, garbled }),
            }
            self.received.reserve(READ);
            match self.stream.read(&mut self.received).await {
                Ok(0) | Err(_) => return Err(BackendError::Lost { what }),
                Ok(_) => {}
            }
        }
    }

    /// Connects, says EHLO and encrypts, for a client or for nobody. Where TLS is but tried and does not work out, all
    /// is begun anew in the clear.
    async fn open(
        host: &Arc<Host>,
        way: &DestinationSettings,
        settings: &BackendSettings,
        client: Option<&TrueClient<'_>>,
    ) -> Result<Self, BackendError> {
        match Self::open_with(host, way, settings, &way.tls, client).await {
            Err(BackendError::Tls { .. }) if way.tls.level() == TlsLevel::May => {
                Self::open_with(host, way, settings, &ClientTls::default(), client).await
            }
            outcome => outcome,
        }
    }

    async fn open_with(
        host: &Arc<Host>,
        way: &DestinationSettings,
        settings: &BackendSettings,
        tls: &ClientTls,
        client: Option<&TrueClient<'_>>,
    ) -> Result<Self, BackendError> {
        let how = way.client_address;
        let as_client = client.filter(|_| how == ClientAddress::Transparent);
        let from = as_client.map(|client| client.address.ip().to_canonical());
        let stream = ServerStream::new(dial::connect(host, from, settings).await?);
        let mut backend = Self {
            stream,
            host: Arc::clone(host),
            received: Vec::new(),
            capabilities: Capabilities::default(),
            greeted_with: Capabilities::default(),
            dirty: false,
        };
        if how == ClientAddress::Proxy {
            match client {
                Some(client) => backend.send_proxy_header(client).await?,
                None => backend.send_own_proxy_header().await?,
            }
        }
        backend.greet(settings).await?;
        let name = match (client, how) {
            // Who sees the client's address hears the client's name with it.
            (Some(client), ClientAddress::Proxy | ClientAddress::Transparent) => client.helo,
            _ => &settings.hostname,
        };
        backend.hello(name, settings).await?;
        if backend.encrypt(host, settings, tls).await? {
            backend.hello(name, settings).await?;
        }
        if let (Some(_), Some(credentials)) = (client, &way.credentials) {
            backend.log_in(host, credentials, settings).await?;
        }
        Ok(backend)
    }

    /// Encrypts the connection, as far as that is asked for, and says whether it is encrypted now: then what the backend
    /// can do is to be asked anew (RFC 3207 section 4.2).
    async fn encrypt(
        &mut self,
        host: &Host,
        settings: &BackendSettings,
        tls: &ClientTls,
    ) -> Result<bool, BackendError> {
        match (tls.level(), self.capabilities.starttls) {
            (TlsLevel::None, _) | (TlsLevel::May, false) => return Ok(false),
            (TlsLevel::Encrypt | TlsLevel::Verify, false) => {
                return Err(BackendError::Unencrypted { host: host.to_string() });
            }
            (_, true) => {}
        }
        let failed = |source| BackendError::Tls { host: host.to_string(), source };
        let answer = self.ask(b"STARTTLS\r\n", settings.reply_timeout, "STARTTLS").await?;
        if !answer.is_positive() {
            return Err(failed(io::Error::other(answer.summary())));
        }
        if !self.received.is_empty() {
            // Said in the clear, to be taken for what is said under TLS (CVE-2011-0411).
            return Err(BackendError::Garbled { what: "STARTTLS", garbled: GarbledReply::Unasked });
        }
        let within = settings.dial_timeout;
        match timeout(within, self.stream.encrypt(tls, &host.name)).await {
            Ok(encrypted) => encrypted.map_err(failed)?,
            Err(_) => return Err(BackendError::TimedOut { what: "the TLS handshake", after: within }),
        }
        Ok(true)
    }

    /// A backend that expects PROXY headers answers nothing before one; LOCAL would do, but not every server knows it, so
    /// who asks says that it is itself.
    async fn send_own_proxy_header(&mut self) -> Result<(), BackendError> {
        let tcp = self.stream.tcp();
        let Ok(address) = tcp.local_addr() else { return Ok(()) };
        let client =
            TrueClient { address, local: tcp.peer_addr().ok(), helo: "", extended: true, login: None };
        self.send_proxy_header(&client).await
    }

    async fn send_proxy_header(&mut self, client: &TrueClient<'_>) -> Result<(), BackendError> {
        let header = client.proxy_header().map_err(|_| BackendError::Lost { what: "the PROXY header" })?;
        self.send(&header, Duration::from_secs(5), "the PROXY header").await
    }

    async fn greet(&mut self, settings: &BackendSettings) -> Result<(), BackendError> {
        let banner = self.reply(settings.dial_timeout, "the banner").await?;
        if banner.code == 220 {
            return Ok(());
        }
        Err(BackendError::Refused { what: "the connection", summary: banner.summary() })
    }

    async fn hello(&mut self, name: &str, settings: &BackendSettings) -> Result<(), BackendError> {
        let name = if name.is_empty() { settings.hostname.as_str() } else { name };
        let answer = self.ask(format!("EHLO {name}\r\n").as_bytes(), settings.reply_timeout, "EHLO").await?;
        if answer.is_positive() {
            self.capabilities = Capabilities::from_ehlo(&answer);
            self.capabilities.require_tls &= self.stream.is_verified();
            return Ok(());
        }
        // RFC 5321 section 3.2: a server without extensions is greeted with HELO.
        let answer = self.ask(format!("HELO {name}\r\n").as_bytes(), settings.reply_timeout, "HELO").await?;
        if answer.is_positive() {
            self.capabilities = Capabilities::default();
            return Ok(());
        }
        Err(BackendError::Refused { what: "HELO", summary: answer.summary() })
    }
}
