//! One connection to the backend: dialled, introduced with the client's true address, then one command after the
//! other, each answered within its time or given up.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::capabilities::Capabilities;
use super::reply_reader::{GarbledReply, OwnedReply, take_reply};
use super::tls::{ClientTls, ServerStream};
use super::true_address::TrueClient;
use crate::config::TlsLevel;
use crate::smtp::{Reply, reply};

/// Octets read from the backend at once.
const READ: usize = 4096;

/// Where the backend is and how long it may take.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Our name towards it.
    pub hostname: String,
    /// PROXY v2 where XCLIENT is not offered.
    pub proxy_protocol: bool,
    /// Whether and how connections to it are encrypted.
    pub tls: ClientTls,
    /// For the connection and the banner.
    pub dial_timeout: Duration,
    /// For each reply before the message.
    pub reply_timeout: Duration,
    /// For the reply after the dot.
    pub final_timeout: Duration,
}

/// What went wrong with the backend.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Its name has no address.
    #[error("cannot resolve the backend's name {host}: {source}")]
    Unresolved {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// No connection.
    #[error("cannot connect to the backend {host}:{port}: {source}")]
    Unavailable {
        /// Where to.
        host: String,
        /// Where to.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// It said nothing in time.
    #[error("the backend did not answer {what} within {after:?}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The connection ended.
    #[error("the backend closed the connection while {what} was waited for")]
    Lost {
        /// What was waited for.
        what: &'static str,
    },
    /// It does not speak SMTP.
    #[error("the backend answered {what} with {garbled}")]
    Garbled {
        /// What was waited for.
        what: &'static str,
        /// What came.
        garbled: GarbledReply,
    },
    /// It does not encrypt, and that is asked for.
    #[error("the backend {host} offers no STARTTLS, and backend-tls asks for it")]
    Unencrypted {
        /// Which.
        host: String,
    },
    /// It offers to, and it did not work out.
    #[error("no TLS with the backend {host}: {source}")]
    Tls {
        /// Which.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// It wants none of it: its banner, or its answer to EHLO or XCLIENT, was a refusal.
    #[error("the backend refused {what}: {summary}")]
    Refused {
        /// What it refused.
        what: &'static str,
        /// Its first line.
        summary: String,
    },
}

impl BackendError {
    /// What the client is told.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::Unresolved { .. }
            | Self::Unavailable { .. }
            | Self::Unencrypted { .. }
            | Self::Tls { .. }
            | Self::Refused { .. } => reply::BACKEND_UNAVAILABLE,
            Self::TimedOut { .. } => reply::BACKEND_TIMED_OUT,
            Self::Lost { .. } => reply::BACKEND_LOST,
            Self::Garbled { .. } => reply::BACKEND_GARBLED,
        }
    }
}

/// A connection on which EHLO was answered.
#[derive(Debug)]
pub struct Backend {
    stream: ServerStream,
    received: Vec<u8>,
    /// What it said it can do.
    pub capabilities: Capabilities,
    /// A transaction was begun and must be reset before the next one.
    pub dirty: bool,
}

impl Backend {
    /// Connects and says EHLO, as nobody: to learn what the backend can do.
    pub async fn probe(settings: &BackendSettings) -> Result<Capabilities, BackendError> {
        let mut backend = Self::open(settings, None).await?;
        let capabilities = backend.capabilities.clone();
        // The courtesy of a QUIT: whether it arrives changes nothing.
        let _ = backend.send(b"QUIT\r\n", settings.reply_timeout, "QUIT").await;
        Ok(capabilities)
    }

    /// Connects, introduces the client and is ready for MAIL.
    pub async fn dial(settings: &BackendSettings, client: &TrueClient<'_>) -> Result<Self, BackendError> {
        let mut backend = Self::open(settings, Some(client)).await?;
        if let Some(command) = client.xclient_command(&backend.capabilities) {
            // RFC 5321 greeting anew: a server that takes XCLIENT starts the session over (XCLIENT_README).
            let answer = backend.ask(command.as_bytes(), settings.reply_timeout, "XCLIENT").await?;
            if answer.is_positive() {
                backend.hello(client.helo, settings).await?;
            } else {
                return Err(BackendError::Refused { what: "XCLIENT", summary: answer.summary() });
            }
        }
        Ok(backend)
    }

