//! The configuration as a value that cannot be wrong: what the rest of the shell sees. Parses nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use filter_common::{PrefixLengths, Rate};
use ipnet::IpNet;

/// Where the backend is.
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

/// Bare CR or LF in message data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareNewline {
    /// Becomes CR LF, dot-stuffed anew.
    Normalise,
    /// The message is refused.
    Refuse,
}

/// Weights of the strikes, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrikeWeights {
    /// Of a relay attempt.
    pub relay_attempt: u32,
    /// Of a disguised relay attempt.
    pub disguised_relay_attempt: u32,
    /// Of an unknown recipient.
    pub unknown_recipient: u32,
    /// Of a failed AUTH.
    pub failed_auth: u32,
    /// Of protocol abuse.
    pub protocol_abuse: u32,
}

/// Everything that the daemon needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name in the banner, in EHLO and towards the backend.
    pub hostname: String,
    /// Where clients connect. `--listen`
    pub listen: Vec<SocketAddr>,
    /// Worker threads. `--workers`
    pub workers: usize,

    /// The mail server behind. `--backend`
    pub backend: BackendAddress,
    /// Send a PROXY v2 header where XCLIENT is not offered. `--backend-proxy-protocol`
    pub backend_proxy_protocol: bool,
    /// For the TCP connection and the banner. `--backend-dial-timeout`
    pub backend_dial_timeout: Duration,
    /// For each reply before the message. `--backend-reply-timeout`
    pub backend_reply_timeout: Duration,
    /// For the reply after the dot. `--backend-final-timeout`
    pub backend_final_timeout: Duration,

    /// Domains whose mailboxes are here, as A-labels in lower case. `--local-domain`
    pub local_domains: Vec<String>,
    /// The mailbox file. `--mailboxes`
    pub mailboxes: Option<PathBuf>,
    /// Local-parts differ by case. `--local-part-case-sensitive`
    pub local_part_case_sensitive: bool,
    /// Restriction *client networks*. `--relay-network`
    pub relay_networks: Vec<IpNet>,
    /// The never-list. `--never-relay`
    pub never_relay: Vec<IpNet>,
    /// Whether anyone at all may relay. `--reroute`
    pub reroute: bool,

    /// Peers that are never sanctioned. `--allow`
    pub allow: Vec<IpNet>,
    /// Where XDP is attached. `--interface`
    pub interfaces: Vec<String>,
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
    pub strike_weights: StrikeWeights,
    /// New connections of a limited peer. `--limit-rate`, `--limit-burst`
    pub limit_rate: Rate,
    /// The first block. `--block-for`
    pub block_for: Duration,
    /// The longest block. `--block-max`
    pub block_max: Duration,

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
    /// Octets of one message. `--max-message-size`
    pub max_message_size: u64,
    /// `--bare-newline`
    pub bare_newline: BareNewline,

    /// Where metrics are served. `--metrics-listen`
    pub metrics_listen: Option<SocketAddr>,
    /// JSON instead of text. `--log-format`
    pub log_json: bool,
    /// A `tracing` filter. `--log-level`
    pub log_level: String,
    /// Refusals logged a second, the rest summed up per peer. `--log-refusals`
    pub log_refusals: u32,
}
