//! How the daemon is, in numbers and words: for people, for `--json` and for the control socket, all made from this.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which version runs.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has run.
    pub up_seconds: u64,
    /// Where clients connect.
    pub listeners: Vec<ListenerStatus>,
    /// Where sanctions are enforced.
    pub sanctions: SanctionsStatus,
    /// Sessions that are open.
    pub sessions: usize,
    /// Peers that are remembered.
    pub peers: usize,
    /// The hosts that mail is handed to.
    pub backends: Vec<BackendStatus>,
    /// The directories, in the order in which they are asked.
    pub directories: Vec<DirectoryStatus>,
    /// The certificates that clients are shown.
    pub certificates: Vec<CertificateStatus>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Where.
    pub address: SocketAddr,
    /// For whom.
    pub profile: String,
}

/// Where sanctions are enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SanctionsStatus {
    /// `kernel`, or `process` where it is when connections are accepted.
    pub home: String,
    /// Why, or on which interfaces.
    pub reason: String,
    /// Each interface of the settings, where it is the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<InterfaceStatus>,
}

/// An interface where the kernel is to enforce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub interface: String,
    /// The hook: `xdp` or `tc`; nothing where it has none, or is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// How: `native` or `generic`, `tcx` or `clsact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// A host that mail is handed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// Its destination: 0 is the default backend, others are those of the routing table.
    pub destination: usize,
    /// Its name or address, and port.
    pub host: String,
    /// Whether it could be reached when it was tried last.
    pub up: bool,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryStatus {
    /// What it is.
    pub source: String,
    /// How many mailboxes it has, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailboxes: Option<usize>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Its file.
    pub file: PathBuf,
    /// When it ends, in seconds of Unix time.
    pub ends: i64,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = humantime::format_duration(Duration::from_secs(self.up_seconds));
        writeln!(f, "relaygate {}, process {}, running for {up}", self.version, self.pid)?;
        for ListenerStatus { address, profile } in &self.listeners {
            writeln!(f, "listens    {address} ({profile})")?;
        }
        writeln!(f, "sanctions  {} ({})", self.sanctions.home, self.sanctions.reason)?;
        for InterfaceStatus { interface, hook, mode } in &self.sanctions.interfaces {
            let (hook, mode) = (hook.as_deref().unwrap_or("none"), mode.as_deref().unwrap_or("none"));
            writeln!(f, "interface  {interface}, hook {hook}, mode {mode}")?;
        }
        writeln!(f, "sessions   {}", self.sessions)?;
        write!(f, "peers      {}", self.peers)?;
        for BackendStatus { destination, host, up } in &self.backends {
            let up = if *up { "up" } else { "DOWN" };
            write!(f, "\nbackend    {host}, {up}, destination {destination}")?;
        }
        for DirectoryStatus { source, mailboxes } in &self.directories {
            write!(f, "\ndirectory  {source}")?;
            if let Some(mailboxes) = mailboxes {
                write!(f, ", {mailboxes} mailboxes")?;
            }
        }
        for CertificateStatus { file, ends } in &self.certificates {
            // Nothing of this age is in force.
            let ends = UNIX_EPOCH + Duration::from_secs(u64::try_from(*ends).unwrap_or(0));
            let ends = humantime::format_rfc3339_seconds(ends);
            write!(f, "\ncertificate {}, until {ends}", file.display())?;
        }
        Ok(())
    }
}
