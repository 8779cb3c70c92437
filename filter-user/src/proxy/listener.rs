//! Listening sockets: one a worker and address, so that the kernel spreads connections over the workers
//! (SO_REUSEPORT), and none of them waits for another.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{
    SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketFlags, acceptfrom_with, send, sendmsg, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted, a socket.
const BACKLOG: i32 = 4096;

/// A listening socket could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{advice}", advice = advice(source))]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there: stop it, or choose another --listen",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root or CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this host has no such address: see `ip address`, or choose another --listen"
        }
        _ => "",
    }
}

/// Binds `workers` sockets to an address; they all get the same port, also where port 0 asks for any.
pub(super) fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, ListenError> {
    let failed = |source| ListenError { address, source };
    if address.port() != 0 {
        // Sockets with SO_REUSEPORT share a port even with another relaygate of the same user: this one does not.
        drop(open(address, false).map_err(failed)?);
    }
    let first = open(address, true).map_err(failed)?;
    let address = first.local_addr().map_err(failed)?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(open(address, true).map_err(failed)?);
    }
    Ok(listeners)
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // `[::]` is IPv6 alone, whatever the system's default: IPv4 is listened on where it is asked for.
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit it: replies leave at once, without a system call a session.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    if shared {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

/// Takes one waiting connection, non-blocking.
pub(super) fn accept(listener: &TcpListener) -> io::Result<(OwnedFd, SocketAddr)> {
    let (socket, address) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    match address.map(|address: SocketAddrAny| SocketAddr::try_from(address)) {
        Some(Ok(address)) => Ok((socket, address)),
        // Reset before it was accepted.
        _ => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// Sends what the socket takes now, without asking the runtime whether it might: a new connection always has room for
/// a banner, and asking costs a turn of the event loop.
pub(super) fn send_now(socket: &impl std::os::fd::AsFd, octets: &[u8]) -> io::Result<usize> {
    send_flagged(socket, octets, SendFlags::empty())
}

/// Sends the last words before a close that follows at once: they leave together with its FIN, in one packet.
pub(super) fn send_last(socket: &impl std::os::fd::AsFd, octets: &[u8]) -> io::Result<usize> {
    send_flagged(socket, octets, SendFlags::MORE)
}

fn send_flagged(socket: &impl std::os::fd::AsFd, octets: &[u8], flags: SendFlags) -> io::Result<usize> {
    unless_full(|| send(socket, octets, SendFlags::DONTWAIT | SendFlags::NOSIGNAL | flags))
}

/// Sends, and says how much: nothing where the socket is full.
fn unless_full(mut sends: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match sends() {
            Ok(sent) => return Ok(sent),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends what the socket takes now, of parts that are to leave together.
pub(super) fn send_parts(
    socket: &impl std::os::fd::AsFd,
    parts: &[IoSlice<'_>],
    flags: SendFlags,
) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL | flags;
    unless_full(|| sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), flags))
}

/// Whether octets have arrived; they stay where they are.
pub(super) fn has_talked(socket: &impl std::os::fd::AsFd) -> bool {
    matches!(rustix::io::ioctl_fionread(socket), Ok(1..))
}

/// Makes the coming close a reset: nothing lingers, the peer is told at once.
pub(super) fn reset_at_close(socket: &impl std::os::fd::AsFd) {
    // Refused only for a socket that is already gone.
    let _ = sockopt::set_socket_linger(socket, Some(std::time::Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_others_do_not_get_it() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
        let error = bind(address, 2).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("--listen"), "{error}");
    }
}
