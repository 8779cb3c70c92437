//! What can go wrong with a backend, and what the client is told then: nearly always to try later, for nothing was taken.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::destination::MailExchangeError;
use super::reply_reader::GarbledReply;
use crate::smtp::{Reply, reply};

/// What went wrong with a backend.
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
    /// There is nothing to connect to.
    #[error("the destination has no host")]
    NoHost,
    /// Its mail hosts cannot be found.
    #[error(transparent)]
    NoExchange(#[from] MailExchangeError),
    /// It is where we listen.
    #[error("the backend {host} is relaygate itself, at {address}: mail would go round in circles")]
    Ourselves {
        /// Which.
        host: String,
        /// Where.
        address: SocketAddr,
    },
    /// No connection.
    #[error("cannot connect to the backend {host}: {source}")]
    Unavailable {
        /// Where to.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The system does not let us use the client's address as ours.
    #[error(
        "cannot connect to the backend from the client's address: {source}; backend-client-address = transparent needs \
         CAP_NET_RAW or CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_RAW) and the routing of docs/transparent.md"
    )]
    NotTransparent {
        /// Why.
        source: io::Error,
    },
    /// The client's address and the backend's are not of one family.
    #[error(
        "the client is {client}, and the backend {host} has no address of that family: a connection from the client's \
         address (backend-client-address = transparent) is not possible"
    )]
    OtherFamily {
        /// The client.
        client: IpAddr,
        /// The backend.
        host: String,
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
    /// It knows no way to authenticate that we do.
    #[error("the backend {host} offers neither AUTH PLAIN nor AUTH LOGIN, and credentials= asks for one")]
    NoMechanism {
        /// Which.
        host: String,
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
            Self::NoExchange(MailExchangeError::TakesNoMail(_)) => reply::DOMAIN_TAKES_NO_MAIL,
            Self::NoHost
            | Self::NoExchange(_)
            | Self::Ourselves { .. }
            | Self::Unresolved { .. }
            | Self::Unavailable { .. }
            | Self::NotTransparent { .. }
            | Self::OtherFamily { .. }
            | Self::Unencrypted { .. }
            | Self::Tls { .. }
            | Self::NoMechanism { .. }
            | Self::Refused { .. } => reply::BACKEND_UNAVAILABLE,
            Self::TimedOut { .. } => reply::BACKEND_TIMED_OUT,
            Self::Lost { .. } => reply::BACKEND_LOST,
            Self::Garbled { .. } => reply::BACKEND_GARBLED,
        }
    }
}
