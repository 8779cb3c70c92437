//! The control socket: a unix socket on which the running daemon answers requests, one line of JSON each way. Bounded in
//! every direction: connections, the length of a line, the time for each. Who may ask is who may open the socket. Knows
//! no answer itself.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::capture::{self, CapturedPacket, Capturing};
use super::peers_reply::PeersReply;
use super::peers_request::PeersRequest;
use super::request::{Nothing, Query, Reply, Request};
use super::{Explanation, Status};
use crate::config::ControlSettings;

/// Octets of a request.
pub(super) const LONGEST_REQUEST: usize = 16 * 1024;
/// Connections at once.
const CONNECTIONS: usize = 16;
/// For a request to come whole, and for an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who knows the answers.
pub trait Answers: Send + Sync {
    /// How the daemon is.
    fn status(&self) -> Status;
    /// What would be done with a recipient.
    fn explain(&self, query: Query) -> Pin<Box<dyn Future<Output = Explanation> + Send + '_>>;
    /// How peers stand, and what is ordered for them; or why not.
    fn peers(&self, request: PeersRequest, by: Asker) -> Told<'_>;
    /// Packets that the kernel drops, until the receiver is dropped; or why none are captured.
    fn capture(&self, asked: &Capturing, by: Asker) -> Result<Receiver<CapturedPacket>, String>;
}

/// An answer about peers, when it is there.
pub type Told<'a> = Pin<Box<dyn Future<Output = Result<PeersReply, String>> + Send + 'a>>;

/// Who asks, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The user.
    pub user: u32,
}

impl Asker {
    /// Whether it is who could change everything anyway.
    fn is_master(self) -> bool {
        self.user == 0 || self.user == geteuid().as_raw()
    }

    fn refused(self, what: &str) -> Reply {
        Reply::Error(format!(
            "user {} may look at peers, and has no say in {what}: root and relaygate's own user have, and with edit=group in \
             control-socket its group",
            self.user
        ))
    }
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Something else is there.
    #[error("control-socket = {}: there is a file of another kind; choose another path", .0.display())]
    Occupied(PathBuf),
    /// Somebody answers there.
    #[error("control-socket = {}: another relaygate answers there; stop it, or choose another path", .0.display())]
    InUse(PathBuf),
    /// The system refuses.
    #[error("control-socket = {}: {source}; its folder must exist and be writable for relaygate", .path.display())]
    System {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The socket; its file is gone when it is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    group_edits: bool,
}

impl ControlSocket {
    /// Listens there, for who may open it. Call it within a runtime, and while nothing else makes files: the mode is set by
    /// the process's umask, so that there is no moment at which anyone might connect.
    pub fn bind(settings: &ControlSettings) -> Result<Self, SocketError> {
        let (path, mode): (&Path, u32) = (&settings.path, settings.mode);
        let failed = |source| SocketError::System { path: path.to_owned(), source };
        match std::fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(SocketError::Occupied(path.to_owned()));
            }
            Ok(_) if BlockingStream::connect(path).is_ok() => {
                return Err(SocketError::InUse(path.to_owned()));
            }
            // Left by one that was killed.
            Ok(_) => std::fs::remove_file(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let before = umask(Mode::from_raw_mode(0o777 & !mode));
        let listener = UnixListener::bind(path);
        umask(before);
        let group_edits = settings.group_edits;
        Ok(Self { listener: listener.map_err(failed)?, path: path.to_owned(), group_edits })
    }

    /// Answers until it is dropped.
    pub async fn serve(self, answers: Arc<dyn Answers>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // For want of descriptors: a little later there may be some.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (answers, group_edits) = (Arc::clone(&answers), self.group_edits);
            match Arc::clone(&room).try_acquire_owned() {
                Ok(seat) => {
                    tokio::spawn(async move {
                        let _seat = seat;
                        // Whoever goes away or takes too long has lost nothing but the answer.
                        let _ = converse(stream, &*answers, group_edits).await;
                    });
                }
                Err(_) => {
                    drop(say(stream, &Reply::Error("too many connections; try again".to_owned())).await)
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Gone already, where somebody else has removed it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers request after request.
async fn converse(mut stream: UnixStream, answers: &dyn Answers, group_edits: bool) -> io::Result<()> {
    let by = Asker { user: stream.peer_cred()?.uid() };
    let may_edit = group_edits || by.is_master();
    let mut received = Vec::new();
    loop {
        let line = match timeout(PATIENCE, next_line(&mut stream, &mut received)).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                let fault = format!("a request has at most {LONGEST_REQUEST} octets");
                return say(stream, &Reply::Error(fault)).await.map(drop);
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(()),
        };
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(Request::Status(Nothing {})) => Reply::Status(Box::new(answers.status())),
            Ok(Request::Explain(query)) => Reply::Explained(Box::new(answers.explain(query).await)),
            Ok(Request::Peers(request)) if request.is_edit() && !may_edit => by.refused("peers"),
            Ok(Request::Peers(request)) => {
                answers.peers(request, by).await.map_or_else(Reply::Error, Reply::Peers)
            }
            Ok(Request::Capture(_)) if !may_edit => by.refused("what is captured"),
            Ok(Request::Capture(asked)) => match captured(&asked, answers, by) {
                Ok(captured) => {
                    stream = capture::relay(stream, &asked, captured).await?;
                    continue;
                }
                Err(fault) => Reply::Error(fault),
            },
            Err(error) => Reply::Error(format!("no request: {error}")),
        };
        stream = say(stream, &reply).await?;
    }
}

/// What is captured, where it may be.
fn captured(asked: &Capturing, answers: &dyn Answers, by: Asker) -> Result<Receiver<CapturedPacket>, String> {
    match asked.fault() {
        Some(fault) => Err(fault),
        None => answers.capture(asked, by),
    }
}

/// The next line, without its end; nothing where the other end has none. Too much without an end is invalid data.
async fn next_line(stream: &mut UnixStream, received: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = memchr(b'\n', received) {
            let mut line: Vec<u8> = received.drain(..=end).collect();
            line.pop();
            return Ok(Some(line));
        }
        if received.len() > LONGEST_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

pub(super) async fn say(mut stream: UnixStream, reply: &Reply) -> io::Result<UnixStream> {
    let mut line = serde_json::to_vec(reply).map_err(io::Error::other)?;
    line.push(b'\n');
    timeout(PATIENCE, stream.write_all(&line)).await??;
    Ok(stream)
}
