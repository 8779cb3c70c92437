//! The configuration as a value that cannot be wrong: what the rest of the shell sees. Parses nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use filter_common::{PrefixLengths, Rate};
use ipnet::IpNet;

use super::auth::AuthSettings;
use super::backend::BackendSettings;
use super::clients::{Listen, Profile, TrueAddress, internal_addresses};
use super::control::ControlSettings;
use super::delegation::DelegationSettings;
use super::directories::DirectorySettings;
use super::kernel::KernelPart;
use super::relaying::RelaySettings;
use super::routing::Routing;
use super::tls::{BackendTls, TlsSettings};
use crate::peers::{Ladder, Weights};
use crate::policy::{InternalAddress, PolicySettings};
use crate::smtp::{BareNewline, Deadlines, Limits};

/// Octets of a response in an AUTH exchange: RFC 4954 section 4 has this one, and every client keeps it.
const AUTH_LINE: usize = 12_288;

/// Everything that the daemon needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name in the banner, in EHLO and towards the backend.
    pub hostname: String,
    /// Where clients connect, and whom it is for. `--listen`
    pub listen: Vec<Listen>,
    /// Who may say who the client is.
    pub true_address: TrueAddress,
    /// The addresses that clients may know this host by: where it listens, or all it has if it listens everywhere.
    pub own_addresses: Vec<IpAddr>,
    /// Worker threads. `--workers`
    pub workers: usize,

    /// TLS towards clients.
    pub tls: TlsSettings,

    /// The mail servers behind.
    pub backend: BackendSettings,
    /// Whether and how connections to them are encrypted.
    pub backend_tls: BackendTls,

    /// Domains whose mailboxes are here, as A-labels in lower case. `--local-domain`
    pub local_domains: Vec<String>,
    /// Where mail to other domains goes.
    pub routing: Routing,
    /// Where Postfix asks.
    pub delegation: DelegationSettings,
    /// Who the local recipients are.
    pub directories: DirectorySettings,
    /// Who is asked for mail hosts, in place of the system's servers. `--dns-server`
    pub dns_servers: Vec<SocketAddr>,
    /// Local-parts differ by case. `--local-part-case-sensitive`
    pub local_part_case_sensitive: bool,
    /// Who may relay.
    pub relaying: RelaySettings,

    /// How clients authenticate.
    pub auth: AuthSettings,

    /// Peers that are never sanctioned. `--allow`
    pub allow: Vec<IpNet>,
    /// How much of an address is one peer. `--peer-prefix-ipv4`, `--peer-prefix-ipv6`
    pub peer_prefixes: PrefixLengths,
    /// Peers remembered at once. `--max-peers`
    pub max_peers: usize,
    /// `--strikes-to-limit`
    pub strikes_to_limit: u32,
    /// `--strikes-to-block`
    pub strikes_to_block: u32,
    /// Time in which one strike leaks away. `--strike-decay`
    pub strike_decay: Duration,
    /// `--strike-weight-*`
    pub strike_weights: Weights,
    /// New connections of a limited peer. `--limit-rate`, `--limit-burst`
    pub limit_rate: Rate,
    /// The first block. `--block-for`
    pub block_for: Duration,
    /// The longest block. `--block-max`
    pub block_max: Duration,
    /// What the kernel does.
    pub kernel: KernelPart,

    /// Sessions in all. `--max-sessions`
    pub max_sessions: usize,
    /// Sessions of one peer. `--max-sessions-per-peer`
    pub max_sessions_per_peer: usize,
    /// Wait before the banner, to catch early talkers. `--greet-delay`
    pub greet_delay: Duration,
    /// For each command. `--command-timeout`
    pub command_timeout: Duration,
    /// For each block of message data. `--data-timeout`
    pub data_timeout: Duration,
    /// For the peer to take our replies. `--write-timeout`
    pub write_timeout: Duration,
    /// For a whole session. `--session-timeout`
    pub session_timeout: Duration,
    /// For open sessions at SIGTERM. `--drain-timeout`
    pub drain_timeout: Duration,

    /// Octets of a command line. `--max-command-line`
    pub max_command_line: usize,
    /// Commands in one session. `--max-commands`
    pub max_commands: u32,
    /// Errors in one session. `--max-errors`
    pub max_errors: u32,
    /// Accepted recipients of one message. `--max-recipients`
    pub max_recipients: u32,
    /// Recipients that nobody knows, in one session. `--max-unknown-recipients`
    pub max_unknown_recipients: u32,
    /// Octets of one message. `--max-message-size`
    pub max_message_size: u64,
    /// `--bare-newline`
    pub bare_newline: BareNewline,

    /// Where the daemon is asked. `--control-socket`
    pub control: Option<ControlSettings>,
    /// Where metrics are served. `--metrics-listen`
    pub metrics_listen: Option<SocketAddr>,
    /// JSON instead of text. `--log-format`
    pub log_json: bool,
    /// A `tracing` filter. `--log-level`
    pub log_level: String,
    /// Refusals logged a second, the rest summed up per peer. `--log-refusals`
    pub log_refusals: u32,
}

