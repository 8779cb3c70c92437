//! Authentication as configured: who knows the logins, which mechanisms, how long it holds. Opens nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::error::ConfigError;
use super::given::Given;
use super::settings as s;
use super::stream_address::StreamAddress;

/// One that knows logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthBackend {
    /// A password file.
    File(PathBuf),
    /// Dovecot, where its authentication service listens.
    Dovecot(StreamAddress),
    /// The mail server behind, whose word is believed.
    PassThrough,
}

/// How clients authenticate. Nobody can where there is no backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// Who is asked, in order. `--auth`
    pub backends: Vec<AuthBackend>,
    /// What may be offered, of what the backends have. `--auth-mechanism`
    pub mechanisms: Vec<String>,
    /// From where AUTH is taken without TLS. `--auth-without-tls`
    pub without_tls: Vec<IpNet>,
    /// How long who failed waits for the reply. `--auth-failure-delay`
    pub failure_delay: Duration,
    /// Failed attempts in one session. `--max-auth-attempts`
    pub max_attempts: u32,
    /// Failed attempts of one peer. `--max-auth-attempts-per-peer`
    pub max_attempts_per_peer: u32,
    /// How long a host counts as authenticated. `--authenticated-for`
    pub authenticated_for: Duration,
    /// For each word of a backend. `--auth-timeout`
    pub timeout: Duration,
}

impl AuthSettings {
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        let backends = given.all(&s::AUTH)?;
        if backends.len() > 1 && backends.contains(&AuthBackend::PassThrough) {
            return Err(ConfigError::PassThroughIsNotAlone { origin: given.origin(&s::AUTH.row) });
        }
        let mut mechanisms = given.all(&s::AUTH_MECHANISM)?;
        if mechanisms.is_empty() {
            mechanisms = DEFAULT_MECHANISMS.map(str::to_owned).to_vec();
        }
        Ok(Self {
            backends,
            mechanisms,
            without_tls: given.all(&s::AUTH_WITHOUT_TLS)?,
            failure_delay: given.value(&s::AUTH_FAILURE_DELAY)?,
            max_attempts: u32::try_from(given.value(&s::MAX_AUTH_ATTEMPTS)?).unwrap_or(u32::MAX),
            max_attempts_per_peer: u32::try_from(given.value(&s::MAX_AUTH_ATTEMPTS_PER_PEER)?)
                .unwrap_or(u32::MAX),
            authenticated_for: given.value(&s::AUTHENTICATED_FOR)?,
            timeout: given.value(&s::AUTH_TIMEOUT)?,
        })
    }

    /// Whether anybody can authenticate.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        !self.backends.is_empty()
    }

    /// The password files among those that are asked.
    pub fn password_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.backends.iter().filter_map(|backend| match backend {
            AuthBackend::File(path) => Some(path),
            AuthBackend::Dovecot(_) | AuthBackend::PassThrough => None,
        })
    }

    /// Whether AUTH is taken from this client without TLS.
    #[must_use]
    pub fn takes_in_clear(&self, client: IpAddr) -> bool {
        self.without_tls.iter().any(|network| network.contains(&client))
    }

    /// Whether AUTH is handed through to the backend.
    #[must_use]
    pub fn is_passed_through(&self) -> bool {
        self.backends.contains(&AuthBackend::PassThrough)
    }

    pub(super) fn warnings(&self, with_tls: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_offered() && !with_tls && self.without_tls.is_empty() {
            warnings.push(
                "auth is set, but AUTH is taken over TLS, and there is no tls-certificate; name one, or the networks \
                 that may do without in auth-without-tls"
                    .to_owned(),
            );
        }
        if !self.is_offered() && !self.without_tls.is_empty() {
            warnings.push("auth-without-tls is set, but auth is not: nobody can authenticate".to_owned());
        }
        let of_the_world =
            |network: &&IpNet| !network.addr().is_loopback() && super::checked::is_half_the_world(network);
        for network in self.without_tls.iter().filter(of_the_world) {
            warnings.push(format!(
                "auth-without-tls = {network}: whoever listens on the way reads the passwords of nearly everybody"
            ));
        }
        warnings
    }
}

/// What is offered where auth-mechanism is not set; of these, what the backends have.
const DEFAULT_MECHANISMS: [&str; 6] =
    ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"];
