//! Asks a running daemon over its control socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::request::{Reply, Request};

/// For the daemon to answer: longer than any directory may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets of an answer.
const LONGEST_REPLY: u64 = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there.
    #[error("no relaygate answers at {}: {source}", .path.display())]
    Nobody {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon went away, or took too long.
    #[error("relaygate at {} did not answer: {source}", .path.display())]
    Unanswered {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another version, or something else.
    #[error("what answers at {} is no relaygate of this version: {source}", .path.display())]
    Garbled {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The daemon says no.
    #[error("relaygate at {} says: {said}", .path.display())]
    Refused {
        /// Where.
        path: PathBuf,
        /// Its words.
        said: String,
    },
}

/// Asks once.
pub fn ask(path: &Path, request: &Request) -> Result<Reply, AskError> {
    Asking::start(path, request, PATIENCE)?.answer()
}

/// A request that many answers may come to.
#[derive(Debug)]
pub struct Asking {
    path: PathBuf,
    answers: BufReader<UnixStream>,
}

impl Asking {
    /// Asks; each answer may take so long.
    pub fn start(path: &Path, request: &Request, patience: Duration) -> Result<Self, AskError> {
        let stream =
            UnixStream::connect(path).map_err(|source| AskError::Nobody { path: path.to_owned(), source })?;
        let unanswered = |source| AskError::Unanswered { path: path.to_owned(), source };
        say(&stream, request, patience).map_err(unanswered)?;
        Ok(Self { path: path.to_owned(), answers: BufReader::new(stream) })
    }

    /// The next answer.
    pub fn answer(&mut self) -> Result<Reply, AskError> {
        let path = || self.path.clone();
        let mut line = String::new();
        let unanswered = |source| AskError::Unanswered { path: path(), source };
        match self.answers.by_ref().take(LONGEST_REPLY).read_line(&mut line) {
            Ok(0) => return Err(unanswered(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(source) => return Err(unanswered(source)),
        }
        match serde_json::from_str(&line) {
            Ok(Reply::Error(said)) => Err(AskError::Refused { path: path(), said }),
            Ok(reply) => Ok(reply),
            Err(source) => Err(AskError::Garbled { path: path(), source }),
        }
    }
}

fn say(mut stream: &UnixStream, request: &Request, patience: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)
}