impl Config {
    /// Where the listeners are, once they are: with the ports that the system chose.
    pub fn set_bound(&mut self, addresses: &[SocketAddr]) {
        for (listen, &address) in self.listen.iter_mut().zip(addresses) {
            listen.address = address;
        }
    }

    /// What the relay policy is made from.
    #[must_use]
    pub fn policy_settings(&self) -> PolicySettings {
        PolicySettings {
            local_domains: self.local_domains.clone(),
            routes: self.routing.routes.clone(),
            own_addresses: self.own_addresses.clone(),
            local_part_case_sensitive: self.local_part_case_sensitive,
            reroute: self.relaying.reroute,
            never_relay: self.relaying.never.clone(),
            relay_authenticated: self.relaying.authenticated,
            sender_logins: self.relaying.sender_logins.clone(),
            relay_client_certificate: self.relaying.client_certificate,
            client_names: self.tls.client_names.clone(),
            internal_addresses: self.internal_addresses(),
            relay_networks: self.relaying.networks.clone(),
        }
    }

    /// Hosts that are never sanctioned: those of the allow-list, and those that connect for others.
    #[must_use]
    pub fn never_sanctioned(&self) -> Vec<IpNet> {
        self.allow.iter().copied().chain(self.true_address.hosts()).collect()
    }

    /// The internal addresses: those that are named, then those of inside listeners.
    fn internal_addresses(&self) -> Vec<InternalAddress> {
        let inside = internal_addresses(&self.listen, &self.own_addresses);
        self.relaying.internal_addresses.iter().copied().chain(inside).collect()
    }

    /// The bounds of a session.
    #[must_use]
    pub fn smtp_limits(&self) -> Limits {
        Limits {
            command_line: self.max_command_line,
            commands: self.max_commands,
            errors: self.max_errors,
            recipients: self.max_recipients,
            message_size: self.max_message_size,
            auth_line: AUTH_LINE,
            auth_attempts: self.auth.max_attempts,
            unknown_recipients: self.max_unknown_recipients,
            bare_newline: self.bare_newline,
        }
    }

    /// The time-outs of a session.
    #[must_use]
    pub fn smtp_deadlines(&self) -> Deadlines {
        Deadlines { command: self.command_timeout, data: self.data_timeout, session: self.session_timeout }
    }

    /// The ladder of sanctions.
    #[must_use]
    pub fn ladder(&self) -> Ladder {
        Ladder {
            to_limit: self.strikes_to_limit,
            to_block: self.strikes_to_block,
            decay: self.strike_decay,
            block_for: self.block_for,
            block_max: self.block_max,
        }
    }

    /// What is allowed but is hardly meant, or means less than it seems: for the log at the start, and for `check`.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.tls.warnings(!self.delegation.listen.is_empty());
        warnings.extend(self.backend.warnings());
        warnings.extend(self.backend_tls.warnings());
        warnings.extend(self.true_address.warnings());
        warnings.extend(self.relaying.warnings(&self.listen));
        let mut warn = |warning: String| warnings.push(warning);
        let ours: Vec<String> =
            self.local_domains.iter().chain(self.routing.inbound_domains()).cloned().collect();
        if ours.is_empty() {
            warn("no local-domain is set: only mail to postmaster is routed, all other is relayed or prohibited".to_owned());
        }
        self.delegation.warnings().into_iter().for_each(&mut warn);
        self.kernel.warnings().into_iter().for_each(&mut warn);
        self.directories.warnings(&ours).into_iter().for_each(&mut warn);
        let reroute = self.relaying.reroute;
        self.routing.warnings(&self.local_domains, reroute).into_iter().for_each(&mut warn);
        for network in self.allow.iter().filter(|network| is_half_the_world(network)) {
            warn(format!("allow = {network}: nearly nobody is ever sanctioned"));
        }
        let closed =
            |listen: &&Listen| listen.profile == Profile::Submission && self.auth.backends.is_empty();
        for Listen { address, .. } in self.listen.iter().filter(closed) {
            warn(format!(
                "listen = {address} profile=submission: no auth is set, so nobody can authenticate, and nothing is taken there"
            ));
        }
        if self.hostname == "localhost" {
            warn("hostname = localhost: other servers may distrust mail from such a name".to_owned());
        }
        if self.metrics_listen.is_some_and(|address| address.ip().is_unspecified()) {
            warn(
                "metrics-listen is on every address: anyone who reaches the port reads the metrics"
                    .to_owned(),
            );
        }
        warnings.extend(self.auth.warnings(!self.tls.certificates.is_empty()));
        warnings
    }
}

/// Whether a network is larger than any that one operator has.
pub(super) fn is_half_the_world(network: &IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.prefix_len() < 8,
        IpNet::V6(v6) => v6.prefix_len() < 16,
    }
}
