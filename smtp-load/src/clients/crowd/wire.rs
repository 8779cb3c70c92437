//! What a session reads and writes by: a socket that does not block, in the clear or under TLS. Knows no SMTP.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::net::{RecvFlags, SendFlags};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// The name that is asked for in TLS: of a server that is known by its address alone, and not verified.
const SERVER_NAME: &str = "mx.example.test";

#[derive(Debug)]
pub(super) struct Wire {
    socket: OwnedFd,
    tls: Option<Box<ClientConnection>>,
}

/// The socket, as the library of TLS wants it.
struct Octets<'s>(BorrowedFd<'s>);

impl Read for Octets<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self.0, buffer, RecvFlags::empty())?.0)
    }
}

impl Write for Octets<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, tls: None }
    }

    /// Everything from here on goes under TLS.
    pub(super) fn start_tls(&mut self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
        self.tls = Some(Box::new(ClientConnection::new(config.clone(), name).map_err(io::Error::other)?));
        self.flush()
    }

    pub(super) fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    /// Reads some; 0 is the end, however it was made.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut octets = Octets(self.socket.as_fd());
        let Some(tls) = &mut self.tls else { return octets.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                // Nothing is decrypted just now.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            if tls.read_tls(&mut octets)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(|error| io::Error::other(format!("TLS: {error}")))?;
            // An answer of the handshake.
            send_records(tls, &mut octets)?;
        }
    }

    /// Writes some; 0 where nothing more is taken now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.tls {
            Some(tls) => tls.writer().write(bytes)?,
            None => match Octets(self.socket.as_fd()).write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                done => return done,
            },
        };
        self.flush()?;
        Ok(written)
    }

    /// Sends what TLS holds back, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => send_records(tls, &mut Octets(self.socket.as_fd())),
            None => Ok(()),
        }
    }

    /// Whether the connection has come about; an error where it has failed.
    pub(super) fn connected(&self) -> io::Result<bool> {
        rustix::net::sockopt::socket_error(&self.socket)?.map_err(io::Error::from)?;
        match rustix::net::getpeername(&self.socket) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOTCONN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The connection is reset when this is dropped.
    pub(super) fn reset_on_drop(&self) {
        // Where it cannot be set, the connection is closed in the ordinary way.
        let _ = rustix::net::sockopt::set_socket_linger(&self.socket, Some(std::time::Duration::ZERO));
    }
}

/// Sends what TLS has to send. What does not go just now goes with the next event.
fn send_records(tls: &mut ClientConnection, octets: &mut Octets<'_>) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(octets) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
