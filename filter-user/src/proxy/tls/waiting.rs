//! A TLS connection in a task: the same steps, with a wait for the socket between them. Each wait may be given up, and
//! what was read or is to be sent is then still there.

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::connection::{Progress, Tls};
use crate::proxy::wire::ReadNow;

impl Tls {
    /// Goes through the handshake.
    pub(super) async fn through_handshake(&mut self, stream: &TcpStream) -> io::Result<()> {
        loop {
            match self.shake_hands(stream)? {
                Progress::Done => return self.flush(stream).await,
                Progress::Reads => stream.readable().await?,
                Progress::Writes => self.flush(stream).await?,
            }
        }
    }

    /// Appends what comes next, once it has come; nothing where the peer has ended.
    pub(in crate::proxy) async fn read(
        &mut self,
        stream: &TcpStream,
        into: &mut Vec<u8>,
    ) -> io::Result<usize> {
        loop {
            match self.take_received(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            match self.pull(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
                other => other.map(drop)?,
            }
        }
    }

    /// Sends all that waits.
    pub(in crate::proxy) async fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.has_unsent() {
            stream.writable().await?;
            let pushed = stream.try_io(Interest::WRITABLE, || {
                self.push(stream)?;
                // Only so does the runtime know that the socket is full.
                if self.has_unsent() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match pushed {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A socket of the runtime's, asked directly: the runtime hears of what came only when it is asked itself.
pub(super) struct Asked<'s>(pub(super) &'s TcpStream);

impl std::os::fd::AsFd for Asked<'_> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ReadNow for Asked<'_> {
    fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        let (read, _) = recv(self.0, into, RecvFlags::DONTWAIT)?;
        Ok(read)
    }
}
