//! A directory that is asked over a connection, of whichever kind.

use std::sync::Arc;

use super::error::DirectoryError;
use super::pool::Pool;
use super::question::Question;
use super::socketmap::Socketmap;
use crate::config::RemoteSource;
use crate::telemetry::label::DirectoryKind;

/// A remote directory.
#[derive(Clone, Debug)]
pub(super) enum Remote {
    /// Postfix's maps.
    Socketmap(Arc<Pool<Socketmap>>),
}

impl Remote {
    /// The directory of these settings. Connects to nothing yet.
    pub(super) fn open(source: &RemoteSource) -> Self {
        let name = source.to_string();
        match source {
            RemoteSource::Socketmap { at, map, key, connections } => {
                let server = Socketmap { at: at.clone(), map: map.clone(), key: key.clone() };
                Self::Socketmap(Arc::new(Pool::new(name, server, *connections)))
            }
        }
    }

    /// Whether this mailbox is known.
    pub(super) async fn ask(&self, question: &Question) -> Result<bool, DirectoryError> {
        match self {
            Self::Socketmap(pool) => pool.ask(question).await,
        }
    }

    /// Tells the log how a question ended, where that is news.
    pub(super) fn tell(&self, outcome: Result<(), &DirectoryError>) {
        match self {
            Self::Socketmap(pool) => pool.tell(outcome),
        }
    }

    /// Which kind it is.
    pub(super) fn kind(&self) -> DirectoryKind {
        match self {
            Self::Socketmap(_) => DirectoryKind::Socketmap,
        }
    }
}
