//! What a session reads from its client and sends to it: by the socket as it is, or by TLS over it. The socket is given
//! at each call, because it is the event loop's or a task's; what is left to be sent is kept here.

use std::io;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

use super::driver::Driver;
use super::listener::{has_talked, send_last, send_now};

/// A socket that is read without waiting.
pub(super) trait ReadNow: AsFd {
    /// Reads what is there; [`io::ErrorKind::WouldBlock`] where nothing is.
    fn read_now(&self, into: &mut [u8]) -> io::Result<usize>;
}

impl ReadNow for std::net::TcpStream {
    fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        // Not through the C library: what it does around a call that may be cancelled costs as much as our parser.
        let (read, _) = recv(self, into, RecvFlags::empty())?;
        Ok(read)
    }
}

impl ReadNow for TcpStream {
    fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        self.try_read(into)
    }
}

impl Driver {
    /// Reads what is there, and says whether that was all for now: then the next octet wakes the session anew.
    pub(super) fn read_now(&mut self, socket: &impl ReadNow, into: &mut [u8]) -> io::Result<(usize, bool)> {
        match &mut self.tls {
            None => socket.read_now(into).map(|read| (read, read < into.len())),
            Some(tls) => {
                let read = tls.connection.read_now(socket, into)?;
                Ok((read, read < into.len() && tls.connection.is_emptied()))
            }
        }
    }

    /// Appends what comes next, once it has come; nothing where the client has ended.
    pub(super) async fn read(&mut self, stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<usize> {
        match &mut self.tls {
            None => stream.read_buf(into).await,
            Some(tls) => tls.connection.read(stream, into).await,
        }
    }

    /// Whether the client has said something that was not read yet.
    pub(super) fn has_talked(&mut self, socket: &impl ReadNow) -> bool {
        match &mut self.tls {
            None => has_talked(socket),
            Some(tls) => tls.connection.has_talked(socket),
        }
    }

    /// Sends what the client takes now and keeps the rest; last words wait for the close that follows.
    pub(super) fn send(&mut self, socket: &impl AsFd, out: &[u8], are_last: bool) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) if !tls.is_shaking_hands() => {
                tls.connection.hold(out)?;
                if are_last { tls.connection.end(socket) } else { tls.connection.push(socket) }
            }
            _ if out.is_empty() => Ok(()),
            _ => {
                let sent = if are_last { send_last(socket, out) } else { send_now(socket, out) }?;
                self.replies.extend_from_slice(&out[sent..]);
                Ok(())
            }
        }
    }

    /// Whether something waits to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.replies.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.connection.has_unsent())
    }

    /// Sends what waits, at the client's pace. Of what it has not taken nothing is kept after an error.
    pub(super) async fn send_rest(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.has_unsent() {
            stream.writable().await?;
            // Only by its answer does the runtime know that the socket is full.
            match stream.try_io(Interest::WRITABLE, || self.send_more(stream)) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it; [`io::ErrorKind::WouldBlock`] where that is not all. What was
    /// said before TLS goes before it, in the clear.
    fn send_more(&mut self, socket: &impl AsFd) -> io::Result<()> {
        let replies = std::mem::take(&mut self.replies);
        self.send(socket, &replies, false)?;
        if let (Some(tls), true) = (&mut self.tls, self.replies.is_empty()) {
            tls.connection.push(socket)?;
        }
        if self.has_unsent() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    /// Tells a client that is not cut off that nothing more will come.
    pub(super) fn end_wire(&mut self, socket: &impl AsFd) {
        if let Some(tls) = self.tls.as_mut().filter(|tls| !tls.is_shaking_hands()) {
            // Whether it gets through changes nothing: the socket is closed behind it.
            let _ = tls.connection.end(socket);
        }
    }
}
