//! The mail servers behind relaygate: where they are, in order of priority, how they are told of the client, and how long
//! they may take. Dials none.

use std::time::Duration;

use super::error::ConfigError;
use super::given::Given;
use super::settings as s;

/// Where one mail server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendAddress {
    /// `host:port`, resolved at each dial.
    Host {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// `sink:`, the built-in server that counts and throws away.
    Sink,
}

/// How a mail server is told who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// By XCLIENT, where it offers that.
    Xclient,
    /// By a PROXY v2 header before anything else.
    Proxy,
    /// The connection comes from the client's own address (IP_TRANSPARENT).
    Transparent,
    /// Not at all.
    None,
}

/// The mail servers behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    /// Empty only where `relaygate policy` alone can run; the first that is up is used. `--backend`
    pub hosts: Vec<BackendAddress>,
    /// How they learn the client's address. `--backend-client-address`
    pub client_address: ClientAddress,
    /// How often one that is down is probed. `--backend-probe-interval`
    pub probe_interval: Duration,
    /// For the TCP connection and the banner. `--backend-dial-timeout`
    pub dial_timeout: Duration,
    /// For each reply before the message. `--backend-reply-timeout`
    pub reply_timeout: Duration,
    /// For the reply after the dot. `--backend-final-timeout`
    pub final_timeout: Duration,
}

impl BackendSettings {
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        let hosts = given.all(&s::BACKEND)?;
        // Who only answers Postfix has none.
        if hosts.is_empty() && given.all(&s::POLICY_LISTEN)?.is_empty() {
            return Err(ConfigError::NoBackend);
        }
        if let Some(twice) = hosts.iter().enumerate().find(|(at, host)| hosts[..*at].contains(host)) {
            let (_, host) = twice;
            return Err(ConfigError::Value {
                origin: given.origin(&s::BACKEND.row),
                name: s::BACKEND.row.name,
                value: host.to_string(),
                expected: "each mail server once".to_owned(),
            });
        }
        Ok(Self {
            hosts,
            client_address: given.value(&s::BACKEND_CLIENT_ADDRESS)?,
            probe_interval: given.value(&s::BACKEND_PROBE_INTERVAL)?,
            dial_timeout: given.value(&s::BACKEND_DIAL_TIMEOUT)?,
            reply_timeout: given.value(&s::BACKEND_REPLY_TIMEOUT)?,
            final_timeout: given.value(&s::BACKEND_FINAL_TIMEOUT)?,
        })
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.hosts.contains(&BackendAddress::Sink) {
            warnings.push(
                "backend = sink: all mail that is accepted is thrown away; for trying out only".to_owned(),
            );
        }
        if self.client_address == ClientAddress::None {
            warnings.push(
                "backend-client-address = none: the backend takes all mail for relaygate's own, so what it permits this \
                 host it permits everybody, and its logs name nobody"
                    .to_owned(),
            );
        }
        warnings
    }
}

impl std::fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Sink => f.write_str("sink:"),
        }
    }
}
