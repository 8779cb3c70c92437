//! A connection to a remote directory, over the network or to a socket in the file system.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::error::DirectoryError;
use crate::config::StreamAddress;

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    /// Over the network.
    Inet(TcpStream),
    /// On this host.
    Unix(UnixStream),
}

impl Stream {
    /// Connects.
    pub(super) async fn connect(to: &StreamAddress) -> Result<Self, DirectoryError> {
        let connected = match to {
            StreamAddress::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            StreamAddress::Inet { host, port } => {
                TcpStream::connect((host.as_str(), *port)).await.map(|stream| {
                    // It costs time, not the answer, where this is refused.
                    let _ = stream.set_nodelay(true);
                    Self::Inet(stream)
                })
            }
        };
        connected.map_err(DirectoryError::Unreachable)
    }

    /// Sends what the system takes at once, and nothing of the rest.
    pub(super) fn say_at_once(&self, octets: &[u8]) {
        let _ = match self {
            Self::Inet(stream) => stream.try_write(octets),
            Self::Unix(stream) => stream.try_write(octets),
        };
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Inet(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Inet(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Inet(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Inet(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
