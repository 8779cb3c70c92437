//! A directory that is asked over a connection, of whichever kind.

use std::sync::Arc;

use super::callout::Callout;
use super::error::DirectoryError;
use super::ldap::Ldap;
use super::pool::Pool;
use super::question::Question;
use super::socketmap::Socketmap;
use crate::config::{RemoteServer, RemoteSource};
use crate::telemetry::label::DirectoryKind;

/// A remote directory.
#[derive(Clone, Debug)]
pub(super) enum Remote {
    /// LDAP.
    Ldap(Arc<Pool<Ldap>>),
    /// Postfix's maps.
    Socketmap(Arc<Pool<Socketmap>>),
    /// A mail server.
    Callout(Arc<Pool<Callout>>),
}

impl Remote {
    /// The directory of these settings. Connects to nothing yet. A mail server is told that we are `hostname`.
    pub(super) fn open(source: &RemoteSource, hostname: &str) -> Result<Self, DirectoryError> {
        let (name, connections) = (source.to_string(), source.connections);
        Ok(match &source.server {
            RemoteServer::Ldap(ldap) => Self::Ldap(Arc::new(Pool::new(name, Ldap::open(ldap)?, connections))),
            RemoteServer::Socketmap { at, map, key } => {
                let server = Socketmap { at: at.clone(), map: map.clone(), key: key.clone() };
                Self::Socketmap(Arc::new(Pool::new(name, server, connections)))
            }
            RemoteServer::Callout { at } => {
                let server = Callout { at: at.clone(), hostname: hostname.to_owned() };
                Self::Callout(Arc::new(Pool::new(name, server, connections)))
            }
        })
    }

    /// Whether this mailbox is known.
    pub(super) async fn ask(&self, question: &Question) -> Result<bool, DirectoryError> {
        match self {
            Self::Ldap(pool) => pool.ask(question).await,
            Self::Socketmap(pool) => pool.ask(question).await,
            Self::Callout(pool) => pool.ask(question).await,
        }
    }

    /// Tells the log how a question ended, where that is news.
    pub(super) fn tell(&self, outcome: Result<(), &DirectoryError>) {
        match self {
            Self::Ldap(pool) => pool.tell(outcome),
            Self::Socketmap(pool) => pool.tell(outcome),
            Self::Callout(pool) => pool.tell(outcome),
        }
    }

    /// Which kind it is.
    pub(super) fn kind(&self) -> DirectoryKind {
        match self {
            Self::Ldap(_) => DirectoryKind::Ldap,
            Self::Socketmap(_) => DirectoryKind::Socketmap,
            Self::Callout(_) => DirectoryKind::Callout,
        }
    }
}
