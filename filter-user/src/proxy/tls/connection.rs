//! One TLS connection over a non-blocking socket, whichever side we are. It is given the socket at each call and keeps
//! none, so that a session's socket stays where the event loop has it. Waits for nothing; knows no certificate.

use std::io::{self, BufRead as _, IoSlice, Read as _, Write as _};
use std::os::fd::AsFd;

use rustix::net::SendFlags;
use rustls::{Connection, ProtocolVersion};

use crate::proxy::listener::send_parts;
use crate::proxy::wire::ReadNow;

/// A TLS connection; its socket is its owner's.
#[derive(Debug)]
pub(in crate::proxy) struct Tls {
    connection: Connection,
    /// The last read took all that the socket had: the next octet tells of itself.
    emptied: bool,
    /// We have said that nothing more will come.
    ended: bool,
}

/// How far a handshake got with what there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Progress {
    /// It is done.
    Done,
    /// The peer has to say more.
    Reads,
    /// The peer has to take what we said.
    Writes,
}

impl Tls {
    pub(super) fn new(connection: impl Into<Connection>) -> Self {
        let mut connection = connection.into();
        // What waits to be sent is bounded by who sends: nothing more is read before it is gone.
        connection.set_buffer_limit(None);
        Self { connection, emptied: false, ended: false }
    }

    /// Whether [`exporter`](Self::exporter) gives something. Before TLS 1.3 what it gives is of one connection alone only
    /// where the handshake had an extension that not every client has (RFC 9266 section 4.2).
    pub(in crate::proxy) fn is_exporting(&self) -> bool {
        !self.connection.is_handshaking()
            && self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    /// Octets that only the two ends of this connection know: the channel binding `tls-exporter` (RFC 9266).
    pub(in crate::proxy) fn exporter(&self) -> Option<Vec<u8>> {
        if !self.is_exporting() {
            return None;
        }
        let exported =
            self.connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
        exported.ok().map(|octets| octets.to_vec())
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Goes on with the handshake, as far as it gets.
    pub(in crate::proxy) fn shake_hands(&mut self, socket: &impl ReadNow) -> io::Result<Progress> {
        self.push(socket)?;
        while self.connection.is_handshaking() {
            match self.pull(socket) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(if self.has_unsent() { Progress::Writes } else { Progress::Reads });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }

    /// Reads what is there; [`io::ErrorKind::WouldBlock`] where nothing is.
    pub(in crate::proxy) fn read_now(&mut self, socket: &impl ReadNow, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.pull(socket)?,
                other => return end_is_an_end(other),
            };
        }
    }

    /// Whether the last read left nothing behind, neither here nor, as far as is known, in the socket.
    pub(in crate::proxy) fn is_emptied(&self) -> bool {
        self.emptied
    }

    /// Appends what has been received already, and says how much; [`io::ErrorKind::WouldBlock`] where nothing is.
    pub(super) fn take_received(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let mut reader = self.connection.reader();
        let taken = reader.fill_buf().map(|chunk| {
            into.extend_from_slice(chunk);
            chunk.len()
        });
        if let Ok(taken) = taken {
            reader.consume(taken);
        }
        end_is_an_end(taken)
    }

    /// Whether the peer has said something that was not read yet; takes what the socket has to find out. That it has
    /// failed or ended is found again by the next read.
    pub(in crate::proxy) fn has_talked(&mut self, socket: &impl ReadNow) -> bool {
        loop {
            let has_received = matches!(self.connection.reader().fill_buf(), Ok([_, ..]));
            if has_received || !matches!(self.pull(socket), Ok(1..)) {
                return has_received;
            }
        }
    }

    /// Whether the peer has ended, and all that it said was read.
    pub(super) fn is_over(&mut self) -> bool {
        let next = end_is_an_end(self.connection.reader().fill_buf().map(<[u8]>::len));
        !matches!(next, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Takes octets to be sent, and sends none yet.
    pub(in crate::proxy) fn hold(&mut self, octets: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(octets)
    }

    /// Says that nothing more will come, so that the peer knows that nothing was cut off. The socket is to be closed
    /// behind it: what it takes leaves together with the FIN.
    pub(in crate::proxy) fn end(&mut self, socket: &impl AsFd) -> io::Result<()> {
        if !std::mem::replace(&mut self.ended, true) {
            self.connection.send_close_notify();
        }
        self.push_flagged(socket, SendFlags::MORE)
    }

    /// Whether something waits to be sent.
    pub(in crate::proxy) fn has_unsent(&self) -> bool {
        self.connection.wants_write()
    }

    /// Sends what waits, as far as the socket takes it.
    pub(in crate::proxy) fn push(&mut self, socket: &impl AsFd) -> io::Result<()> {
        self.push_flagged(socket, SendFlags::empty())
    }

    fn push_flagged(&mut self, socket: &impl AsFd, flags: SendFlags) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Outward { socket, flags }) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads from the socket once and does what it leads to; says how many octets came.
    pub(super) fn pull(&mut self, socket: &impl ReadNow) -> io::Result<usize> {
        let mut inward = Inward { socket, emptied: false };
        let pulled = self.connection.read_tls(&mut inward);
        self.emptied = inward.emptied;
        let pulled = pulled?;
        let processed = self.connection.process_new_packets();
        // An alert, where that failed. That it cannot be sent is found out by the next read.
        let pushed = self.push(socket);
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        pushed.map(|()| pulled)
    }
}

/// A peer that hangs up without a close_notify has ended all the same. Nothing can be taken for whole that was cut off:
/// a command ends with its line, a message with its dot.
fn end_is_an_end(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        other => other,
    }
}

/// The socket as rustls reads it.
struct Inward<'s, S> {
    socket: &'s S,
    emptied: bool,
}

impl<S: ReadNow> io::Read for Inward<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read_now(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    self.emptied = !matches!(&other, Ok(read) if *read == into.len());
                    return other;
                }
            }
        }
    }
}

/// The socket as rustls writes to it: the records of a flight leave by one call.
struct Outward<'s, S> {
    socket: &'s S,
    flags: SendFlags,
}

impl<S: AsFd> io::Write for Outward<'_, S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match send_parts(self.socket, parts, self.flags)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            sent => Ok(sent),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