    /// Sends a command and waits for its reply.
    pub async fn ask(
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
    pub async fn send(
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
    pub async fn reply(&mut self, within: Duration, what: &'static str) -> Result<OwnedReply, BackendError> {
        match timeout(within, self.next_reply(what)).await {
            Ok(answer) => answer,
            Err(_) => Err(BackendError::TimedOut { what, after: within }),
        }
    }

    /// Says goodbye without waiting.
    pub fn quit(self) {
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
    async fn open(settings: &BackendSettings, client: Option<&TrueClient<'_>>) -> Result<Self, BackendError> {
        match Self::open_with(settings, &settings.tls, client).await {
            Err(BackendError::Tls { .. }) if settings.tls.level() == TlsLevel::May => {
                Self::open_with(settings, &ClientTls::default(), client).await
            }
            outcome => outcome,
        }
    }

    async fn open_with(
        settings: &BackendSettings,
        tls: &ClientTls,
        client: Option<&TrueClient<'_>>,
    ) -> Result<Self, BackendError> {
        let mut backend = Self::connect(settings).await?;
        if settings.proxy_protocol {
            match client {
                Some(client) => backend.send_proxy_header(client).await?,
                None => backend.send_own_proxy_header().await?,
            }
        }
        backend.greet(settings).await?;
        let name = match client {
            Some(client) if settings.proxy_protocol => client.helo,
            _ => &settings.hostname,
        };
        backend.hello(name, settings).await?;
        if backend.encrypt(settings, tls).await? {
            backend.hello(name, settings).await?;
        }
        Ok(backend)
    }

    /// Encrypts the connection, as far as that is asked for, and says whether it is encrypted now: then what the backend
    /// can do is to be asked anew (RFC 3207 section 4.2).
    async fn encrypt(&mut self, settings: &BackendSettings, tls: &ClientTls) -> Result<bool, BackendError> {
        match (tls.level(), self.capabilities.starttls) {
            (TlsLevel::None, _) | (TlsLevel::May, false) => return Ok(false),
            (TlsLevel::Encrypt | TlsLevel::Verify, false) => {
                return Err(BackendError::Unencrypted { host: settings.host.clone() });
            }
            (_, true) => {}
        }
        let failed = |source| BackendError::Tls { host: settings.host.clone(), source };
        let answer = self.ask(b"STARTTLS\r\n", settings.reply_timeout, "STARTTLS").await?;
        if !answer.is_positive() {
            return Err(failed(io::Error::other(answer.summary())));
        }
        if !self.received.is_empty() {
            // Said in the clear, to be taken for what is said under TLS (CVE-2011-0411).
            return Err(BackendError::Garbled { what: "STARTTLS", garbled: GarbledReply::Unasked });
        }
        let within = settings.dial_timeout;
        match timeout(within, self.stream.encrypt(tls, &settings.host)).await {
            Ok(encrypted) => encrypted.map_err(failed)?,
            Err(_) => return Err(BackendError::TimedOut { what: "the TLS handshake", after: within }),
        }
        Ok(true)
    }

    async fn connect(settings: &BackendSettings) -> Result<Self, BackendError> {
        let unavailable =
            |source| BackendError::Unavailable { host: settings.host.clone(), port: settings.port, source };
        let connecting = async {
            let unresolved = |source| BackendError::Unresolved { host: settings.host.clone(), source };
            let addresses: Vec<_> =
                lookup_host((settings.host.as_str(), settings.port)).await.map_err(unresolved)?.collect();
            TcpStream::connect(&addresses[..]).await.map_err(unavailable)
        };
        let stream = match timeout(settings.dial_timeout, connecting).await {
            Ok(connected) => connected?,
            Err(_) => {
                return Err(BackendError::TimedOut { what: "the connection", after: settings.dial_timeout });
            }
        };
        stream.set_nodelay(true).map_err(unavailable)?;
        let stream = ServerStream::new(stream);
        Ok(Self { stream, received: Vec::new(), capabilities: Capabilities::default(), dirty: false })
    }

    /// A backend that expects PROXY headers answers nothing before one; LOCAL would do, but not every server knows it, so
    /// who asks says that it is itself.
    async fn send_own_proxy_header(&mut self) -> Result<(), BackendError> {
        let tcp = self.stream.tcp();
        let Ok(address) = tcp.local_addr() else { return Ok(()) };
        let client = TrueClient { address, local: tcp.peer_addr().ok(), helo: "", extended: true };
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
