//! One connection to the backend: dialled, introduced with the client's true address, then one command after the
//! other, each answered within its time or given up.

use std::io;
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::capabilities::Capabilities;
use super::reply_reader::{GarbledReply, OwnedReply, take_reply};
use super::true_address::TrueClient;
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
            Self::Unresolved { .. } | Self::Unavailable { .. } | Self::Refused { .. } => {
                reply::BACKEND_UNAVAILABLE
            }
            Self::TimedOut { .. } => reply::BACKEND_TIMED_OUT,
            Self::Lost { .. } => reply::BACKEND_LOST,
            Self::Garbled { .. } => reply::BACKEND_GARBLED,
        }
    }
}

/// A connection on which EHLO was answered.
#[derive(Debug)]
pub struct Backend {
    stream: TcpStream,
    received: Vec<u8>,
    /// What it said it can do.
    pub capabilities: Capabilities,
    /// A transaction was begun and must be reset before the next one.
    pub dirty: bool,
}

impl Backend {
    /// Connects and says EHLO, as nobody: to learn what the backend can do.
    pub async fn probe(settings: &BackendSettings) -> Result<Capabilities, BackendError> {
        let mut backend = Self::connect(settings).await?;
        if settings.proxy_protocol {
            // A backend that expects PROXY headers answers nothing before one; LOCAL would do, but not every server
            // knows it, so the probe says that it is itself.
            let own = backend.stream.local_addr().ok();
            if let Some(address) = own {
                let client =
                    TrueClient { address, local: backend.stream.peer_addr().ok(), helo: "", extended: true };
                backend.send_proxy_header(&client).await?;
            }
        }
        backend.greet(settings).await?;
        backend.hello(&settings.hostname, settings).await?;
        let capabilities = backend.capabilities.clone();
        // The courtesy of a QUIT: whether it arrives changes nothing.
        let _ = backend.send(b"QUIT\r\n", settings.reply_timeout, "QUIT").await;
        Ok(capabilities)
    }

    /// Connects, introduces the client and is ready for MAIL.
    pub async fn dial(settings: &BackendSettings, client: &TrueClient<'_>) -> Result<Self, BackendError> {
        let mut backend = Self::connect(settings).await?;
        if settings.proxy_protocol {
            backend.send_proxy_header(client).await?;
        }
        backend.greet(settings).await?;
        let name = if settings.proxy_protocol { client.helo } else { &settings.hostname };
        backend.hello(name, settings).await?;
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
        let mut octet = [0u8; 1];
        let told = rustix::net::recv(&self.stream, &mut octet, RecvFlags::DONTWAIT | RecvFlags::PEEK);
        match told {
            Ok((0, _)) => Err(BackendError::Lost { what }),
            Ok(_) => Err(BackendError::Garbled { what, garbled: GarbledReply::Unasked }),
            Err(_) if self.received.is_empty() => Ok(()),
            Err(_) => Err(BackendError::Garbled { what, garbled: GarbledReply::Unasked }),
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
        // Whether the QUIT gets through changes nothing: the connection is closed behind it.
        let _ = self.stream.try_write(b"QUIT\r\n");
    }

    async fn next_reply(&mut self, what: &'static str) -> Result<OwnedReply, BackendError> {
        loop {
            match take_reply(&mut self.received) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(garbled) => return Err(BackendError::Garbled { what, garbled }),
            }
            self.received.reserve(READ);
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) | Err(_) => return Err(BackendError::Lost { what }),
                Ok(_) => {}
            }
        }
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
        Ok(Self { stream, received: Vec::new(), capabilities: Capabilities::default(), dirty: false })
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
