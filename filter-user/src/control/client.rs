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
    let stream =
        UnixStream::connect(path).map_err(|source| AskError::Nobody { path: path.to_owned(), source })?;
    let line =
        exchange(stream, request).map_err(|source| AskError::Unanswered { path: path.to_owned(), source })?;
    match serde_json::from_str(&line) {
        Ok(Reply::Error(said)) => Err(AskError::Refused { path: path.to_owned(), said }),
        Ok(reply) => Ok(reply),
        Err(source) => Err(AskError::Garbled { path: path.to_owned(), source }),
    }
}

fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    if BufReader::new(stream.take(LONGEST_REPLY)).read_line(&mut answer)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}
