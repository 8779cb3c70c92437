//! Where Postfix connects to ask: a port of this host, or a socket in the file system.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};

use crate::config::StreamAddress;

/// Nobody can ask.
#[derive(Debug, thiserror::Error)]
#[error("policy-listen = {at}: cannot listen there: {source}")]
pub struct PolicyListenError {
    /// Where.
    at: StreamAddress,
    /// What the system said.
    source: io::Error,
}

/// A listening socket; clients already wait in its queue.
#[derive(Debug)]
pub struct PolicyListener {
    pub(super) socket: Socket,
    at: StreamAddress,
}

/// What is listened at.
#[derive(Debug)]
pub(super) enum Socket {
    Inet(std::net::TcpListener),
    Unix { listener: unix::UnixListener, file: SocketFile },
}

/// The socket's file, gone when nobody listens any more.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next one to listen there removes it.
        let _ = fs::remove_file(&self.0);
    }
}

impl PolicyListener {
    /// Listens there. Who may use a socket in the file system is said by the rights of its folder, as Postfix has it.
    pub fn bind(at: &StreamAddress) -> Result<Self, PolicyListenError> {
        let failed = |source| PolicyListenError { at: at.clone(), source };
        let socket = match at {
            StreamAddress::Inet { host, port } => {
                let listener = std::net::TcpListener::bind((host.as_str(), *port)).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Socket::Inet(listener)
            }
            StreamAddress::Unix(path) => {
                remove_leftover(path).map_err(failed)?;
                let listener = unix::UnixListener::bind(path).map_err(failed)?;
                let file = SocketFile(path.clone());
                listener.set_nonblocking(true).map_err(failed)?;
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
                Socket::Unix { listener, file }
            }
        };
        Ok(Self { socket, at: at.clone() })
    }

    /// Where that is.
    #[must_use]
    pub fn address(&self) -> &StreamAddress {
        &self.at
    }
}

/// Removes the socket of a process that ended without doing so. One that somebody listens at stays, and so does what is
/// no socket.
fn remove_leftover(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && unix::UnixStream::connect(path).is_err_and(refused) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_socket_is_replaced_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy");
        let at = StreamAddress::Unix(path.clone());
        drop(unix::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a leftover");

        let listening = PolicyListener::bind(&at).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        let error = PolicyListener::bind(&at).unwrap_err().to_string();
        assert!(error.contains("policy-listen = unix:") && error.contains("in use"), "{error}");
        drop(listening);
        assert!(!path.exists());

        fs::write(&path, "a file").unwrap();
        PolicyListener::bind(&at).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    }
}
