//! Where another program on this host or elsewhere is reached: a socket in the file system, or a host and port. Written
//! as Postfix writes it: `unix:PATH` or `inet:HOST:PORT`.

use std::fmt;
use std::path::PathBuf;

use super::backend::BackendAddress;
use super::kind::{Backend, Kind as _};

/// Where a stream leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamAddress {
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `inet:HOST:PORT`.
    Inet {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
}

impl StreamAddress {
    /// Reads it; nothing where it is written otherwise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Self::Unix(PathBuf::from(path)));
        }
        Self::parse_inet(text.strip_prefix("inet:")?)
    }

    /// Reads `HOST:PORT`.
    #[must_use]
    pub fn parse_inet(text: &str) -> Option<Self> {
        match Backend.parse(text)? {
            BackendAddress::Host { host, port } => Some(Self::Inet { host, port }),
            BackendAddress::Sink => None,
        }
    }
}

impl fmt::Display for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inet { host, port } if host.contains(':') => write!(f, "inet:[{host}]:{port}"),
            Self::Inet { host, port } => write!(f, "inet:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_and_shown_as_written() {
        for text in
            ["unix:/run/postmap.sock", "inet:127.0.0.1:8000", "inet:[::1]:8000", "inet:mail.example:25"]
        {
            assert_eq!(StreamAddress::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "unix:", "inet:", "inet:sink:", "inet:host", "inet:host:0", "tcp:host:1", "/run/x"] {
            assert_eq!(StreamAddress::parse(text), None, "{text}");
        }
    }
}
